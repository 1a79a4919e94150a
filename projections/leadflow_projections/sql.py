"""The evaluator's SQL: from declared columns to DuckDB statements.

Tables that are keyed by lead, or by lead and cycle, are folded together at the finest
grain, one row per lead and cycle, each distinct column once however many tables have
it (`combined`); a table's rows are then the merge of those. Live batches, rebuilds and
readings of the past differ only in the rows they feed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from leadflow_projections.algebra import Column, Merge, Scope, Table
from leadflow_projections.event_sql import (
    literal,
    quoted,
    taken_position_sql,
    taken_value_sql,
    value_sql,
)
from leadflow_projections.taking import CYCLE, IRREGULAR, LEAD_ID, Type, Value

LEAD_GRAIN: Mapping[str, Value] = {"lead_id": LEAD_ID, "cycle": CYCLE}

SQL_TYPES: Mapping[Type, str] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.INSTANT: "BIGINT",
    Type.ENTRY: "BIGINT",
    Type.UUID: "UUID",
    Type.LEVEL: "BIGINT",
    Type.TOTALS: "MAP(VARCHAR, BIGINT)",
    Type.TEXTS: "MAP(VARCHAR, VARCHAR)",
}
POSITIONS_BY_KEY = "MAP(VARCHAR, BIGINT)"


def physical_columns(table: Table) -> dict[str, str]:
    """The names of a stored table's columns, keys first, with their DuckDB types."""
    columns = {name: SQL_TYPES[value.type] for name, value in table.key.items()}
    for column in table.columns.values():
        columns[column.name] = SQL_TYPES[column.type]
        companion = table.companions.get(column.name)
        if companion is not None:
            columns[companion] = POSITIONS_BY_KEY if column.by is not None else "BIGINT"
    return columns


def fields_of(tables: Iterable[Table]) -> dict[str, Type]:
    """The fields of an event's state that these tables read, with their types.

    Raises:
        ValueError: when two columns read one field as different types.
    """
    fields: dict[str, Type] = {}
    for value in _values(tables):
        if value.envelope or value == IRREGULAR or value.compute is not None:
            continue
        for path, kind in _read_as(value).items():
            if fields.setdefault(path, kind) is not kind:
                raise ValueError(f"field {path} is read as {fields[path]} and as {kind}")
    return fields


def _read_as(value: Value) -> dict[str, Type]:
    if value.money:
        return {f"{value.path}.minor": Type.INTEGER, f"{value.path}.currency": Type.TEXT}
    if value.member is not None:
        return {value.path: Type.TEXTS}
    return {value.path: Type.TEXT if value.type is Type.LEVEL else value.type}


def _values(tables: Iterable[Table]) -> Iterator[Value]:
    for table in tables:
        yield from table.key.values()
        for column in table.columns.values():
            if column.by is not None:
                yield column.by
            for part in column.takes:
                yield part.value
                yield from (condition.value for condition in part.when)


_AGGREGATES: Mapping[Merge, str] = {
    # Both leave out rows without a position; what was taken from the others may be null.
    Merge.LAST: "arg_max_null({0}, {1})",
    Merge.FIRST: "arg_min_null({0}, {1})",
    Merge.TOTAL: "CAST(coalesce(sum({0}), 0) AS BIGINT)",
    Merge.COUNT: "count({0})",
    Merge.LEAST: "min({0})",
    Merge.GREATEST: "max({0})",
}
_MERGES = {**_AGGREGATES, Merge.COUNT: _AGGREGATES[Merge.TOTAL]}


def fold_select(table: Table, events: str = "events", *, as_of: int | None = None) -> str:
    """The statement that folds decoded events into one partial row per key.

    The table must have no columns of the current cycle; `combined` makes such tables.
    """
    inputs: dict[str, str] = {}
    aggregates: list[tuple[str, str]] = []
    maps: list[tuple[Column, str]] = []
    if table.of:
        events = f"(FROM {events} WHERE topic IN ({', '.join(map(literal, table.of))}))"
    keys = ", ".join(f"{value_sql(v, as_of)} AS {quoted(n)}" for n, v in table.key.items())

    def alias(sql: str) -> str:
        return inputs.setdefault(sql, f"i{len(inputs)}")

    for column in table.columns.values():
        companion = table.companions.get(column.name)
        if column.by is not None:
            at = f", {taken_position_sql(column, as_of)} AS place" if companion else ""
            k, v = value_sql(column.by, as_of), taken_value_sql(column, as_of)
            topics = sorted({topic for part in column.takes for topic in part.topics})
            narrow = f" WHERE topic IN ({', '.join(map(literal, topics))})" if topics else ""
            maps.append((column, f"SELECT {keys}, {k} AS k, {v} AS v{at} FROM {events}{narrow}"))
            continue
        value = alias(taken_value_sql(column, as_of))
        order = alias(taken_position_sql(column, as_of)) if companion else ""
        aggregates.append((column.name, _AGGREGATES[column.merge].format(value, order)))
        if companion is not None and companion.removesuffix("__at") == column.name:
            aggregates.append((companion, f"{_extreme(column)}({order})"))
    decoded = ", ".join([keys, *(f"{sql} AS {name}" for sql, name in inputs.items())])
    return _assembled(table, list(table.key), f"SELECT {decoded} FROM {events}", aggregates, maps)


def merge_select(table: Table, rows: str, *, key: Sequence[str] | None = None) -> str:
    """The statement that merges partial rows, by the table's key or by another one.

    Merging members' rows by their survivor is the same statement with another key.
    """
    by = list(table.key if key is None else key)
    aggregates: list[tuple[str, str]] = []
    maps: list[tuple[Column, str]] = []
    names = ", ".join(map(quoted, by))
    for column in table.columns.values():
        name, companion = quoted(column.name), table.companions.get(column.name)
        if column.by is not None:
            entry = f"unnest(map_entries({name}))"
            at = f", {quoted(companion)}[e.key] AS place" if companion else ""
            kept = f", {quoted(companion)}" if companion else ""
            unfolded = f"SELECT {names}, {entry} AS e{kept} FROM parts"
            maps.append((column, f"SELECT {names}, e.key AS k, e.value AS v{at} FROM ({unfolded})"))
            continue
        order = quoted(companion) if companion else ""
        aggregates.append((column.name, _MERGES[column.merge].format(name, order)))
        if companion is not None and companion.removesuffix("__at") == column.name:
            aggregates.append((companion, f"{_extreme(column)}({order})"))
    return _assembled(table, by, _in_scope(table, rows, names), aggregates, maps)


def _in_scope(table: Table, rows: str, names: str) -> str:
    """The partial rows, with what is not of the greatest cycle left out of its columns."""
    scoped = {c.name for c in table.columns.values() if c.scope is Scope.CURRENT_CYCLE}
    if not scoped:
        return f"FROM {rows}"
    scoped |= {table.companions[name] for name in scoped if name in table.companions}
    replaced = ", ".join(
        f"CASE WHEN cycle = top THEN {quoted(c)} END AS {quoted(c)}" for c in sorted(scoped)
    )
    top = f"SELECT *, max(cycle) OVER (PARTITION BY {names}) AS top FROM {rows}"
    return f"SELECT * EXCLUDE (top) REPLACE ({replaced}) FROM ({top})"


def _extreme(column: Column) -> str:
    return "max" if column.merge is Merge.LAST else "min"


def _assembled(
    table: Table,
    key: Sequence[str],
    parts: str,
    aggregates: Sequence[tuple[str, str]],
    maps: Sequence[tuple[Column, str]],
) -> str:
    """Group the scalars, group each map by its own keys too, and join them."""
    names = ", ".join(map(quoted, key))
    known = " AND ".join(f"{quoted(name)} IS NOT NULL" for name in key)
    scalars = "".join(f", {sql} AS {quoted(name)}" for name, sql in aggregates)
    steps = [
        f"parts AS ({parts})",
        f"grouped AS (SELECT {names}{scalars} FROM parts WHERE {known} GROUP BY {names})",
    ]
    shown = {name: f"grouped.{quoted(name)}" for name in [*key, *(n for n, _ in aggregates)]}
    joins = ""
    for index, (column, unfolded) in enumerate(maps):
        step = f"m{index}"
        companion = table.companions.get(column.name)
        steps.append(f"{step} AS ({_map_by_key(names, known, unfolded, companion is not None)})")
        joins += f" LEFT JOIN {step} USING ({names})"
        empty = f"CAST(MAP {{}} AS {SQL_TYPES[column.type]})"
        shown[column.name] = f"coalesce({step}.v, {empty})"
        if companion is not None:
            shown[companion] = f"coalesce({step}.place, CAST(MAP {{}} AS {POSITIONS_BY_KEY}))"
    order = [*key, *(name for name in physical_columns(table) if name not in key and name in shown)]
    columns = ", ".join(f"{shown[name]} AS {quoted(name)}" for name in order)
    return f"WITH {', '.join(steps)} SELECT {columns} FROM grouped{joins}"


def _map_by_key(names: str, known: str, unfolded: str, placed: bool) -> str:
    """Rows (key…, k, v[, place]) as one map per key, its entries in order."""
    if placed:
        grouped = (
            f"SELECT {names}, k, arg_max_null(v, place) AS v, max(place) AS place "
            f"FROM ({unfolded}) WHERE k IS NOT NULL AND place IS NOT NULL AND {known} "
            f"GROUP BY {names}, k"
        )
        at = ", map_from_entries(list({'k': k, 'at': place} ORDER BY k)) AS place"
    else:
        grouped = (
            f"SELECT {names}, k, CAST(sum(v) AS BIGINT) AS v FROM ({unfolded}) "
            f"WHERE k IS NOT NULL AND v IS NOT NULL AND {known} GROUP BY {names}, k"
        )
        at = ""
    value = "map_from_entries(list({'k': k, 'v': v} ORDER BY k)) AS v"
    return f"SELECT {names}, {value}{at} FROM ({grouped}) GROUP BY {names}"


# --- several tables in one pass ---------------------------------------------------------


class Combined:
    """One table at the finest grain that holds the columns of several, each once."""

    def __init__(self, name: str, tables: Sequence[Table]) -> None:
        self.tables = tuple(tables)
        self._alias: dict[Column, str] = {}
        for table in tables:
            for column in table.columns.values():
                self._alias.setdefault(_bare(column), f"c{len(self._alias)}")
        key = LEAD_GRAIN if is_lead_grain(tables[0]) else tables[0].key
        columns = {alias: column for column, alias in self._alias.items()}
        self.table = Table(name, key, columns, of=tables[0].of)

    def rows_of(self, table: Table, *, and_rows: str | None = None) -> str:
        """The statement that gives this table's rows out of the combined one's partial rows.

        `and_rows` names a relation of further partial rows of the table, to be merged in.
        """
        renamed = {name: name for name in table.key}
        for column in table.columns.values():
            alias = self._alias[_bare(column)]
            renamed[column.name] = alias
            companion = table.companions.get(column.name)
            if companion is not None:
                renamed[companion] = self.table.companions[alias]
        order = ", ".join(
            f"{quoted(renamed[name])} AS {quoted(name)}" for name in physical_columns(table)
        )
        rows = f"SELECT {order} FROM {quoted(self.table.name)}"
        more = f" UNION ALL FROM {and_rows}" if and_rows else ""
        return merge_select(table, f"({rows}{more})")


def _bare(column: Column) -> Column:
    return replace(column, name="", scope=Scope.ROW, hidden=False)


def is_lead_grain(table: Table) -> bool:
    """Whether the table's key is part of the lead's and the cycle's, and all their events count."""
    return not table.of and all(LEAD_GRAIN.get(name) == value for name, value in table.key.items())


def combined(tables: Sequence[Table]) -> list[Combined]:
    """Group tables by the grain at which they are folded together."""
    groups: dict[str, list[Table]] = {}
    for table in tables:
        name = "grain_lead" if is_lead_grain(table) else f"grain_of_{table.name}"
        groups.setdefault(name, []).append(table)
    return [Combined(name, members) for name, members in groups.items()]


__all__ = [
    "LEAD_GRAIN",
    "SQL_TYPES",
    "Combined",
    "combined",
    "fields_of",
    "fold_select",
    "is_lead_grain",
    "literal",
    "merge_select",
    "physical_columns",
    "quoted",
]
