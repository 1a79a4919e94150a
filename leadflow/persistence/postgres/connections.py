"""Connections to one PostgreSQL database: made when needed, kept when idle."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import BoundedSemaphore
from typing import Any, Final, TypeAlias, TypeVar

import psycopg
from psycopg import Connection
from psycopg.pq import TransactionStatus
from psycopg.rows import RowFactory, tuple_row

from leadflow.errors import ConnectionLost, StoreError, StoreUnreachable
from leadflow.persistence.postgres.errors import in_our_words, not_connected
from leadflow.persistence.urls import PostgresURL

T = TypeVar("T")
Row = TypeVar("Row")
AnyConnection: TypeAlias = Connection[tuple[Any, ...]]

CHANNEL: Final = "leadflow_log"
_MOST_IDLE: Final = 4
_MOST_AT_ONCE: Final = 20
_CONNECT_SECONDS: Final = 10


class Connections:
    """All connections of one store. Threads share them; a forked child makes its own."""

    def __init__(self, target: PostgresURL, *, lock_timeout: float) -> None:
        self.target = target
        self.lock_timeout = lock_timeout
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._idle: list[AnyConnection] = []
        self._listening: list[AnyConnection] = []
        self._places = BoundedSemaphore(_MOST_AT_ONCE)

    @contextmanager
    def connection(self) -> Generator[AnyConnection]:
        """A connection in autocommit mode; put back, rolled back, unless it broke."""
        with self._place():
            connection = self._idle.pop() if self._idle else self.connect(tuple_row)
            try:
                with in_our_words(self.target):
                    yield connection
            finally:
                self._put_back(connection)

    @contextmanager
    def begun(self, begin: str) -> Generator[AnyConnection]:
        """A connection in a transaction; an idle one that broke meanwhile is replaced."""
        with self._place():
            connection = self._start(begin)
            try:
                with in_our_words(self.target):
                    yield connection
            finally:
                self._put_back(connection)

    def _start(self, begin: str) -> AnyConnection:
        while True:
            idle = self._idle.pop() if self._idle else None
            connection = idle or self.connect(tuple_row)
            try:
                with in_our_words(self.target):
                    connection.execute(begin.encode())
                return connection
            except ConnectionLost:
                connection.close()
                if idle is None:
                    raise

    @contextmanager
    def _place(self) -> Generator[None]:
        self._check_usable()
        places = self._places
        if not places.acquire(timeout=max(self.lock_timeout, 1)):
            raise StoreError(
                f"{_MOST_AT_ONCE} connections to {self.target.url} are in use in this process"
            )
        try:
            yield
        finally:
            places.release()

    def _put_back(self, connection: AnyConnection) -> None:
        with suppress(psycopg.Error):
            if connection.info.transaction_status != TransactionStatus.IDLE:
                connection.rollback()
        if connection.closed or self._closed or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def persistently(self, use: Callable[[AnyConnection, bool], T]) -> T:
        """Do something with a connection, and when that breaks, again with a new one.

        The function is told whether it is called again: what it did before may have been
        done, or not.

        Raises:
            ConnectionLost: no connection lasted within the time for locks.
        """
        until = time.monotonic() + self.lock_timeout
        pause = 0.01
        lost: ConnectionLost | None = None
        while True:
            try:
                with self.connection() as connection:
                    return use(connection, lost is not None)
            except ConnectionLost as error:
                lost = error
                self._drop_idle()  # they broke with it, when the server was stopped
            except StoreUnreachable:
                if lost is None:
                    raise  # nothing was sent yet
            if time.monotonic() + pause > until:
                raise lost
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    @contextmanager
    def listener(self) -> Generator[AnyConnection]:
        """A connection that is told of every append."""
        self._check_usable()
        connection = self._listening.pop() if self._listening else self.connect(tuple_row)
        try:
            with in_our_words(self.target):
                connection.execute(f"LISTEN {CHANNEL}")
                yield connection
        finally:
            if connection.closed or self._closed:
                connection.close()
            else:
                self._listening.append(connection)

    def connect(self, row_factory: RowFactory[Row]) -> Connection[Row]:
        """A new connection, with what every one of ours is set to."""
        try:
            connection = Connection[Row].connect(
                self.target.conninfo,
                autocommit=True,
                row_factory=row_factory,
                connect_timeout=_CONNECT_SECONDS,
                fallback_application_name="leadflow",
            )
        except psycopg.Error as error:
            raise not_connected(error, self.target) from None
        try:
            with in_our_words(self.target):
                milliseconds = max(1, int(self.lock_timeout * 1000))
                # A commit is on the disk before it is acknowledged, whatever the role is set to.
                connection.execute(
                    "SELECT set_config('lock_timeout', %s, false),"
                    " set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
                    " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)",
                    (f"{milliseconds}ms",),
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError(f"the store {self.target.url} is closed")
        if self._process != os.getpid():
            # After a fork the parent's connections stay open here, unused, for ever.
            _LEFT_TO_PARENT.append([*self._idle, *self._listening])
            self._begin()

    def _drop_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def close(self) -> None:
        if self._closed or self._process != os.getpid():
            return
        self._closed = True
        self._drop_idle()
        while self._listening:
            self._listening.pop().close()


_LEFT_TO_PARENT: Final[list[list[AnyConnection]]] = []
"""Closing them in a child would end the parent's sessions."""
