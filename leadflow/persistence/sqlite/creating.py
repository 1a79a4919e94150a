"""Making a store's file: whole or not at all, also when two processes make it at once."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from leadflow.errors import StoreError, StoreReadOnly
from leadflow.persistence.master_key import (
    KeySource,
    new_key,
    publish_key,
    read_key,
)
from leadflow.persistence.publishing import publish, unfinished
from leadflow.persistence.schema import create_script, new_meta
from leadflow.persistence.sqlite.errors import in_our_words

APPLICATION_ID: Final = int.from_bytes(b"LEAD")
"""What SQLite keeps in the file's header, so that `file` and we know whose it is."""


def create_tables(connection: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    """Make a store's tables in an empty database, in one transaction."""
    connection.executescript(f"BEGIN IMMEDIATE;\n{create_script('sqlite.sql')}")
    connection.executemany("INSERT INTO leadflow_meta VALUES (?,?)", sorted(meta.items()))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute("COMMIT")


def create_file(file: Path, source: KeySource) -> None:
    """Make a store where no file is, and its key file where that is missing.

    The key goes first: whoever loses a race finds a key and, soon, a store.

    Raises:
        StoreError: the folder is missing or not writable, or the disk is full.
        KeyUnavailable: a key was named that cannot be read, or not be made.
    """
    _check_folder(file)
    made_key = False
    try:
        with unfinished(file) as written:
            key, to_publish = _existing_or_new(source)
            _write(written, key, file)
            if to_publish is not None:
                made_key = publish_key(to_publish, key)
                if not made_key:  # another process was first: its key is the store's
                    written.unlink()
                    _write(written, read_key(source), file)
            publish(written, file)  # or another process was first: its store is as good
    except OSError as error:
        raise StoreError(f"the store {file} cannot be made: {error.strerror}") from None
    finally:
        if made_key and source.file is not None and not file.exists():
            source.file.unlink(missing_ok=True)


def _check_folder(file: Path) -> None:
    if not file.parent.is_dir():
        raise StoreError(
            f"the store {file} cannot be made: there is no folder {file.parent}",
            hint="Make the folder first.",
        )
    if not may(file.parent, os.W_OK):
        raise StoreReadOnly(
            f"the store {file} cannot be made: this user cannot write into {file.parent}",
            hint="Make the folder writable, or name another.",
        )
    for suffix in ("-wal", "-journal"):
        rest = file.with_name(file.name + suffix)
        if rest.exists():
            # SQLite would take it for the new file's own and spoil it.
            raise StoreError(
                f"no store can be made at {file}: {rest} is left of another whose file is gone",
                hint="Bring back that file, or move its rest away.",
            )


def _existing_or_new(source: KeySource) -> tuple[bytes, Path | None]:
    """The key, and the file that it has yet to be written to."""
    if source.file is None or source.file.exists():
        return read_key(source), None
    return new_key(), source.file


def _write(written: Path, key: bytes, file: Path) -> None:
    with in_our_words(str(file)), closing(sqlite3.connect(written, isolation_level=None)) as new:
        new.execute("PRAGMA synchronous = FULL")
        new.execute("PRAGMA journal_mode = WAL")
        create_tables(new, new_meta(key))


def may(path: Path, mode: int) -> bool:
    """Whether this user may do it (os.R_OK, os.W_OK)."""
    return os.access(path, mode, effective_ids=os.access in os.supports_effective_ids)
