"""The tables in which the store keeps its builds, their checkpoints, runners and parked streams.

They lie in the store's own database, so that a checkpoint commits with the rows it stands for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.physical import exists, with_marks

if TYPE_CHECKING:
    from leadflow.persistence.store import Cursor, Store

BUILDS: Final = "leadflow_projections"
CHECKPOINTS: Final = "leadflow_checkpoints"
RUNNERS: Final = "leadflow_runners"
PARKED: Final = "leadflow_parked"

_BUILD_KEY: Final = ("projection", "version", "build")
_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    BUILDS: _BUILD_KEY,
    CHECKPOINTS: (*_BUILD_KEY, "bucket"),
    RUNNERS: ("token",),
    PARKED: (*_BUILD_KEY, "stream"),
}
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    BUILDS: (*_BUILD_KEY, "role", "state", "fingerprint", "tables", "buckets", "last_error"),
    CHECKPOINTS: (*_KEYS[CHECKPOINTS], "position", "folded", "rate", "moved_at", "runner"),
    RUNNERS: ("token", "host", "pid", "projections", "since", "heartbeat"),
    PARKED: (
        *_KEYS[PARKED],
        *("first_position", "last_position", "events", "reason", "parked_at"),
    ),
}
_TEXTS: Final = {
    *("projection", "role", "state", "fingerprint", "tables", "last_error", "runner"),
    *("token", "host", "projections", "stream", "reason"),
}
FORMER: Final = ("projection", "version", "build", "role", "fingerprint", "tables", "position")
"""What is kept of a build's row as leadflow 0.1 wrote it, which had its one checkpoint in it."""


def make_tables(store: Store) -> None:
    """Make the tables where they are missing; builds of an older leadflow are kept."""
    with store.transaction(write=False) as cursor:
        if all(exists(cursor, store.dialect, name) for name in COLUMNS):
            return
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            lock_sharing(cursor)
        former = former_rows(cursor, store.dialect)
        if former:
            cursor.execute(f"DROP TABLE {BUILDS}")
        for name in COLUMNS:
            cursor.execute(_create(name, store.dialect))
        cursor.execute(
            f"CREATE UNIQUE INDEX IF NOT EXISTS {BUILDS}_live ON {BUILDS} (projection) "
            "WHERE role = 'live'"
        )
        for *key, role, fingerprint, tables, position in former:
            row = (*key, role, "stopped", fingerprint, tables, 1, None)
            insert(cursor, store.dialect, BUILDS, [row])
            checkpoint = (*key, 0, position, position, 0, None, None)
            insert(cursor, store.dialect, CHECKPOINTS, [checkpoint])


def lock_sharing(cursor: Cursor) -> None:
    """On PostgreSQL, let one transaction at a time decide who works on what."""
    cursor.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow_projections'))")


def former_rows(cursor: Cursor, dialect: str) -> list[Sequence[Any]]:
    """The builds of a store whose tables are as leadflow 0.1 made them; else none."""
    if exists(cursor, dialect, CHECKPOINTS) or not exists(cursor, dialect, BUILDS):
        return []
    cursor.execute(f"SELECT {', '.join(FORMER)} FROM {BUILDS} ORDER BY projection, version, build")
    rows: list[Sequence[Any]] = cursor.fetchall()
    return rows


def insert(cursor: Cursor, dialect: str, name: str, rows: Sequence[Sequence[Any]]) -> None:
    """Write rows into one of the tables, values in the order of its columns."""
    columns = COLUMNS[name]
    marks = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})"
    cursor.executemany(with_marks(dialect, statement), rows)


def _create(name: str, dialect: str) -> str:
    integer, text = ("INTEGER", "TEXT") if dialect == "sqlite" else ("bigint", "text")
    columns = [f"{column} {text if column in _TEXTS else integer}" for column in COLUMNS[name]]
    key = ", ".join(_KEYS[name])
    return f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(columns)}, PRIMARY KEY ({key}))"
