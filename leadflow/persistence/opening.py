"""Opening a store by its URL: the composition root of the write side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leadflow.errors import StoreError
from leadflow.persistence.store import Store
from leadflow.persistence.urls import PostgresURL, SQLiteURL, parse_store_url


def open_store(
    url: str,
    *,
    create: bool = False,
    key_file: Path | None = None,
    key: str | None = None,
    must_write: bool = True,
    lock_timeout: float = 5,
    archive: Path | None = None,
) -> Store:
    """Open the store at a URL, or with `create` make it where there is none.

    Args:
        url: `sqlite:///leads.db`, `sqlite:////var/leads.db`, `sqlite:///:memory:`, or
            `postgresql://USER@HOST/DATABASE`.
        create: Make the store, and its key file, where there is none.
        key_file: Where the master key lies. Not given, `LEADFLOW_KEY` (the key itself) or
            `LEADFLOW_KEY_FILE` is used, else for a SQLite file `NAME.db.key` beside it.
        key: The master key itself, 32 bytes in base64 or hex.
        must_write: Without it, a store that can only be read is opened too.
        lock_timeout: Seconds to wait for another writer.
        archive: The folder of the log's columnar twin, which the read side keeps. Not given,
            it is `NAME.db.archive` beside a SQLite file, and there is none on PostgreSQL.

    Raises:
        InvalidStoreURL: the URL names no store.
        StoreNotFound: there is none, and `create` is not set.
        StoreReadOnly: it cannot be written, and `must_write` is set.
        StoreUnreachable: the server does not answer, or does not let us in.
        SchemaTooNew: a newer leadflow wrote it.
        KeyUnavailable: its key is missing, unreadable, malformed or of another store.
        StoreError: anything else that is wrong with it.
    """
    store = _opened(
        parse_store_url(url),
        create=create,
        key=key,
        key_file=key_file,
        must_write=must_write,
        lock_timeout=lock_timeout,
    )
    if archive is not None:
        store.archive = archive
    return store


def _opened(target: SQLiteURL | PostgresURL, **how: Any) -> Store:
    if isinstance(target, SQLiteURL):
        from leadflow.persistence.sqlite.opening import open_sqlite

        return open_sqlite(target, **how)
    try:
        from leadflow.persistence.postgres.opening import open_postgres
    except ModuleNotFoundError as error:
        raise StoreError(
            f"a PostgreSQL store needs the package {error.name}, which is not installed",
            hint="pip install 'leadflow[postgres]'",
        ) from None

    return open_postgres(target, **how)
