"""How much room read models take, and how much there is."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from leadflow.errors import StoreError
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from leadflow.persistence.sqlite.store import SQLiteStore
    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.builds import Build


def build_bytes(store: Store, builds: Sequence[Build]) -> list[int | None]:
    """What the tables of each build take in the database; None where it cannot say."""
    with store.transaction(write=False) as cursor:
        return [_of(cursor, store.dialect, build) for build in builds]


def _of(cursor: Cursor, dialect: str, build: Build) -> int | None:
    total = 0
    for name in build.table_names:
        if dialect == "postgresql":
            cursor.execute("SELECT pg_total_relation_size(to_regclass(%s))", (quoted(name),))
        else:
            if not _has_page_counts(cursor):
                return None
            cursor.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", (name,))
        total += int(cursor.fetchone()[0] or 0)
    return total


def _has_page_counts(cursor: Cursor) -> bool:
    cursor.execute("SELECT sqlite_compileoption_used('ENABLE_DBSTAT_VTAB')")
    return bool(cursor.fetchone()[0])


def free_bytes(store: Store) -> int | None:
    """The room that is left where the store lies; None for a server and a database in memory.

    Raises:
        StoreError: its folder cannot be asked.
    """
    if store.dialect == "postgresql":
        return None
    path = cast("SQLiteStore", store).path
    if path is None:
        return None
    try:
        return shutil.disk_usage(path.parent).free
    except OSError as error:
        raise StoreError(f"{path.parent} cannot be asked for its free room: {error}") from error
