"""Events folded one by one give the rows that the engine gives, byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow_projections.eventwise import Event, TableFold, as_map, map_text
from leadflow_projections.judging import trusted
from leadflow_projections.registry import SHIPPED
from leadflow_projections.rest import fold
from leadflow_projections.sql import physical_columns
from tests.property.histories import examples, histories, log_of

TABLES = tuple(table for projection in SHIPPED.values() for table in projection.tables)
Row = dict[str, Any]


@given(history=histories(), stored=st.booleans())
@examples(60)
def test_one_by_one_equals_the_engine(history: list[e.LeadEvent], stored: bool) -> None:
    log = log_of(history)
    events = [
        Event.of(tuple(row.values()), row["state"])
        for row in trusted(log).sort_by("position").to_pylist()
    ]
    for table, engine in zip(TABLES, fold(TABLES, log), strict=True):
        expected = sorted(engine.to_pylist(), key=lambda row: _key(row, list(table.key)))
        assert _folded(TableFold(table), events, stored=stored) == expected


def _folded(folding: TableFold, events: list[Event], *, stored: bool) -> list[Row]:
    """The rows at rest; `stored`: each is written and read again between two events."""
    rows: dict[tuple[Any, ...], Row] = {}
    for event in events:
        key = folding.key_of(event)
        if key is None:
            continue
        row = rows[key] if key in rows else folding.new_row(key)
        row |= folding.changes(row, event)
        rows[key] = folding.read(folding.written(row)) if stored else row
    names = list(physical_columns(folding.table))
    found = [dict(zip(names, folding.written(row), strict=True)) for row in rows.values()]
    return sorted(found, key=lambda row: _key(row, list(folding.table.key)))


def _key(row: Row, names: list[str]) -> list[str]:
    return [f"{row[name]:>9}" for name in names]


@given(st.dictionaries(st.text(max_size=8), st.none() | st.text(max_size=8), max_size=4))
def test_maps_are_written_as_the_engine_writes_them(texts: dict[str, str | None]) -> None:
    from leadflow_projections.engine import open_engine

    if any("\0" in text for text in [*texts, *filter(None, texts.values())]):
        return  # which no text of the log may hold
    with open_engine(threads=1) as engine:
        entries = [{"k": key, "v": value} for key, value in sorted(texts.items())]
        written = engine.execute(
            "SELECT CAST(to_json(map_from_entries(CAST(? AS STRUCT(k VARCHAR, v VARCHAR)[])))"
            " AS VARCHAR)",
            [entries],
        ).fetchall()
    assert map_text(texts) == written[0][0]
    assert as_map(map_text(texts)) == texts


def test_a_sum_beyond_64_bits_is_refused() -> None:
    [table] = [t for t in TABLES if t.name == "stage_board"]
    folding = TableFold(table)
    lead = "00000000-0000-4000-8000-000000000001"
    state: Row = {
        "cycle": 1,
        "order_id": "7",
        "amount": {"minor": 2**62, "currency": "EUR"},
        "occurred_at": "2026-01-01T00:00:00Z",
    }
    row = folding.new_row((lead,))
    for position in (1, 2):
        event = Event(position, 0, "lead.purchased", lead, state, 0, 0)
        if position == 1:
            row |= folding.changes(row, event)
        else:
            with pytest.raises(OverflowError):
                folding.changes(row, event)
