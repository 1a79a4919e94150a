"""Which figures of a read model move from one side of a diff to the other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from leadflow_projections.conversion import CONVERSION_TABLE
from leadflow_projections.metrics.cycles import make_cycles
from leadflow_projections.metrics.funnel import compute_funnel
from leadflow_projections.metrics.measuring import compute_durations
from leadflow_projections.metrics.selection import Reading, Selection
from leadflow_projections.persons import merge_persons
from leadflow_projections.sql import quoted
from leadflow_projections.taking import Type
from leadflow_projections.views import public_types, view_select

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow_projections.algebra import Table
    from leadflow_projections.sides import Side, TableSides

Number = int | float


@dataclass(frozen=True, slots=True)
class FigureMoved:
    """A figure that is another on the shadow's side."""

    metric: str
    """Such as `funnel reached`."""
    of: str
    """What it is a figure of: a stage, a currency."""
    live: Number | None
    shadow: Number | None

    def as_data(self) -> dict[str, Any]:
        known = self.live is not None and self.shadow is not None
        change = (self.shadow or 0) - (self.live or 0) if known else None
        return {
            "metric": self.metric,
            "of": self.of,
            "live": self.live,
            "shadow": self.shadow,
            "change": change,
        }


def figures_moved(engine: DuckDBPyConnection, sides: TableSides) -> list[FigureMoved]:
    """The figures of a table that differ between its two sides."""
    if sides.live is None:
        return []
    live = _figures(engine, sides.table, sides.live)
    shadow = _figures(engine, sides.table, sides.shadow)
    return [
        FigureMoved(*name, live.get(name, 0), shadow.get(name, 0))  # nothing adds up to 0
        for name in dict.fromkeys([*live, *shadow])
        if live.get(name, 0) != shadow.get(name, 0)
    ]


def _figures(
    engine: DuckDBPyConnection, table: Table, side: Side
) -> Mapping[tuple[str, str], Number | None]:
    found = dict(_totals(engine, table, side))
    if table.name == CONVERSION_TABLE.name:
        found |= _of_cycles(engine, table, side)
    return found


def _totals(
    engine: DuckDBPyConnection, table: Table, side: Side
) -> Mapping[tuple[str, str], Number | None]:
    """The sums of the columns that are sums by key, such as revenue by currency."""
    found: dict[tuple[str, str], Number | None] = {}
    for name, kind in public_types(table).items():
        if kind is not Type.TOTALS or name not in side.columns or name.endswith("_by_day"):
            continue
        rows = engine.execute(
            f"SELECT {quoted(name)} FROM {quoted(side.shown)} WHERE {quoted(name)} <> '{{}}'"
        ).fetchall()
        for (text,) in rows:
            for key, value in json.loads(text).items():
                figure = (f"{table.name} {name}", key)
                found[figure] = (found.get(figure) or 0) + value
    return found


def _of_cycles(
    engine: DuckDBPyConnection, table: Table, side: Side
) -> Mapping[tuple[str, str], Number | None]:
    """The funnel and the durations, as `metrics` would have them over these rows."""
    engine.execute(f"CREATE OR REPLACE TABLE persons_rows AS FROM {quoted(side.rows)}")
    merge_persons(engine, table, "persons_rows")
    select = view_select(table, "persons_rows", "duckdb")
    engine.execute(f"CREATE OR REPLACE TABLE conversion AS {select}")
    make_cycles(engine)
    reading = Reading(position=0, moment=datetime.now(UTC))
    found: dict[tuple[str, str], Number | None] = {}
    for step in compute_funnel(engine, reading, Selection()).whole.steps:
        figures = step.to_json()
        for name in ("reached", "lost", "disqualified", "step_conversion"):
            found[f"funnel {name}", step.stage] = figures[name]
    for duration in compute_durations(engine, reading, Selection()).figures:
        found["median days", duration.name] = duration.median
    for name in ("persons_rows", "conversion", "cycles"):
        engine.execute(f"DROP TABLE {name}")
    return found
