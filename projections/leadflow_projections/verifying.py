"""Verifying read models: the log folded afresh, and compared with the rows that are stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.comparing import Comparison, RowDifference, compare
from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, rows_name
from leadflow_projections.reaches import NOTHING, events_within, fold_between
from leadflow_projections.rest import at_rest_select
from leadflow_projections.snapshots import Snapshot, snapshot
from leadflow_projections.sql import physical_columns, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Table
    from leadflow_projections.following import Followed
    from leadflow_projections.sourcing import Origin

EXAMPLES: Final = 20
"""Differences that are named one by one, of each table."""

_KINDS: Final = {"missing": "missing", "extra": "added", "altered": "altered"}


@dataclass(frozen=True, slots=True)
class TableVerified:
    """What was found in one table; the left side is what the log says, the right the store."""

    table: str
    comparison: Comparison

    def as_data(self) -> dict[str, Any]:
        found = self.comparison
        return {
            "table": self.table,
            "rows": found.right_rows,
            "hash": found.right_hash,
            "expected_rows": found.left_rows,
            "expected_hash": found.left_hash,
            "altered": found.altered,
            "missing": found.missing,
            "added": found.extra,
            "columns": dict(found.by_column),
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """What verifying one build found."""

    projection: str
    version: int
    build: int
    role: str
    position: int
    events: int
    """Of the log, up to the build's position."""
    folded: int
    parked: int
    head: int
    """The log's end."""
    tables: Sequence[TableVerified]
    sample: int | None = None
    """How many leads were looked at; None: all."""
    seconds: float = field(default=0.0, compare=False)

    @property
    def is_balanced(self) -> bool:
        """Whether every event up to the position was folded once, or is parked."""
        return self.position <= self.head and self.events == self.folded + self.parked

    @property
    def is_equal(self) -> bool:
        return all(each.comparison.is_equal for each in self.tables)

    @property
    def is_well(self) -> bool:
        return self.is_balanced and self.is_equal

    @property
    def differences(self) -> list[tuple[str, RowDifference]]:
        """Table and difference, of those that were read out."""
        return [(each.table, one) for each in self.tables for one in each.comparison.examples]

    def as_data(self) -> dict[str, Any]:
        """What `projections verify --json` prints of it."""
        return {
            "projection": self.projection,
            "version": self.version,
            "build": self.build,
            "role": self.role,
            "ok": self.is_well,
            "position": self.position,
            "events": self.events,
            "folded": self.folded,
            "parked": self.parked,
            "balanced": self.is_balanced,
            "sample": self.sample,
            "tables": [each.as_data() for each in self.tables],
            "differences": [_difference(*each) for each in self.differences],
            "seconds": round(self.seconds, 3),
        }


def _difference(table: str, found: RowDifference) -> dict[str, Any]:
    return {
        "table": table,
        **found.key,
        "kind": _KINDS[found.kind],
        "columns": {
            name: {"stored": stored, "folded": folded}
            for name, (folded, stored) in found.columns.items()
        },
    }


def verify_builds(
    store: Store,
    builds: Sequence[Followed],
    *,
    origin: Origin = "auto",
    threads: int | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> list[Verified]:
    """Fold the log up to where each build is, and compare; whoever runs them goes on.

    Args:
        store: whose builds and log are compared.
        builds: with this program's definitions of them.
        origin: where the log is read from, see `sourcing.open_events`.
        threads: how many the engine may use; None means one per core.
        tell: is told the events folded so far, and how many they will be.

    Raises:
        BuildMissing: a build was dropped meanwhile.
        LogCorrupt: an event is missing or cannot be read.
    """
    found: dict[tuple[str, int, int], Verified] = {}
    with open_engine(threads=threads) as engine:
        taken = snapshot(store, engine, builds)
        pairs = sorted(zip(taken, builds, strict=True), key=lambda pair: _together(pair[0]))
        groups = [list(group) for _, group in groupby(pairs, key=lambda pair: _together(pair[0]))]
        total = sum(max(group[0][0].reach) for group in groups)
        done = 0
        for group in groups:
            begun = time.monotonic()
            fold = _fold(store, engine, group, origin, _after(done, total, tell))
            done += fold.events
            for then, each in group:
                found[then.build.key] = verified(
                    store, engine, then, each, fold, seconds=time.monotonic() - begun
                )
            fold.clear()
    return [found[each.build.key] for each in builds]


def _after(done: int, total: int, tell: Callable[[int, int], None] | None) -> Callable[[int], None]:
    return lambda events: None if tell is None else tell(done + events, total)


def _together(then: Snapshot) -> Any:
    """What builds have in common that one fold serves."""
    return then.reach, sorted(then.parked.items())


def _fold(
    store: Store,
    engine: DuckDBPyConnection,
    pairs: Sequence[tuple[Snapshot, Followed]],
    origin: Origin,
    tell: Callable[[int], None],
) -> Fold:
    fold = Fold(engine, [table for _, each in pairs for table in each.projection.tables])
    then = pairs[0][0]
    fold_between(
        fold,
        store,
        NOTHING,
        then.reach,
        origin=origin,
        without=then.parked,
        tell=tell,
    )
    return fold


def verified(
    store: Store,
    engine: DuckDBPyConnection,
    then: Snapshot,
    each: Followed,
    fold: Fold,
    *,
    sample: int | None = None,
    seconds: float = 0.0,
) -> Verified:
    """Compare a build's rows in the engine with those that a fold gives."""
    build = then.build
    return Verified(
        *build.key,
        build.role,
        build.position,
        events_within(store, then.reach),
        build.folded,
        build.parked,
        store.head().position,
        [
            TableVerified(table.name, _compared(store, engine, table, each.stored(table), fold))
            for table in each.projection.tables
        ],
        sample,
        seconds,
    )


def _compared(
    store: Store,
    engine: DuckDBPyConnection,
    table: Table,
    stored: str,
    fold: Fold,
) -> Comparison:
    expected = f"expected__{table.name}"
    fold.make_rows(table)
    made = quoted(rows_name(table))
    select = _kept(store, table, at_rest_select(table, made))
    engine.execute(f"CREATE OR REPLACE TABLE {quoted(expected)} AS {select}")
    engine.execute(f"DROP TABLE {made}")
    columns = list(physical_columns(table))
    found = compare(
        engine, expected, stored, key=list(table.key), columns=columns, examples=EXAMPLES
    )
    engine.execute(f"DROP TABLE {quoted(expected)}")
    engine.execute(f"DROP TABLE {quoted(stored)}")
    return found


def _kept(store: Store, table: Table, select: str) -> str:
    """The rows as the store can keep them: PostgreSQL's texts have no NUL character."""
    if store.dialect != "postgresql":
        return select
    texts = [name for name, kind in physical_columns(table).items() if kind == "VARCHAR"]
    if not texts:
        return select
    without = ", ".join(f"replace({quoted(n)}, chr(0), '') AS {quoted(n)}" for n in texts)
    return f"SELECT * REPLACE ({without}) FROM ({select})"
