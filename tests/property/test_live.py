"""Live running in batches of any size, a rebuild, and one fold of the whole agree."""

from __future__ import annotations

from typing import Any, Literal

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Store
from leadflow_projections.algebra import Table
from leadflow_projections.checkpoints import Owner, all_builds, claim, live_build, release
from leadflow_projections.engine import open_engine
from leadflow_projections.following import Followed, Follower
from leadflow_projections.physical import as_arrow, table_name
from leadflow_projections.registry import SHIPPED
from leadflow_projections.rest import fold
from leadflow_projections.runtime import rebuild
from leadflow_projections.sql import physical_columns, quoted
from tests.property.histories import examples, histories, log_of

EXAMPLES = examples(12)
TABLES = tuple(table for projection in SHIPPED.values() for table in projection.tables)


def stored_rows(store: Store, table: Table) -> list[dict[str, Any]]:
    """The rows that the live build of a table has."""
    build = live_build(all_builds(store), table.name)
    assert build is not None
    columns = ", ".join(map(quoted, physical_columns(table)))
    order = ", ".join(map(quoted, table.key))
    name = quoted(table_name(table, build.version, build.build))
    with store.transaction(write=False) as cursor:
        cursor.execute(f"SELECT {columns} FROM {name} ORDER BY {order}")
        rows: list[dict[str, Any]] = as_arrow(table, cursor.fetchall()).to_pylist()
    return rows


def expected_rows(table: Table, partial: pa.Table) -> list[dict[str, Any]]:
    order: list[tuple[str, Literal["ascending", "descending"]]] = [
        (name, "ascending") for name in table.key
    ]
    rows: list[dict[str, Any]] = partial.sort_by(order).to_pylist()
    return rows


def follow(store: Store, limits: list[int]) -> None:
    """Run the live builds to the log's end, in batches of these sizes, then of any."""
    owner = Owner.new()
    live = [live_build(all_builds(store), name) for name in SHIPPED]
    builds = claim(store, [build for build in live if build is not None], owner)
    followed = [Followed(build, SHIPPED[build.projection]) for build in builds]
    with open_engine() as engine:
        for limit in limits:
            Follower(store, engine, followed, limit=limit).step()
        follower = Follower(store, engine, followed)
        while follower.step():
            pass
    release(store, builds, owner)


@given(
    history=histories(),
    built_at=st.integers(0, 24),
    limits=st.lists(st.integers(1, 9), max_size=4),
)
@EXAMPLES
def test_live_running_equals_rebuild_equals_fold(
    history: list[e.LeadEvent], built_at: int, limits: list[int]
) -> None:
    with open_store("sqlite:///:memory:", create=True) as store:
        first = history[:built_at]
        if first:
            store.append(Append(events=first))
        rebuild(store)
        if history[built_at:]:
            store.append(Append(events=history[built_at:]))
        follow(store, limits)
        live = {table.name: stored_rows(store, table) for table in TABLES}
        rebuild(store, promote=True)
        whole = fold(TABLES, log_of(history))
        for table, partial in zip(TABLES, whole, strict=True):
            assert live[table.name] == expected_rows(table, partial)
            assert stored_rows(store, table) == expected_rows(table, partial)
