"""The stored tables of a read model: one set per build, behind stable views.

A build's tables are named `stage_board__VERSION_BUILD`; readers use the view `stage_board`.
Every function works on a cursor of the store, within the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.sql import physical_columns, quoted

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow.persistence.store import Cursor
    from leadflow_projections.algebra import Table

Row = Sequence[Any]

_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "sqlite": {"VARCHAR": "TEXT", "BIGINT": "INTEGER", "BOOLEAN": "INTEGER", "UUID": "TEXT"},
    "postgresql": {"VARCHAR": "text", "BIGINT": "bigint", "BOOLEAN": "boolean", "UUID": "uuid"},
}


_FEW_ROWS: Final = 200
"""Up to so many rows one by one are quicker on PostgreSQL than a COPY."""


def table_name(table: Table, version: int, build: int) -> str:
    """The stored table of a build."""
    return f"{table.name}__{version}_{build}"


def with_marks(dialect: str, statement: str) -> str:
    """A statement written with `?` for its values, as the database's driver wants it."""
    return statement if dialect == "sqlite" else statement.replace("?", "%s")


def create_table(cursor: Cursor, dialect: str, table: Table, name: str) -> None:
    """Make a build's empty table with its indexes."""
    kinds = _TYPES[dialect]
    columns = [
        f"{quoted(column)} {kinds.get(kind, kinds['VARCHAR'])}{' NOT NULL' * (column in table.key)}"
        for column, kind in physical_columns(table).items()
    ]
    columns.append(f"PRIMARY KEY ({_names(table.key)})")
    strict = " STRICT" if dialect == "sqlite" else ""
    cursor.execute(f"CREATE TABLE {quoted(name)} ({', '.join(columns)}){strict}")
    for column in table.indexed:
        index = quoted(f"{name}__{column}")
        cursor.execute(
            f"CREATE INDEX {index} ON {quoted(name)} ({quoted(column)}) "
            f"WHERE {quoted(column)} IS NOT NULL"
        )


def drop_table(cursor: Cursor, name: str) -> None:
    """Remove a build's table, if it is there."""
    cursor.execute(f"DROP TABLE IF EXISTS {quoted(name)}")


def empty_slice(cursor: Cursor, dialect: str, name: str, rows: int) -> bool:
    """Delete some rows of a table that is going to be dropped; False when none are left.

    SQLite overwrites what is dropped, under its write lock; a slice at a time lets others in.
    """
    if dialect != "sqlite":
        return False
    if not exists(cursor, dialect, name):
        return False
    cursor.execute(
        f"DELETE FROM {quoted(name)} WHERE rowid IN (SELECT rowid FROM {quoted(name)} LIMIT ?)",
        (rows,),
    )
    return bool(cursor.rowcount)


def exists(cursor: Cursor, dialect: str, name: str) -> bool:
    """Whether there is a table or view of this name."""
    if dialect == "sqlite":
        cursor.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,))
    else:
        cursor.execute("SELECT 1 WHERE to_regclass(%s) IS NOT NULL", (quoted(name),))
    return cursor.fetchone() is not None


def point_view(cursor: Cursor, dialect: str, name: str, select: str) -> None:
    """Let a view show what a statement selects."""
    view = quoted(name)
    if dialect == "sqlite":
        cursor.execute(f"DROP VIEW IF EXISTS {view}")
        cursor.execute(f"CREATE VIEW {view} AS {select}")
        return
    # Replacing keeps what others were granted; where the columns differ, the view is made anew.
    cursor.execute("SAVEPOINT replacing_view")
    try:
        cursor.execute(f"CREATE OR REPLACE VIEW {view} AS {select}")
    except Exception:  # noqa: BLE001 - whatever the driver raises, the next statement tries again
        cursor.execute("ROLLBACK TO SAVEPOINT replacing_view")
        cursor.execute(f"DROP VIEW IF EXISTS {view}")
        cursor.execute(f"CREATE VIEW {view} AS {select}")
    cursor.execute("RELEASE SAVEPOINT replacing_view")


def drop_view(cursor: Cursor, name: str) -> None:
    """Remove a view, if it is there."""
    cursor.execute(f"DROP VIEW IF EXISTS {quoted(name)}")


def insert_rows(cursor: Cursor, table: Table, name: str, rows: Iterable[Row]) -> None:
    """Write rows at rest whose keys are new, on SQLite."""
    marks = ", ".join("?" * len(physical_columns(table)))
    cursor.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", rows)


def upsert_rows(cursor: Cursor, dialect: str, table: Table, name: str, rows: Sequence[Row]) -> None:
    """Write rows at rest in place of those of the same keys."""
    if not rows:
        return
    names = list(physical_columns(table))
    if dialect == "sqlite" or len(rows) <= _FEW_ROWS:
        cursor.executemany(_upsert(dialect, table, name), [_storable(dialect, r) for r in rows])
        return
    keys = [row[: len(table.key)] for row in rows]
    condition, values = _among(dialect, table, keys)
    cursor.execute(f"DELETE FROM {quoted(name)} WHERE {condition}", values)
    copying: Any = cursor
    with copying.copy(f"COPY {quoted(name)} ({_names(names)}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(_storable(dialect, row))


@cache
def _upsert_sql(dialect: str, name: str, columns: tuple[str, ...], key: tuple[str, ...]) -> str:
    marks = ", ".join("?" * len(columns))
    given = [column for column in columns if column not in key]
    changes = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in given)
    statement = (
        f"INSERT INTO {quoted(name)} ({_names(columns)}) VALUES ({marks}) "
        f"ON CONFLICT ({_names(key)}) DO " + (f"UPDATE SET {changes}" if given else "NOTHING")
    )
    return with_marks(dialect, statement)


def _upsert(dialect: str, table: Table, name: str) -> str:
    return _upsert_sql(dialect, name, tuple(physical_columns(table)), tuple(table.key))


def _storable(dialect: str, row: Row) -> Row:
    """PostgreSQL's texts cannot hold the NUL character, which JSON texts may."""
    if dialect == "sqlite":
        return row
    return [v.replace("\0", "") if isinstance(v, str) else v for v in row]


def select_rows(
    cursor: Cursor, dialect: str, table: Table, name: str, keys: Sequence[Row]
) -> pa.Table:
    """The stored rows of these keys, or beginnings of keys, at rest, as an Arrow table."""
    return as_arrow(table, stored_rows(cursor, dialect, table, name, keys))


def stored_rows(
    cursor: Cursor, dialect: str, table: Table, name: str, keys: Sequence[Row]
) -> list[Row]:
    """The same as the database gives them."""
    if not keys:
        return []
    condition, values = _among(dialect, table, keys)
    cursor.execute(
        f"SELECT {_names(physical_columns(table))} FROM {quoted(name)} WHERE {condition}", values
    )
    rows: list[Row] = cursor.fetchall()
    return rows


def _among(dialect: str, table: Table, keys: Sequence[Row]) -> tuple[str, tuple[Any, ...]]:
    """A condition that a row has one of these keys, and its values."""
    columns = list(table.key)[: len(keys[0])]
    if dialect == "sqlite":
        parts = ", ".join(f"json_extract(value, '$[{i}]')" for i in range(len(columns)))
        condition = f"({_names(columns)}) IN (SELECT {parts} FROM json_each(?))"
        return condition, (json.dumps([[_plain(part) for part in key] for key in keys]),)
    kinds = physical_columns(table)
    arrays = ", ".join(f"%s::{_TYPES[dialect][kinds[column]]}[]" for column in columns)
    values = tuple([_plain(part) for part in column] for column in zip(*keys, strict=True))
    return f"({_names(columns)}) IN (SELECT * FROM unnest({arrays}))", values


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def as_arrow(table: Table, rows: Sequence[Row]) -> pa.Table:
    """Rows as a database gave them, as an Arrow table of rows at rest."""
    import pyarrow as pa

    kinds = physical_columns(table)
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(kinds)
    arrays: dict[str, Any] = {}
    for (name, kind), column in zip(kinds.items(), columns, strict=True):
        if kind == "BIGINT":
            arrays[name] = pa.array(column, pa.int64())
        elif kind == "BOOLEAN":
            flags = [None if value is None else bool(value) for value in column]
            arrays[name] = pa.array(flags, pa.bool_())
        else:
            texts = [None if value is None else str(value) for value in column]
            arrays[name] = pa.array(texts, pa.string())
    return pa.table(arrays)


def _names(names: Iterable[str]) -> str:
    return ", ".join(map(quoted, names))
