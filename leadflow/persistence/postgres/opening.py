"""Opening a store in a PostgreSQL database, or making its tables there."""

from __future__ import annotations

from pathlib import Path

from leadflow.errors import KeyUnavailable, StoreError, StoreNotFound, StoreReadOnly
from leadflow.persistence.master_key import (
    KeySource,
    key_source,
    new_key,
    publish_key,
    read_key,
)
from leadflow.persistence.postgres.connections import AnyConnection, Connections
from leadflow.persistence.postgres.store import PostgresStore
from leadflow.persistence.schema import check_key, check_schema, create_script, new_meta
from leadflow.persistence.urls import PostgresURL

_CREATE_LOCK = int.from_bytes(b"leadflow")
"""An advisory lock, so that two processes do not make one store at once."""


def open_postgres(
    target: PostgresURL,
    *,
    create: bool,
    key: str | None,
    key_file: Path | None,
    must_write: bool,
    lock_timeout: float,
) -> PostgresStore:
    """See `leadflow.persistence.opening.open_store`."""
    connections = Connections(target, lock_timeout=lock_timeout)
    try:
        with connections.connection() as connection:
            source = key_source(key, key_file, beside=None)
            # In this order: another process may be making both tables, in one transaction.
            foreign = _has(connection, "stored_events")
            if not _has(connection, "leadflow_meta"):
                if foreign:
                    raise StoreError(
                        f"{target.url} has a table stored_events, and no leadflow store",
                        hint="Give the store a database or a schema of its own.",
                    )
                _refuse_or_create(connection, target, source, create=create)
            meta = read_meta(connection)
            check_schema(meta, target.url)
            if must_write:
                _check_writable(connection, target)
            source = _required(source, target)
            master_key = read_key(source)
            check_key(meta, master_key, source, target.url)
        return PostgresStore(connections, master_key, source)
    except BaseException:
        connections.close()
        raise


def read_meta(connection: AnyConnection) -> dict[str, str]:
    """What the store says about itself."""
    return dict(connection.execute("SELECT name, value FROM leadflow_meta").fetchall())


def _refuse_or_create(
    connection: AnyConnection, target: PostgresURL, source: KeySource | None, *, create: bool
) -> None:
    if not create:
        raise StoreNotFound(
            f"no store at {target.url}", hint="`leadflow store init` makes one in it."
        )
    _create(connection, _required(source, target))


def _create(connection: AnyConnection, source: KeySource) -> None:
    """Make the tables, and the key file that was named where it is missing: all or nothing."""
    # Before the transaction begins: what it sees of the catalogue is then up to date.
    connection.execute("SELECT pg_advisory_lock(%s)", (_CREATE_LOCK,))
    try:
        if not _has(connection, "leadflow_meta"):  # or another process was first
            _create_tables(connection, source)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_CREATE_LOCK,))


def _create_tables(connection: AnyConnection, source: KeySource) -> None:
    made_key = False
    if source.file is not None and not source.file.exists():
        made_key = publish_key(source.file, new_key())
    try:
        rows = sorted(new_meta(read_key(source)).items())
        with connection.transaction():
            connection.execute(create_script("postgres.sql").encode())
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO leadflow_meta VALUES (%s, %s)", rows)
    except BaseException:
        if made_key and source.file is not None:
            source.file.unlink(missing_ok=True)
        raise


def _required(source: KeySource | None, target: PostgresURL) -> KeySource:
    if source is None:
        raise KeyUnavailable(
            f"no key is given for the store {target.url}",
            hint="Name its key file by LEADFLOW_KEY_FILE or --key-file;"
            " `leadflow store init` makes the file when there is none yet.",
        )
    return source


def _check_writable(connection: AnyConnection, target: PostgresURL) -> None:
    row = connection.execute(
        "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on',"
        " has_table_privilege('stored_events', 'INSERT')"
        " AND has_table_privilege('log_head', 'UPDATE'), current_user"
    ).fetchone()
    assert row is not None
    standby, read_only, may_write, user = row
    if standby or read_only or not may_write:
        why = "the server is a standby" if standby else "the session is read-only"
        raise StoreReadOnly(
            f"the store {target.url} cannot be written:"
            f" {why if standby or read_only else f'user {user} may only read it'}",
            hint="Connect as a role that may write, to a server that is no standby.",
        )


def _has(connection: AnyConnection, table: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
    return row is not None and bool(row[0])
