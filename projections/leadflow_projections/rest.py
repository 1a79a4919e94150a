"""Rows at rest: how partial rows are written into any database, and read back.

UUIDs are texts, maps are JSON texts with their keys in order, everything else is a text,
a 64-bit integer or a boolean. Two folds of the same events are equal byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, rows_name
from leadflow_projections.judging import trusted
from leadflow_projections.sql import merge_select, physical_columns, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow_projections.algebra import Table


def at_rest_select(table: Table, rows: str) -> str:
    """The statement that writes physical rows of the engine as they are kept at rest."""
    return f"SELECT {', '.join(_at_rest(n, k) for n, k in _columns(table))} FROM {rows}"


def from_rest_select(table: Table, rows: str) -> str:
    """The statement that reads rows at rest into the engine's types."""
    return f"SELECT {', '.join(_from_rest(n, k) for n, k in _columns(table))} FROM {rows}"


def _columns(table: Table) -> Sequence[tuple[str, str]]:
    return list(physical_columns(table).items())


def _at_rest(name: str, kind: str) -> str:
    column = quoted(name)
    if kind == "UUID":
        return f"CAST({column} AS VARCHAR) AS {column}"
    return f"CAST(to_json({column}) AS VARCHAR) AS {column}" if kind.startswith("MAP") else column


def _from_rest(name: str, kind: str) -> str:
    column = quoted(name)
    if kind.startswith("MAP"):
        return f"from_json({column}, '\"{kind}\"') AS {column}"
    return f"CAST({column} AS {kind}) AS {column}"


def fold(tables: Sequence[Table], log: pa.Table, *, as_of: int | None = None) -> list[pa.Table]:
    """Fold log rows into rows at rest, one Arrow table per declared table.

    A pure function: what any runner may compute for its share of the log, to be merged.
    """
    with open_engine() as engine:
        folding = Fold(engine, tables, as_of=as_of)
        folding.add(trusted(log))
        folding.finish()
        return [
            engine.sql(at_rest_select(table, rows_name(table))).to_arrow_table() for table in tables
        ]


def merge(table: Table, partials: Sequence[pa.Table]) -> pa.Table:
    """Merge rows at rest from any number of folds, in any order."""
    with open_engine() as engine:
        sources: list[str] = []
        for index, partial in enumerate(partials):
            engine.register(f"partial_{index}", partial)
            sources.append(from_rest_select(table, f"partial_{index}"))
        merged = merge_select(table, f"({' UNION ALL '.join(sources)})")
        rows: pa.Table = engine.sql(at_rest_select(table, f"({merged})")).to_arrow_table()
        return rows
