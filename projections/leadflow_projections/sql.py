"""The evaluator's SQL: from declared columns to DuckDB statements.

Tables that are keyed by lead, or by lead and cycle, are folded together at the finest
grain, one row per lead and cycle, each distinct column once however many tables have
it (`combined`); a table's rows are then the merge of those. Live batches, rebuilds and
readings of the past differ only in the rows they feed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


def partial_columns(table: Table) -> dict[str, str]:
    """The names of a partial row's columns with their DuckDB types.

    As `physical_columns`, but a map is a list of its entries, in no order and not yet merged,
    which takes less memory; an entry of `last_by` has its event's position in itself.
    """
    maps = {c.name: c for c in table.columns.values() if c.by is not None}
    within = {table.companions[name] for name in maps if name in table.companions}
    return {
        name: _entries_type(maps[name]) if name in maps else kind
        for name, kind in physical_columns(table).items()
        if name not in within
    }


def _entries_type(column: Column) -> str:
    value = "BIGINT" if column.merge is Merge.TOTAL_BY else "VARCHAR"
    return f"STRUCT(k VARCHAR, v {value}{', place BIGINT' if is_placed(column) else ''})[]"


def is_placed(column: Column) -> bool:
    """Whether a map column's entries carry the position of the event they come from."""
    return column.merge is Merge.LAST_BY


def fold_select(table: Table, events: str = "events", *, as_of: int | None = None) -> str:
    """The statement that folds decoded events into one partial row per key.

    The table must have no columns of the current cycle; `combined` makes such tables. There
    may be rows whose key is not known, which are no rows of the table: to leave them out
    here would make the engine decode each event once more for the condition.
    """
    inputs: dict[str, str] = {}
    aggregates: list[tuple[str, str]] = []
    if table.of:
        events = f"(FROM {events} WHERE {_is_of(table.of)})"

    def alias(sql: str) -> str:
        return inputs.setdefault(sql, f"i{len(inputs)}")

    for column in table.columns.values():
        companion = table.companions.get(column.name)
        value = alias(taken_value_sql(column, as_of, placed=companion is not None))
        order = alias(taken_position_sql(column, as_of)) if companion else ""
        if column.by is not None:
            aggregates.append((column.name, _entries(column, alias, value, order, as_of)))
            continue
        aggregates.append((column.name, _AGGREGATES[column.merge].format(value, order)))
        if companion is not None and companion.removesuffix("__at") == column.name:
            aggregates.append((companion, f"{_extreme(column)}({order})"))
    keys = [f"{value_sql(v, as_of)} AS {quoted(n)}" for n, v in table.key.items()]
    decoded = ", ".join([*keys, *(f"{sql} AS {name}" for sql, name in inputs.items())])
    folded = {**{name: quoted(name) for name in table.key}, **dict(aggregates)}
    columns = ", ".join(f"{folded[name]} AS {quoted(name)}" for name in partial_columns(table))
    parts = f"SELECT {decoded} FROM {events}"
    return f"SELECT {columns} FROM ({parts}) GROUP BY {_names(table.key)}"


def _entries(
    column: Column, alias: Callable[[str], str], value: str, order: str, as_of: int | None
) -> str:
    """The aggregate that lists a map column's entries."""
    assert column.by is not None
    topics = sorted({topic for part in column.takes for topic in part.topics})
    taken_key = value_sql(column.by, as_of)
    key = alias(f"CASE WHEN {_is_of(topics)} THEN {taken_key} END" if topics else taken_key)
    if is_placed(column):
        entry, known = f"{{'k': {key}, 'v': {value}, 'place': {order}}}", order
    else:
        entry, known = f"{{'k': {key}, 'v': CAST({value} AS BIGINT)}}", value
    return f"list({entry}) FILTER ({key} IS NOT NULL AND {known} IS NOT NULL)"


def _is_of(topics: Iterable[str]) -> str:
    return f"topic IN ({', '.join(map(literal, topics))})"


def merge_select(table: Table, rows: str, *, key: Sequence[str] | None = None) -> str:
    """The statement that merges rows, by the table's key or by another one.

    Merging members' rows by their survivor is the same statement with another key.
    """
    return merge_partials_select(table, f"({partial_rows_select(table, rows)})", key=key)


def partial_rows_select(table: Table, rows: str) -> str:
    """The statement that gives rows as partial ones: their maps as lists of entries."""
    replaced: list[str] = []
    left_out: list[str] = []
    for column in table.columns.values():
        if column.by is None:
            continue
        name, companion = quoted(column.name), table.companions.get(column.name)
        place = ""
        if companion is not None:
            place = f", 'place': {quoted(companion)}[e.key]"
            left_out.append(quoted(companion))
        entry = f"{{'k': e.key, 'v': e.value{place}}}"
        entries = f"list_transform(map_entries({name}), lambda e: {entry})"
        replaced.append(f"CAST({entries} AS {_entries_type(column)}) AS {name}")
    if not replaced:
        return f"SELECT * FROM {rows}"
    without = f" EXCLUDE ({', '.join(left_out)})" if left_out else ""
    return f"SELECT *{without} REPLACE ({', '.join(replaced)}) FROM {rows}"


def merge_partials_select(table: Table, rows: str, *, key: Sequence[str] | None = None) -> str:
    """The statement that merges partial rows into those of the table; see `merge_select`."""
    by = list(table.key if key is None else key)
    names, known = _names(by), _known(by)
    scalars = "".join(f", {sql} AS {quoted(name)}" for name, sql in _merged_scalars(table))
    steps = [
        f"parts AS ({_in_scope(table, rows, names)})",
        f"grouped AS (SELECT {names}{scalars} FROM parts WHERE {known} GROUP BY {names})",
    ]
    shown = {name: f"grouped.{quoted(name)}" for name in physical_columns(table)}
    joins = ""
    for index, column in enumerate(c for c in table.columns.values() if c.by is not None):
        step = f"m{index}"
        unfolded = f"SELECT {names}, unnest({quoted(column.name)}) AS e FROM parts WHERE {known}"
        steps.append(f"{step} AS ({_map_by_key(names, unfolded, column)})")
        joins += f" LEFT JOIN {step} USING ({names})"
        empty = f"CAST(MAP {{}} AS {SQL_TYPES[column.type]})"
        shown[column.name] = f"coalesce({step}.v, {empty})"
        if is_placed(column):
            at = table.companions[column.name]
            shown[at] = f"coalesce({step}.place, CAST(MAP {{}} AS {POSITIONS_BY_KEY}))"
    order = [*by, *(name for name in physical_columns(table) if name not in table.key)]
    order = list(dict.fromkeys(order))
    columns = ", ".join(f"{shown.get(n, f'grouped.{quoted(n)}')} AS {quoted(n)}" for n in order)
    return f"WITH {', '.join(steps)} SELECT {columns} FROM grouped{joins}"


def _merged_scalars(table: Table) -> Iterator[tuple[str, str]]:
    """How each column that is no map merges, by its name; companions included."""
    for column in table.columns.values():
        if column.by is not None:
            continue
        name, companion = quoted(column.name), table.companions.get(column.name)
        order = quoted(companion) if companion else ""
        yield column.name, _MERGES[column.merge].format(name, order)
        if companion is not None and companion.removesuffix("__at") == column.name:
            yield companion, f"{_extreme(column)}({order})"


def _in_scope(table: Table, rows: str, names: str) -> str:
    """The partial rows, with what is not of the greatest cycle left out of its columns."""
    scoped = {c.name for c in table.columns.values() if c.scope is Scope.CURRENT_CYCLE}
    if not scoped:
        return f"FROM {rows}"
    scoped |= {table.companions[name] for name in scoped if name in table.companions}
    scoped &= partial_columns(table).keys()
    replaced = ", ".join(
        f"CASE WHEN cycle = top THEN {quoted(c)} END AS {quoted(c)}" for c in sorted(scoped)
    )
    tops = f"SELECT {names}, max(cycle) AS top FROM {rows} GROUP BY {names}"
    return f"SELECT * EXCLUDE (top) REPLACE ({replaced}) FROM {rows} JOIN ({tops}) USING ({names})"


def _extreme(column: Column) -> str:
    return "max" if column.merge is Merge.LAST else "min"


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))


def _known(key: Iterable[str]) -> str:
    return " AND ".join(f"{quoted(name)} IS NOT NULL" for name in key)


def _map_by_key(names: str, unfolded: str, column: Column) -> str:
    """Rows (key…, entry) as one map per key, its entries in order."""
    if is_placed(column):
        merged, at = "arg_max_null(e.v, e.place) AS v, max(e.place) AS place", "place"
        places = f", map_from_entries(list_sort(list({{'k': k, 'at': {at}}}))) AS place"
    else:
        merged, places = "CAST(sum(e.v) AS BIGINT) AS v", ""
    grouped = f"SELECT {names}, e.k AS k, {merged} FROM ({unfolded}) GROUP BY {names}, k"
    value = "map_from_entries(list_sort(list({'k': k, 'v': v}))) AS v"
    return f"SELECT {names}, {value}{places} FROM ({grouped}) GROUP BY {names}"


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

    @property
    def is_of_leads(self) -> bool:
        """Whether its rows are leads', or their cycles'."""
        return self.table.key.get("lead_id") == LEAD_ID

    def keys_of(self, table: Table, *, partials: str) -> str:
        """The statement that gives the keys of this table's rows that have partial rows."""
        return f"SELECT DISTINCT {_names(table.key)} FROM {partials} WHERE {_known(self.table.key)}"

    def rows_of(
        self, table: Table, *, partials: str | None = None, and_rows: str | None = None
    ) -> str:
        """The statement that gives this table's rows out of the combined one's partial rows.

        Args:
            table: one of those that are combined.
            partials: a relation of partial rows; else the one named like the combined table.
            and_rows: a relation of further rows of the table, to be merged in.
        """
        renamed = {name: name for name in table.key}
        for column in table.columns.values():
            alias = self._alias[_bare(column)]
            renamed[column.name] = alias
            companion = table.companions.get(column.name)
            if companion is not None:
                renamed[companion] = self.table.companions[alias]
        order = ", ".join(
            f"{quoted(renamed[name])} AS {quoted(name)}" for name in partial_columns(table)
        )
        partials = partials or quoted(self.table.name)
        rows = f"SELECT {order} FROM {partials} WHERE {_known(self.table.key)}"
        more = f" UNION ALL BY NAME {partial_rows_select(table, and_rows)}" if and_rows else ""
        return merge_partials_select(table, f"({rows}{more})")


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
    "merge_partials_select",
    "merge_select",
    "partial_columns",
    "physical_columns",
    "quoted",
]
