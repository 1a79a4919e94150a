"""What readers of a read model see: public columns only, in types that tools understand.

The same declaration gives the view on SQLite, on PostgreSQL, and in DuckDB.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from leadflow_projections.algebra import Column, Scope, Table, Type
from leadflow_projections.decoding import BASES
from leadflow_projections.event_sql import condition_sql, literal, quoted


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one database writes what the views need; `{0}` stands for the stored column."""

    instant: str
    entry_at: str
    false: str
    levels: str = "{0}"


_SQLITE_INSTANT = (
    "strftime('%Y-%m-%dT%H:%M:%S', ({0} - (({0} % 1000000) + 1000000) % 1000000) / 1000000, "
    "'unixepoch') || printf('.%06dZ', (({0} % 1000000) + 1000000) % 1000000)"
)
_POSTGRES_INSTANT = "timestamptz 'epoch' + {0} * interval '1 microsecond'"

DIALECTS: Final[Mapping[str, Dialect]] = {
    "duckdb": Dialect("make_timestamp({0})", "make_timestamp({0} >> 2)", "false"),
    "sqlite": Dialect(_SQLITE_INSTANT, _SQLITE_INSTANT.replace("{0}", "({0} >> 2)"), "0"),
    "postgresql": Dialect(
        _POSTGRES_INSTANT, _POSTGRES_INSTANT.replace("{0}", "({0} >> 2)"), "false"
    ),
}


def public_types(table: Table) -> dict[str, Type]:
    """The names that the view shows, in order, with their types as the view gives them."""
    kinds = {name: value.type for name, value in table.key.items()}
    columns = {name: table.columns[others[0]] for name, others in table.shown.items()}
    columns |= {column.name: column for column in table.columns.values() if not column.hidden}
    for name, column in columns.items():
        if column.type is Type.ENTRY:
            kinds |= {f"{name}_at": Type.INSTANT, f"{name}_basis": Type.TEXT}
        else:
            kinds[name] = Type.TEXT if column.type is Type.LEVEL else column.type
    return kinds


def view_select(table: Table, rows: str, dialect: str) -> str:
    """The statement behind the view: the public columns of the stored rows."""
    shown = ", ".join(
        f"{sql} AS {quoted(name)}" for name, sql in _shown(table, rows, dialect).items()
    )
    only = " AND ".join(condition_sql(condition, "t.") for condition in table.only)
    return f"SELECT {shown} FROM {rows} AS t" + (f" WHERE {only}" if only else "")


def _shown(table: Table, rows: str, dialect: str) -> dict[str, str]:
    shown = {name: f"t.{quoted(name)}" for name in table.key}
    for name, alternatives in table.shown.items():
        columns = [table.columns[other] for other in alternatives]
        stored = f"coalesce({', '.join(f't.{quoted(column.name)}' for column in columns)})"
        shown |= _typed(columns[0], name, stored, DIALECTS[dialect])
    for column in table.columns.values():
        if not column.hidden:
            stored = f"t.{quoted(column.name)}"
            if column.scope is Scope.LEAD:
                of_lead = _of_lead_in_duckdb if dialect == "duckdb" else _of_lead
                stored = of_lead(table, column, rows)
            shown |= _typed(column, column.name, stored, DIALECTS[dialect])
    return shown


def _of_lead(table: Table, column: Column, rows: str) -> str:
    """What the lead's rows have together, as a subquery; every row of a lead shows the same."""
    name, companion = f"o.{quoted(column.name)}", table.companions.get(column.name)
    if companion is None:
        # A flag is shown as true where any row has it.
        return f"EXISTS (SELECT 1 FROM {rows} AS o WHERE o.lead_id = t.lead_id AND {name})"
    at = f"o.{quoted(companion)}"
    return (
        f"(SELECT {name} FROM {rows} AS o WHERE o.lead_id = t.lead_id AND {at} IS NOT NULL "
        f"ORDER BY {at} DESC LIMIT 1)"
    )


def _of_lead_in_duckdb(table: Table, column: Column, _: str) -> str:
    name, companion = f"t.{quoted(column.name)}", table.companions.get(column.name)
    if companion is None:
        return f"max({name}) OVER (PARTITION BY t.lead_id)"
    at = f"t.{quoted(companion)}"
    return f"arg_max_null({name}, {at}) FILTER ({at} IS NOT NULL) OVER (PARTITION BY t.lead_id)"


def _typed(column: Column, name: str, stored: str, dialect: Dialect) -> dict[str, str]:
    if column.type is Type.INSTANT:
        return {name: dialect.instant.format(stored)}
    if column.type is Type.ENTRY:
        bases = " ".join(f"WHEN {i} THEN {literal(basis)}" for i, basis in enumerate(BASES))
        return {
            f"{name}_at": dialect.entry_at.format(stored),
            f"{name}_basis": f"CASE {stored} & 3 {bases} END",
        }
    if column.type is Type.LEVEL:
        words = " ".join(f"WHEN {i} THEN {literal(word)}" for i, word in enumerate(column.levels))
        return {name: f"CASE {stored} {words} END"}
    if column.is_ever:
        return {name: f"coalesce({stored}, {dialect.false})"}
    return {name: stored}
