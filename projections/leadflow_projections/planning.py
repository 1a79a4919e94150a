"""What a rebuild would take: events, minutes, room; from a sample that is folded now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.checkpoints import all_builds, live_build
from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, rows_name
from leadflow_projections.rest import at_rest_select
from leadflow_projections.sizes import build_bytes, free_bytes
from leadflow_projections.sourcing import open_events
from leadflow_projections.sql import physical_columns, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection, Table
    from leadflow_projections.sourcing import Origin

SAMPLE_EVENTS: Final = 245_760
"""Folded to see how fast that is here and now; two of the chunks that a rebuild folds."""
_ROWS_PER_SECOND: Final = 50_000
"""Written into the store: the least of what was measured on either database."""
_KEPT: Final = 1.4
"""What a database keeps of a row beside its values: keys, page headers, room to grow."""
_WHILE_WRITING: Final = 1.5
"""The write-ahead log holds part of what is written a second time, until it is checkpointed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a rebuild would take; an estimate, but for the number of events."""

    projections: list[str]
    events: int
    events_per_second: float
    seconds: float
    rows: int
    disk_needed_bytes: int
    disk_free_bytes: int | None
    """None where this program cannot know it, as on a database server."""
    sample_events: int
    """The estimate was made by folding so many."""

    @property
    def fits(self) -> bool | None:
        """Whether there is room; None where that is not known."""
        if self.disk_free_bytes is None:
            return None
        return self.disk_needed_bytes < self.disk_free_bytes

    def as_data(self) -> dict[str, Any]:
        """What `projections rebuild --plan --json` prints."""
        return {
            "projections": self.projections,
            "events": self.events,
            "events_per_second": round(self.events_per_second),
            "seconds": round(self.seconds, 1),
            "minutes": round(self.seconds / 60, 2),
            "rows": self.rows,
            "disk_needed_bytes": self.disk_needed_bytes,
            "disk_free_bytes": self.disk_free_bytes,
            "fits": self.fits,
            "sample_events": self.sample_events,
        }


def plan_rebuild(
    store: Store,
    projections: Sequence[Projection],
    *,
    origin: Origin = "auto",
    max_rate: float | None = None,
    threads: int | None = None,
) -> Plan:
    """Fold the log's last events, write nothing, and say what all of them would take."""
    begun = time.monotonic()
    end = store.head().position
    after = max(0, end - SAMPLE_EVENTS)
    told: list[tuple[int, float]] = []
    tables = [table for projection in projections for table in projection.tables]
    with (
        open_events(store, origin=origin, after=after, upto=end) as events,
        open_engine(threads=threads) as engine,
    ):
        fold = Fold(engine, tables)
        events.fold_into(fold, tell=lambda count: told.append((count, time.monotonic())))
        # Of segments that are read at once nothing may be told meanwhile.
        told = told or [(fold.events, time.monotonic())]
        fold.finish()
        widths = {table.name: _row_bytes(engine, table) for table in tables}
    rate, starting = _rate(told, begun)
    rate = rate if max_rate is None else min(rate, max_rate)
    leads = _leads(store)
    rows = {
        table.name: round(count * leads / max(1, _most(widths))) if count else 0
        for table, (count, _) in ((table, widths[table.name]) for table in tables)
    }
    needed = 0
    builds = all_builds(store)
    for projection in projections:
        live = live_build(builds, projection.name)
        known = None if live is None else build_bytes(store, [live])[0]
        if live is not None and known and live.position:
            needed += round(known * end / live.position * _WHILE_WRITING)
            continue
        for table in projection.tables:
            width = widths[table.name][1]
            needed += round(rows[table.name] * width * _KEPT * _WHILE_WRITING)
    total = sum(rows.values())
    return Plan(
        [projection.name for projection in projections],
        end,
        rate,
        starting + end / rate + total / _ROWS_PER_SECOND,
        total,
        needed,
        free_bytes(store),
        end - after,
    )


def _rate(told: Sequence[tuple[int, float]], begun: float) -> tuple[float, float]:
    """Events per second once it runs, and the seconds until it does."""
    count, ended = told[-1]
    if count < 2 * told[0][0]:  # what came after the first pieces is too little to tell by
        return max(1.0, count / max(ended - begun, 1e-6)), 0.0
    (first, first_at), (last, last_at) = told[0], told[-1]
    rate = (last - first) / max(last_at - first_at, 1e-6)
    return rate, max(0.0, first_at - begun - first / rate)


def _row_bytes(engine: DuckDBPyConnection, table: Table) -> tuple[int, float]:
    """The rows of the sample, and the mean of their bytes at rest."""
    sizes = " + ".join(
        f"coalesce(strlen(CAST({quoted(name)} AS VARCHAR)), 0) + 1"
        for name in physical_columns(table)
    )
    rows = at_rest_select(table, quoted(rows_name(table)))
    [(count, mean)] = engine.execute(
        f"SELECT count(*), coalesce(avg({sizes}), 0) FROM ({rows})"
    ).fetchall()
    return int(count), float(mean)


def _most(widths: dict[str, tuple[int, float]]) -> int:
    return max((count for count, _ in widths.values()), default=0)


def _leads(store: Store) -> int:
    """How many streams the log has."""
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT count(*) FROM stored_events WHERE originator_version = 1")
        (count,) = cursor.fetchone()
    return int(count)
