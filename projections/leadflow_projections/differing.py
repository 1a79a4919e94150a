"""What readers would see change if a shadow were promoted, in the words of the business."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.comparing import DIFFERING, Comparison, compare
from leadflow_projections.engine import open_engine
from leadflow_projections.figures_moved import FigureMoved, figures_moved
from leadflow_projections.sides import Pair, PairTaken, TableSides, take_sides
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.sourcing import Origin

EXAMPLES: Final = 5
"""Rows that are read out of each table."""
_LEADS: Final = 3
"""Leads that are named for each change of stage."""


@dataclass(frozen=True, slots=True)
class StageChange:
    """Leads that stand at another stage."""

    before: str | None
    after: str | None
    leads: int
    examples: Sequence[str]

    def as_data(self) -> dict[str, Any]:
        return {
            "from": self.before,
            "to": self.after,
            "leads": self.leads,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True)
class TableDiff:
    """What differs in one view; the left side is live, the right the shadow."""

    table: str
    comparison: Comparison
    stages: Sequence[StageChange]
    entering: Sequence[str]
    """Some of the keys that the view would show and does not now."""
    leaving: Sequence[str]
    columns_added: Sequence[str]
    columns_removed: Sequence[str]
    figures: Sequence[FigureMoved]

    def as_data(self) -> dict[str, Any]:
        found = self.comparison
        return {
            "table": self.table,
            "rows": {"live": found.left_rows, "shadow": found.right_rows},
            "changed": found.altered,
            "entering": {"rows": found.extra, "examples": list(self.entering)},
            "leaving": {"rows": found.missing, "examples": list(self.leaving)},
            "stages": [each.as_data() for each in self.stages],
            "columns": dict(found.by_column),
            "columns_added": list(self.columns_added),
            "columns_removed": list(self.columns_removed),
            "metrics": [each.as_data() for each in self.figures],
            "examples": [
                {
                    **example.key,
                    "columns": {
                        name: {"live": live, "shadow": shadow}
                        for name, (live, shadow) in example.columns.items()
                    },
                }
                for example in found.examples
                if example.kind == "altered"
            ],
        }


@dataclass(frozen=True, slots=True)
class ProjectionDiff:
    """What would change in one projection's views."""

    projection: str
    live: str
    """Version and build."""
    shadow: str
    position: int
    """At which both sides are compared."""
    changed: int
    """Leads (keys, where rows are not of leads) that any of the views shows otherwise."""
    tables: Sequence[TableDiff]

    def as_data(self) -> dict[str, Any]:
        return {
            "projection": self.projection,
            "live": self.live,
            "shadow": self.shadow,
            "position": self.position,
            "changed": self.changed,
            "tables": [each.as_data() for each in self.tables],
        }


@dataclass(frozen=True, slots=True)
class Diff:
    """What would change in all of the projections compared."""

    changed: int
    """Leads that anything changes of."""
    projections: Sequence[ProjectionDiff]
    seconds: float = field(default=0.0, compare=False)

    def as_data(self) -> dict[str, Any]:
        """What `projections diff --json` prints."""
        return {
            "changed": self.changed,
            "projections": [each.as_data() for each in self.projections],
            "seconds": round(self.seconds, 3),
        }


def diff_builds(
    store: Store,
    pairs: Sequence[Pair],
    *,
    origin: Origin = "auto",
    threads: int | None = None,
    tell: Callable[[int], None] | None = None,
) -> Diff:
    """Compare shadows with what is live, at one position each; nothing is written.

    Args:
        store: whose builds are compared.
        pairs: which of them.
        origin: where the tail of the log is read from, see `sourcing.open_events`.
        threads: how many the engine may use; None means one per core.
        tell: is told the events of the tail that were folded.

    Raises:
        BuildMissing: a build was dropped meanwhile.
        LogCorrupt: an event is missing or cannot be read.
    """
    begun = time.monotonic()
    with open_engine(threads=threads) as engine:
        taken = take_sides(store, engine, pairs, origin=origin, tell=tell)
        engine.execute("CREATE TEMP TABLE changed_keys (projection VARCHAR, name VARCHAR)")
        found = [_projection(engine, each) for each in taken]
        changed = _count(engine, "true")
    return Diff(changed, found, time.monotonic() - begun)


def _projection(engine: DuckDBPyConnection, taken: PairTaken) -> ProjectionDiff:
    live, shadow = taken.pair.live, taken.pair.shadow
    tables = [_table(engine, shadow.projection.name, each) for each in taken.tables]
    return ProjectionDiff(
        shadow.projection.name,
        f"{live.version}.{live.build}",
        f"{shadow.build.version}.{shadow.build.build}",
        taken.position,
        _count(engine, f"projection = '{shadow.projection.name}'"),
        [each for each in tables if each is not None],
    )


def _table(engine: DuckDBPyConnection, projection: str, sides: TableSides) -> TableDiff | None:
    if sides.live is None:
        return None
    live, shadow, key = sides.live, sides.shadow, list(sides.table.key)
    columns = [name for name in shadow.columns if name in live.columns]
    comparison = compare(
        engine, live.shown, shadow.shown, key=key, columns=columns, examples=EXAMPLES
    )
    name = f"CAST({quoted(key[0])} AS VARCHAR)"
    engine.execute(f"INSERT INTO changed_keys SELECT '{projection}', {name} FROM {DIFFERING}")
    return TableDiff(
        sides.table.name,
        comparison,
        _stages(engine, sides) if "stage" in columns and comparison.altered else (),
        _keys(engine, name, "extra"),
        _keys(engine, name, "missing"),
        [each for each in shadow.columns if each not in live.columns],
        [each for each in live.columns if each not in shadow.columns],
        figures_moved(engine, sides),
    )


def _stages(engine: DuckDBPyConnection, sides: TableSides) -> list[StageChange]:
    assert sides.live is not None
    keys = ", ".join(map(quoted, sides.table.key))
    name = f"CAST({quoted(next(iter(sides.table.key)))} AS VARCHAR)"
    rows = engine.execute(
        f"""
        SELECT l.stage, r.stage, count(*) AS leads, list({name} ORDER BY {name})[:{_LEADS}]
        FROM {DIFFERING} JOIN {quoted(sides.live.shown)} AS l USING ({keys})
            JOIN {quoted(sides.shadow.shown)} AS r USING ({keys})
        WHERE l.stage IS DISTINCT FROM r.stage
        GROUP BY ALL ORDER BY leads DESC, l.stage, r.stage
        """
    ).fetchall()
    return [StageChange(*row) for row in rows]


def _keys(engine: DuckDBPyConnection, name: str, kind: str) -> list[str]:
    rows = engine.execute(
        f"SELECT {name} FROM {DIFFERING} WHERE kind = '{kind}' ORDER BY 1 LIMIT {_LEADS}"
    ).fetchall()
    return [key for (key,) in rows]


def _count(engine: DuckDBPyConnection, which: str) -> int:
    [(count,)] = engine.execute(
        f"SELECT count(DISTINCT name) FROM changed_keys WHERE {which}"
    ).fetchall()
    return int(count)
