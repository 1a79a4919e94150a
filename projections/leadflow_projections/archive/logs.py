"""The log as sealing reads it: over an open store, or in a child process by ADBC alone."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal, Protocol

from leadflow_projections.adbc import adbc_connection
from leadflow_projections.archive.twin import Chain
from leadflow_projections.log_child import Source, batches
from leadflow_projections.log_reader import open_log, whole

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from leadflow.persistence.store import Store


class SealableLog(Chain, Protocol):
    """What sealing needs of a log."""

    def open(self, after: int, upto: int) -> AbstractContextManager[Iterator[pa.RecordBatch]]:
        """The events after a position, up to and with another, in order."""
        ...


class StoreLog:
    """The log of an open store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def end(self) -> int:
        return self._store.head().position

    def hashes(self, positions: Sequence[int]) -> Mapping[int, str]:
        with self._store.transaction(write=False) as cursor:
            cursor.execute(hashes_select(positions))
            return {int(position): bytes(digest).hex() for position, digest in cursor.fetchall()}

    @contextmanager
    def open(self, after: int, upto: int) -> Generator[Iterator[pa.RecordBatch]]:
        with open_log(self._store, after=after, upto=upto) as log:
            yield log


class ChildLog:
    """The log in a child process that opens the database by ADBC and by nothing else."""

    def __init__(self, dialect: Literal["sqlite", "postgresql"], uri: str) -> None:
        self._dialect: Literal["sqlite", "postgresql"] = dialect
        self._uri = uri

    def end(self) -> int:
        with adbc_connection(self._dialect, self._uri) as connection:
            return connection.number("SELECT position FROM log_head")

    def hashes(self, positions: Sequence[int]) -> Mapping[int, str]:
        with adbc_connection(self._dialect, self._uri) as connection:
            rows = connection.rows(hashes_select(positions))
        return {int(position): bytes(digest).hex() for position, digest in rows}

    @contextmanager
    def open(self, after: int, upto: int) -> Generator[Iterator[pa.RecordBatch]]:
        source = Source(dialect=self._dialect, uri=self._uri, after=after, end=upto)
        yield whole(batches(source), after, upto)


def file_of(store: Store) -> Path | None:
    """The store's file, whose permissions a twin gets; None where there is none."""
    path: Path | None = getattr(store, "path", None)
    return path


def hashes_select(positions: Sequence[int]) -> str:
    """The statement that gives the log's hash at positions."""
    wanted = ", ".join(str(int(position)) for position in positions) or "0"
    return f"SELECT position, hash FROM stored_events WHERE position IN ({wanted})"
