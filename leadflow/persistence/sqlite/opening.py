"""Opening a store's file: what is there, what may be done with it, and is the key its own."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from leadflow.errors import StoreError, StoreNotFound, StoreReadOnly
from leadflow.persistence.master_key import (
    KeySource,
    key_source,
    key_text,
    new_key,
    read_key,
)
from leadflow.persistence.schema import check_key, check_schema, new_meta
from leadflow.persistence.sqlite.connections import Connections, Place
from leadflow.persistence.sqlite.creating import create_file, create_tables, may
from leadflow.persistence.sqlite.errors import in_our_words, read_only
from leadflow.persistence.sqlite.store import SQLiteStore
from leadflow.persistence.urls import SQLiteURL

OLDEST_SQLITE: Final = (3, 37, 0)
_INIT_HINT: Final = "`leadflow store init` makes one; `leadflow demo` makes one to look at."


def open_sqlite(
    target: SQLiteURL,
    *,
    create: bool,
    key: str | None,
    key_file: Path | None,
    must_write: bool,
    lock_timeout: float,
) -> SQLiteStore:
    """See `leadflow.persistence.opening.open_store`."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StoreError(
            f"this Python brings SQLite {sqlite3.sqlite_version}, and a store needs"
            f" {'.'.join(map(str, OLDEST_SQLITE))} at least",
            hint="Use a newer Python.",
        )
    if target.path is None:
        return _in_memory(target, key, key_file, lock_timeout)
    file = target.path.resolve()
    source = key_source(key, key_file, beside=file)
    assert source is not None
    if create and _missing(file):
        create_file(file, source)
    connections = Connections(find(file, must_write=must_write), lock_timeout=lock_timeout)
    try:
        meta = read_meta(connections)
        check_schema(meta, str(file))
        master_key = read_key(source)
        check_key(meta, master_key, source, str(file))
        return SQLiteStore(target.url, connections, master_key, source)
    except BaseException:
        connections.close()
        raise


def _in_memory(
    target: SQLiteURL, key: str | None, key_file: Path | None, lock_timeout: float
) -> SQLiteStore:
    named = key is not None or key_file is not None
    source = key_source(key, key_file, beside=None) if named else None
    source = source or KeySource(key_text(new_key()), None, "this process alone")
    master_key = read_key(source)
    connections = Connections(Place(None, "write", "in memory"), lock_timeout=lock_timeout)
    with connections.reader() as connection:
        create_tables(connection, new_meta(master_key))
    return SQLiteStore(target.url, connections, master_key, source)


def read_meta(connections: Connections) -> dict[str, str]:
    """What the store says about itself.

    Raises:
        StoreError: the database is none of leadflow's.
    """
    place = connections.place.shown
    with connections.reader() as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema").fetchall()}
        if "leadflow_meta" in tables:
            return dict(connection.execute("SELECT name, value FROM leadflow_meta").fetchall())
    if "stored_events" in tables:
        raise StoreError(
            f"{place} is a database of the eventsourcing library, and no leadflow store",
            hint="Give the store a file of its own.",
        )
    raise StoreError(
        f"{place} is a SQLite database, and no leadflow store",
        hint="Give the store a file of its own.",
    )


def _missing(file: Path) -> bool:
    """Whether a store may be made here.

    Raises:
        StoreError: something else is here, or it cannot be told.
    """
    try:
        if file.is_dir():
            raise StoreError(
                f"{file} is a folder, and a store is a file", hint="Name a file in it."
            )
        if not file.exists():
            return True
        if not file.is_file():
            raise StoreError(f"{file} is no ordinary file", hint="Name a file.")
        if file.stat().st_size == 0 and not _has_log(file):
            raise StoreNotFound(
                f"no store at {file}: the file is empty",
                hint="Remove it, then `leadflow store init` makes a store there.",
            )
    except PermissionError:
        raise StoreError(
            f"{file} cannot be looked at: a folder above it is closed to this user"
        ) from None
    except OSError as error:
        raise StoreError(f"{file} cannot be looked at: {error.strerror}") from None
    return False


def _has_log(file: Path) -> bool:
    return file.with_name(file.name + "-wal").exists()


def find(file: Path, *, must_write: bool) -> Place:
    """How the file can be opened: for writing, for reading, or as one that nobody changes.

    Raises:
        StoreNotFound: there is no such file.
        StoreReadOnly: it cannot be opened so that it can be written, or not even read.
    """
    if _missing(file):
        raise StoreNotFound(f"no store at {file}", hint=_INIT_HINT)
    shown = str(file)
    if not may(file, os.R_OK):
        raise StoreError(
            f"the store {file} cannot be read by this user",
            hint="Let this user read it, or run as the user who owns it.",
        )
    if may(file, os.W_OK) and may(file.parent, os.W_OK):
        return Place(file, "write", shown)
    if must_write:
        raise read_only(shown)
    for place in (Place(file, "read", shown), Place(file, "immutable", shown)):
        if place.access == "immutable" and _log_bytes(file):
            break  # what lies in the write-ahead log would be left out
        if _can_be_read(place):
            return place
    raise StoreReadOnly(
        f"the store {file} lies where nothing can be written, and a part of it is in its"
        " write-ahead log, which SQLite cannot read there",
        hint="Copy it with the files that begin with its name to a folder that can be written.",
    )


def _log_bytes(file: Path) -> int:
    log = file.with_name(file.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def _can_be_read(place: Place) -> bool:
    try:
        with in_our_words(place.shown), closing(sqlite3.connect(place.uri(), uri=True)) as tried:
            tried.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except StoreError:
        return False
    return True
