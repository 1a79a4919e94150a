"""Copying a store while it is in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from leadflow.errors import StoreError
from leadflow.persistence.master_key import key_file_beside, publish_key, read_key
from leadflow.persistence.opening import open_store
from leadflow.persistence.publishing import publish, unfinished
from leadflow.persistence.sqlite.errors import in_our_words
from leadflow.persistence.sqlite.store import SQLiteStore
from leadflow.persistence.urls import PostgresURL, parse_store_url


@dataclass(frozen=True, slots=True)
class Backup:
    """A copy of a store."""

    file: Path
    key_file: Path | None
    """The copy of its key; None when the key is in no file, and has to be kept apart."""
    position: int
    """Of the last event in it."""


def backup(url: str, target: Path, *, key_file: Path | None = None) -> Backup:
    """Copy a SQLite store, as of one moment, with its key beside it.

    The copy appears whole or not at all; writers and readers go on meanwhile. It holds the
    keys of leads erased later: erase them again in a copy that is brought back. `key_file`
    names the store's key as in `open_store`.

    Raises:
        StoreError: it is a PostgreSQL store, the target exists, or cannot be written.
    """
    source = parse_store_url(url)
    if isinstance(source, PostgresURL):
        raise StoreError(
            f"{source.url} is backed up with PostgreSQL's own tools, not by leadflow",
            hint=f"Run pg_dump --format=custom --file={target} {source.url}"
            " and keep the store's key file with the dump.",
        )
    file = target.resolve()
    key_copy = key_file_beside(file)
    for existing in (file, key_copy):
        if existing.exists():
            raise StoreError(f"{existing} exists already", hint="Name a new file for the copy.")
    with open_store(url, must_write=False, key_file=key_file) as store:
        assert isinstance(store, SQLiteStore)
        position = _copy(store, file)
        if store.key_source.file is None:
            return Backup(file, None, position)
        publish_key(key_copy, read_key(store.key_source))
    return Backup(file, key_copy, position)


def _copy(store: SQLiteStore, file: Path) -> int:
    try:
        with unfinished(file) as written, in_our_words(str(file)):
            with closing(sqlite3.connect(written)) as copy:
                with store.connections.reader() as connection:
                    connection.backup(copy)
                position: int = copy.execute("SELECT position FROM log_head").fetchone()[0]
            if not publish(written, file):
                raise StoreError(f"{file} exists already", hint="Name a new file for the copy.")
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror}") from None
    return position
