"""fold(a + b) == merge(fold(a), fold(b)), for every split of every history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow_projections.algebra import Table
from leadflow_projections.conversion import CONVERSION, with_dimensions
from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, Room, rows_name
from leadflow_projections.judging import trusted
from leadflow_projections.moments import microseconds
from leadflow_projections.rest import at_rest_select, fold, merge
from leadflow_projections.sales_queue import SALES_QUEUE
from leadflow_projections.stage_board import STAGE_BOARD
from tests.property.histories import BEGIN, examples, histories, log_of

TABLES = (
    *STAGE_BOARD.tables,
    *SALES_QUEUE.tables,
    *CONVERSION.tables,
)
EXAMPLES = examples(8)


def rows(table: Table, partial: pa.Table) -> list[dict[str, object]]:
    """Rows at rest in order of their keys."""
    order: list[tuple[str, Literal["ascending", "descending"]]] = [
        (name, "ascending") for name in table.key
    ]
    found: list[dict[str, object]] = partial.sort_by(order).to_pylist()
    return found


def parts_of(log: pa.Table, places: Sequence[int], count: int) -> list[pa.Table]:
    """The log's rows dealt out to so many parts, keeping their order."""
    return [
        log.filter(pa.array([place == part for place in places], pa.bool_()))
        for part in range(count)
    ]


@given(data=st.data(), history=histories())
@EXAMPLES
def test_folding_any_split_and_merging_is_folding_the_whole(
    data: st.DataObject, history: list[e.LeadEvent]
) -> None:
    log = log_of(history)
    places = [data.draw(st.integers(0, 2)) for _ in history]
    parts = [fold(TABLES, part) for part in parts_of(log, places, 3)]
    for table, whole, one, two, three in zip(TABLES, fold(TABLES, log), *parts, strict=True):
        expected = rows(table, whole)
        assert rows(table, merge(table, [one, two, three])) == expected
        assert rows(table, merge(table, [three, one, two])) == expected, "commutative"
        left = merge(table, [merge(table, [one, two]), three])
        right = merge(table, [one, merge(table, [two, three])])
        assert rows(table, left) == rows(table, right) == expected, "associative"


@given(history=histories(), size=st.integers(1, 5), held=st.integers(1, 6))
@EXAMPLES
def test_folding_chunk_by_chunk_with_little_room_is_folding_the_whole(
    history: list[e.LeadEvent], size: int, held: int
) -> None:
    log = trusted(log_of(history))
    with open_engine(threads=1) as engine:
        folding = Fold(engine, TABLES, room=Room(partial_rows=held))
        for first in range(0, log.num_rows, size):
            folding.add(log.slice(first, size))
        folding.finish()
        for table, whole in zip(TABLES, fold(TABLES, log_of(history)), strict=True):
            made = engine.sql(at_rest_select(table, rows_name(table))).to_arrow_table()
            assert rows(table, made) == rows(table, whole)


@given(history=histories(), buckets=st.integers(1, 3))
@EXAMPLES
def test_folding_by_buckets_of_leads_is_folding_the_whole(
    history: list[e.LeadEvent], buckets: int
) -> None:
    log = log_of(history)
    places = [event.originator_id.int % buckets for event in history]
    parts = [fold(TABLES, part) for part in parts_of(log, places, buckets)]
    for index, (table, whole) in enumerate(zip(TABLES, fold(TABLES, log), strict=True)):
        together = pa.concat_tables([part[index] for part in parts])
        assert rows(table, together) == rows(table, whole), "no lead is in two buckets"


@given(
    history=histories(),
    as_of=st.integers(0, 7 * 24 * 60).map(lambda minutes: minutes * 60_000_000),
)
@EXAMPLES
def test_as_of_is_the_fold_of_what_had_happened_by_then(
    history: list[e.LeadEvent], as_of: int
) -> None:
    moment = microseconds(BEGIN) + as_of
    log = log_of(history)
    kept = [
        microseconds(event.occurred_at) <= moment and event.time_basis != "assumed"
        for event in history
    ]
    known = [_as_known(event, moment) for event in history]
    expected = fold(TABLES, log_of(known).filter(pa.array(kept, pa.bool_())))
    for table, one, other in zip(TABLES, fold(TABLES, log, as_of=moment), expected, strict=True):
        assert rows(table, one) == rows(table, other)


def _as_known(event: e.LeadEvent, moment: int) -> e.LeadEvent:
    """The event without a stamped instant that lies beyond the moment."""
    due: datetime | None = getattr(event, "response_due", None)
    if due is not None and microseconds(due) > moment:
        return event.model_copy(update={"response_due": None})
    return event


@given(data=st.data(), history=histories())
@EXAMPLES
def test_dimensions_on_demand_merge_like_any_column(
    data: st.DataObject, history: list[e.LeadEvent]
) -> None:
    table = with_dimensions(("industry", "a/b~c"))
    places = [data.draw(st.integers(0, 1)) for _ in history]
    parts = [fold([table], part)[0] for part in parts_of(log_of(history), places, 2)]
    [whole] = fold([table], log_of(history))
    assert rows(table, merge(table, parts)) == rows(table, whole)
    last = {
        (str(event.originator_id), event.cycle): event.dimensions["a/b~c"]
        for event in history
        if isinstance(event, e.Enriched) and "a/b~c" in event.dimensions
    }
    found = {(row["lead_id"], row["cycle"]): row["a/b~c"] for row in rows(table, whole)}
    assert {key: value for key, value in found.items() if value is not None} == last
