"""Lifting a store's tables to the schema that this program writes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from leadflow.errors import SchemaTooNew, StoreError, StoreNotFound
from leadflow.persistence.migrations import MIGRATIONS
from leadflow.persistence.schema import SCHEMA_VERSION, schema_version
from leadflow.persistence.store import Cursor
from leadflow.persistence.urls import PostgresURL, SQLiteURL, parse_store_url


def migrate(url: str, *, to_version: int = SCHEMA_VERSION) -> tuple[int, int]:
    """Bring a store to a schema version, all steps in one transaction; needs no key.

    Returns:
        The version that it had, and the one that it has now.

    Raises:
        StoreNotFound: there is no store.
        SchemaTooNew: it is newer than this program.
        StoreError: it is too old for it.
    """
    target = parse_store_url(url)
    dialect = "sqlite" if isinstance(target, SQLiteURL) else "postgresql"
    with _writing(target) as cursor:
        cursor.execute("SELECT name, value FROM leadflow_meta")
        found = schema_version(dict(cursor.fetchall()), target.url)
        if found > to_version:
            raise SchemaTooNew(
                f"the store {target.url} has schema version {found}, newer than {to_version}",
                hint="Install the newer leadflow that wrote it.",
            )
        for version in range(found, to_version):
            for statement in _step(version, dialect, target.url):
                cursor.execute(statement)
        if found != to_version:
            cursor.execute(
                f"UPDATE leadflow_meta SET value = '{to_version}' WHERE name = 'schema_version'"
            )
    return found, to_version


def _step(version: int, dialect: str, place: str) -> Sequence[str]:
    try:
        return MIGRATIONS[version][dialect]
    except KeyError:
        raise StoreError(
            f"the store {place} has schema version {version}, and nothing leads on from there",
            hint="Migrate it with an older leadflow first.",
        ) from None


@contextmanager
def _writing(target: SQLiteURL | PostgresURL) -> Generator[Cursor]:
    if isinstance(target, SQLiteURL):
        with _writing_sqlite(target) as cursor:
            yield cursor
    else:
        with _writing_postgres(target) as cursor:
            yield cursor


@contextmanager
def _writing_sqlite(target: SQLiteURL) -> Generator[Cursor]:
    from leadflow.persistence.sqlite.connections import Connections
    from leadflow.persistence.sqlite.opening import find, read_meta

    if target.path is None:
        raise StoreNotFound("a store in memory is always new")
    connections = Connections(find(target.path.resolve(), must_write=True), lock_timeout=5)
    try:
        read_meta(connections)
        with connections.writing() as connection:
            yield connection.cursor()
    finally:
        connections.close()


@contextmanager
def _writing_postgres(target: PostgresURL) -> Generator[Any]:
    from leadflow.persistence.postgres.connections import Connections

    connections = Connections(target, lock_timeout=5)
    try:
        with connections.begun("BEGIN") as connection:
            yield connection.cursor()
            connection.commit()
    finally:
        connections.close()
