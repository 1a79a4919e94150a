"""Connections to one SQLite file: one that writes, and as many that read as are needed."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock, get_ident
from typing import Final, Literal
from urllib.parse import quote

from leadflow.errors import StoreError
from leadflow.persistence import sqlite_guard
from leadflow.persistence.sqlite.errors import in_our_words, is_busy, lock_holder, locked, read_only

Access = Literal["write", "read", "immutable"]

_MOST_IDLE_READERS: Final = 8
_CHECKPOINT_PAGES: Final = 4_000
_WAL_LIMIT_BYTES: Final = 64 * 1024 * 1024
_WRITER_CACHE_KIB: Final = 64 * 1024
_READER_CACHE_KIB: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """Where the database is, and what may be done there."""

    file: Path | None
    """Absolute; None in memory."""
    access: Access
    shown: str
    """As messages name it."""

    def uri(self) -> str:
        if self.file is None:
            return ":memory:"
        mode = "rw" if self.access == "write" else "ro"
        extra = "&immutable=1" if self.access == "immutable" else ""
        return f"file:{quote(str(self.file))}?mode={mode}{extra}"


class Connections:
    """All connections of one store. Threads share them; a forked child makes its own."""

    def __init__(self, place: Place, *, lock_timeout: float) -> None:
        self.place = place
        self.lock_timeout = lock_timeout
        self._closed = False
        self._begin()
        self._guarded = sqlite_guard.register(place.file) if place.file else None

    def _begin(self) -> None:
        self._process = os.getpid()
        self._write_lock = RLock()
        self._writer: sqlite3.Connection | None = None
        self._writing_thread: int | None = None
        self._idle: list[sqlite3.Connection] = []

    # Reading

    @contextmanager
    def reader(self) -> Generator[sqlite3.Connection]:
        """A connection for one statement; several see several snapshots."""
        self._check_usable()
        if self.place.file is None:
            with self._write_lock, in_our_words(self.place.shown):
                yield self._the_writer()
            return
        with in_our_words(self.place.shown):
            connection = self._idle.pop() if self._idle else self._connect(writes=False)
            try:
                yield connection
            finally:
                self._put_back(connection)

    @contextmanager
    def snapshot(self) -> Generator[sqlite3.Connection]:
        """A read transaction: all statements see the same moment of the store."""
        with self.reader() as connection:
            if connection.in_transaction:  # in memory, within this thread's own transaction
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                if connection.in_transaction:
                    connection.rollback()

    def _put_back(self, connection: sqlite3.Connection) -> None:
        if connection.in_transaction:
            connection.rollback()
        if self._closed or len(self._idle) >= _MOST_IDLE_READERS:
            connection.close()
        else:
            self._idle.append(connection)

    # Writing

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """A write transaction, begun with the lock; committed unless an error leaves it."""
        self._check_usable()
        if self.place.access != "write":
            raise read_only(self.place.shown)
        if not self._write_lock.acquire(timeout=self.lock_timeout):
            who = "another thread of this process"
            raise locked(self.place.shown, self.lock_timeout, who)
        try:
            if self._writing_thread == get_ident():
                raise StoreError("a write transaction of this store is open in this thread already")
            with in_our_words(self.place.shown):
                connection = self._the_writer()
                self._begin_immediate(connection)
                self._writing_thread = get_ident()
                try:
                    yield connection
                    self.commit(connection)
                finally:
                    self._writing_thread = None
                    if connection.in_transaction:
                        connection.rollback()
        finally:
            self._write_lock.release()

    def commit(self, connection: sqlite3.Connection) -> None:
        """End a write transaction; once this returns, it is on the disk."""
        connection.execute("COMMIT")

    def _begin_immediate(self, connection: sqlite3.Connection) -> None:
        """Take the write lock, trying again until the time is up.

        SQLite's own busy handler sleeps up to 100 ms between tries, and among many writers
        some starve; short random pauses are fair enough.
        """
        until = time.monotonic() + self.lock_timeout
        pause = 0.000_5
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if not is_busy(error):
                    raise
                if time.monotonic() >= until:
                    who = lock_holder(self.place.file)
                    raise locked(self.place.shown, self.lock_timeout, who) from None
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 1.5, 0.01)

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the file and empty it; False when readers prevent it."""
        if self.place.file is None:
            return True
        with self._write_lock, in_our_words(self.place.shown):
            busy, _, _ = self._the_writer().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    def _the_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = self._connect(writes=True)
        return self._writer

    # Opening and closing

    def _connect(self, *, writes: bool) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.place.uri(),
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            # The writer waits by itself, see _begin_immediate.
            timeout=0 if writes else self.lock_timeout,
        )
        try:
            for pragma in self._pragmas(writes=writes):
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection

    def _pragmas(self, *, writes: bool) -> list[str]:
        if not writes or self.place.access != "write":
            return ["PRAGMA query_only = ON", f"PRAGMA cache_size = -{_READER_CACHE_KIB}"]
        return [
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",  # a commit is on the disk before it is acknowledged
            "PRAGMA fullfsync = ON",  # which takes more than fsync on macOS
            "PRAGMA secure_delete = ON",  # an erased key's bytes are overwritten
            f"PRAGMA cache_size = -{_WRITER_CACHE_KIB}",
            f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}",
            f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}",
        ]

    def _check_usable(self) -> None:
        if self._closed:
            raise StoreError(f"the store {self.place.shown} is closed")
        if self._process != os.getpid():
            self._leave_to_parent()

    def _leave_to_parent(self) -> None:
        """After a fork: the parent's connections stay open here, unused, for ever."""
        _LEFT_TO_PARENT.append((self._writer, *self._idle))
        if self.place.file is None:
            raise StoreError("a store in memory cannot be used in a forked process")
        self._begin()
        self._guarded = sqlite_guard.register(self.place.file)

    def close(self) -> None:
        if self._closed or self._process != os.getpid():
            return
        self._closed = True
        with self._write_lock:
            connections = [c for c in (self._writer, *self._idle) if c is not None]
            self._writer = None
            self._idle.clear()
            for connection in connections:
                with suppress(sqlite3.Error):
                    connection.close()
        if self._guarded is not None:
            sqlite_guard.unregister(self._guarded)


_LEFT_TO_PARENT: Final[list[tuple[sqlite3.Connection | None, ...]]] = []
"""Closing them in a child could delete the write-ahead log under the parent."""
