"""A store that works on a connection of the caller's: what it records commits with his rows."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar, cast

import psycopg
from psycopg import Cursor
from psycopg.errors import SerializationFailure
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from leadflow.errors import ConnectionLost, InvalidInput, StoreError
from leadflow.persistence.postgres.connections import AnyConnection, Connections
from leadflow.persistence.postgres.errors import in_our_words

T = TypeVar("T")


class BorrowedConnection(Connections):
    """Stands in for a store's own connections; begins nothing, commits nothing, closes nothing."""

    def __init__(self, own: Connections, connection: psycopg.Connection[Any]) -> None:
        super().__init__(own.target, lock_timeout=own.lock_timeout)
        self._connection = connection
        _check(connection)

    @contextmanager
    def connection(self) -> Generator[AnyConnection]:
        """The caller's connection, giving plain rows whatever its own row factory."""
        try:
            with in_our_words(self.target):
                yield cast("AnyConnection", _PlainRows(self._connection))
        except ConnectionLost as error:
            # Never to be tried again on another connection: the transaction is gone.
            raise StoreError(
                error.message,
                hint="Run the whole transaction again: nothing of it was committed, unless the "
                "connection was lost in the commit itself.",
            ) from error
        except StoreError as error:
            if isinstance(error.__cause__, SerializationFailure):
                raise StoreError(
                    "another writer recorded events after this transaction had begun, and its "
                    "isolation level does not let it see them",
                    hint="Run the whole transaction again, or record under READ COMMITTED.",
                ) from error
            raise

    @contextmanager
    def begun(self, begin: str) -> Generator[AnyConnection]:  # noqa: ARG002 - begun by the caller
        with self.connection() as connection:
            yield connection

    def persistently(self, use: Callable[[AnyConnection, bool], T]) -> T:
        with self.connection() as connection:
            return use(connection, False)

    @contextmanager
    def listener(self) -> Generator[AnyConnection]:
        self._refuse("waits for events")
        yield

    def connect(self, row_factory: Any) -> Any:  # noqa: ARG002 - as the store's own are made
        self._refuse("makes other connections")

    def close(self) -> None:
        """Nothing: the connection is its owner's."""

    def _refuse(self, what: str) -> NoReturn:
        raise StoreError(f"a store on a connection of the caller's never {what}")


class _PlainRows:
    """What an append uses of a connection, with rows as tuples and the server's own binding."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.pipeline = connection.pipeline
        self.transaction = connection.transaction

    def cursor(self, *, binary: bool = False) -> Cursor[tuple[Any, ...]]:
        cursor = Cursor(self._connection, row_factory=tuple_row)
        cursor.format = psycopg.pq.Format.BINARY if binary else psycopg.pq.Format.TEXT
        return cursor

    def execute(
        self, query: Any, params: Any = None, *, binary: bool = False
    ) -> Cursor[tuple[Any, ...]]:
        return self.cursor(binary=binary).execute(query, params)


def _check(connection: psycopg.Connection[Any]) -> None:
    """See that there is a transaction to record in, which begins now where it does by itself.

    Raises:
        InvalidInput: when there is none, or it has failed.
    """
    if connection.closed:
        raise InvalidInput("the connection to record within is closed")
    status = connection.info.transaction_status
    if status == TransactionStatus.INERROR:
        raise InvalidInput(
            "the transaction to record within has failed already", hint="Roll it back first."
        )
    if status == TransactionStatus.IDLE and connection.autocommit:
        raise InvalidInput(
            "the connection to record within has no open transaction",
            hint="Record inside `with connection.transaction():`.",
        )
    if status == TransactionStatus.IDLE:
        connection.execute("SELECT 1")  # psycopg begins it; ours are then parts of it
