"""Verifying some leads of a build, whose events are read from the log one lead after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from leadflow.errors import InvalidInput
from leadflow_projections.buckets import bucket_of
from leadflow_projections.checkpoint_tables import PARKED
from leadflow_projections.checkpoints import builds_at
from leadflow_projections.engine import open_engine
from leadflow_projections.errors import BuildMissing
from leadflow_projections.folding import Fold
from leadflow_projections.judging import trusted
from leadflow_projections.log_reader import batch_of
from leadflow_projections.physical import select_rows, with_marks
from leadflow_projections.reaches import reach_of
from leadflow_projections.snapshots import Snapshot
from leadflow_projections.sql import is_lead_grain, quoted
from leadflow_projections.verifying import Verified, verified

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.following import Followed

_LEADS_AT_ONCE: Final = 500


def verify_leads(
    store: Store, each: Followed, sample: str, *, threads: int | None = None
) -> Verified:
    """Compare the rows of randomly chosen leads with the log.

    Args:
        store: has them.
        each: the build, with this program's definition of it.
        sample: how many, or which share of them, such as `5%`.
        threads: how many the engine may use; None means one per core.

    Raises:
        InvalidInput: the rows are not of leads.
        BuildMissing: the build was dropped meanwhile.
        LogCorrupt: an event cannot be read.
    """
    if not all(is_lead_grain(table) for table in each.projection.tables):
        raise InvalidInput(
            f"the rows of {each.projection.name} are not of leads, so none can be sampled",
            hint=f"`leadflow projections verify {each.projection.name}` looks at all of them.",
        )
    with open_engine(threads=threads) as engine:
        then, leads = _taken(store, engine, each, sample)
        fold = Fold(engine, each.projection.tables)
        for begin in range(0, len(leads), _LEADS_AT_ONCE):
            _fold(store, fold, then, leads[begin : begin + _LEADS_AT_ONCE])
        found = verified(store, engine, then, each, fold, sample=len(leads))
        fold.clear()
    return found


def _taken(
    store: Store, engine: DuckDBPyConnection, each: Followed, sample: str
) -> tuple[Snapshot, list[str]]:
    """The build and the sampled leads' rows of one moment."""
    with store.transaction(write=False) as cursor:
        present = {build.key: build for build in builds_at(cursor, store.dialect)}
        build = present.get(each.build.key)
        if build is None:
            raise BuildMissing(
                f"build {each.build.version}.{each.build.build} of {each.build.projection} was "
                "dropped meanwhile",
                hint="`leadflow projections status` shows the builds there are.",
            )
        leads = _chosen(cursor, each, sample)
        for table in each.projection.tables:
            rows = select_rows(
                cursor, store.dialect, table, each.stored(table), [(lead,) for lead in leads]
            )
            engine.register("incoming", rows)
            engine.execute(f"CREATE TABLE {quoted(each.stored(table))} AS FROM incoming")
            engine.unregister("incoming")
        statement = (
            f"SELECT stream, first_position FROM {PARKED} "
            "WHERE projection = ? AND version = ? AND build = ?"
        )
        cursor.execute(with_marks(store.dialect, statement), build.key)
        parked = {str(stream): int(first) for stream, first in cursor.fetchall()}
    return Snapshot(build, parked), leads


def _chosen(cursor: Cursor, each: Followed, sample: str) -> list[str]:
    """Leads of the log, and any that only the stored rows have."""
    stored = " UNION ".join(
        f"SELECT CAST(lead_id AS text) AS lead FROM {quoted(each.stored(table))}"
        for table in each.projection.tables
    )
    known = (
        "SELECT CAST(originator_id AS text) AS lead FROM stored_events "
        f"WHERE originator_version = 1 AND substr(topic, 1, 5) = 'lead.' UNION {stored}"
    )
    wanted = sample
    if sample.endswith("%"):
        cursor.execute(f"SELECT count(*) FROM ({known}) AS k")
        share = float(sample.removesuffix("%")) / 100
        wanted = str(math.ceil(share * int(cursor.fetchone()[0])))
    cursor.execute(f"SELECT lead FROM ({known}) AS k ORDER BY random() LIMIT {int(wanted)}")
    return [str(lead) for (lead,) in cursor.fetchall()]


def _fold(store: Store, fold: Fold, then: Snapshot, leads: Sequence[str]) -> None:
    marks = ", ".join("?" * len(leads))
    streams = "originator_id" if store.dialect == "sqlite" else "originator_id::text"
    statement = with_marks(
        store.dialect,
        f"SELECT position, {streams}, originator_version, topic, state, recorded_at "
        f"FROM stored_events WHERE originator_id IN ({marks}) AND position <= {max(then.reach)}",
    )
    with store.transaction(write=False) as cursor:
        cursor.execute(statement, tuple(leads))
        rows: list[Any] = cursor.fetchall()
    reach = reach_of(then.build)
    wanted = [
        row
        for row in rows
        if row[0] <= reach[bucket_of(row[1])] and row[0] < then.parked.get(row[1], row[0] + 1)
    ]
    if wanted:
        fold.add(trusted(pa.Table.from_batches([batch_of(wanted)])))
