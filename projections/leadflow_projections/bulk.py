"""Writing a whole read model: as fast as the database takes it, a slice at a time.

Rows of a SQLite file are written by ADBC in a child process, those of PostgreSQL by COPY;
a few rows, and those of a database in memory, over the store's own connection.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from leadflow.errors import StoreError
from leadflow_projections.bulk_child import Job, Target
from leadflow_projections.checkpoints import Build, fence, fence_statement
from leadflow_projections.children import child_running, last_words, sqlite_uri
from leadflow_projections.physical import Row, insert_rows
from leadflow_projections.sql import literal, physical_columns, quoted

if TYPE_CHECKING:
    from io import IOBase
    from subprocess import Popen

    import pyarrow as pa

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Table

IN_PROCESS_ROWS: Final = 10_000
"""Up to so many rows the start of a child costs more than it saves."""

_LOCK_TIMEOUT_MS: Final = 30_000
_FIRST_SLICE: Final = 500
_SLICE_SECONDS: Final = 0.02


class Writer(Protocol):
    """Writes rows at rest into a build's empty table, as long as the build is its owner's."""

    def write(self, build: Build, table: Table, name: str, rows: pa.RecordBatchReader, /) -> None:
        """Write all of them, in order.

        Raises:
            BuildTaken: when somebody else has taken the build over.
        """
        ...


@contextmanager
def bulk_writer(store: Store, rows: int) -> Generator[Writer]:
    """The fastest writer for about so many rows; when the block is left, they are committed."""
    if store.dialect == "postgresql":
        yield _Copying(store)
        return
    uri = sqlite_uri(store, write=True) if rows > IN_PROCESS_ROWS else None
    if uri is None:
        yield _Inserting(store)
        return
    with child_running("leadflow_projections.bulk_child") as child:
        writer = _InChild(child, Target(uri=uri, lock_timeout_ms=_LOCK_TIMEOUT_MS))
        yield writer
        writer.finish()


class _Inserting:
    """Over the store's connection, in short transactions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, build: Build, table: Table, name: str, rows: pa.RecordBatchReader, /) -> None:
        size = _FIRST_SLICE
        for batch in rows:
            done = 0
            while done < batch.num_rows:
                part: list[Row] = [tuple(r.values()) for r in batch.slice(done, size).to_pylist()]
                begun = time.monotonic()
                with self._store.transaction(write=True) as cursor:
                    fence(cursor, self._store.dialect, build)
                    insert_rows(cursor, table, name, part)
                taken = max(time.monotonic() - begun, 1e-6)
                done += size
                size = max(100, round(size * min(4.0, _SLICE_SECONDS / taken)))


class _Copying:
    """By PostgreSQL's COPY, a table in one transaction: writers of the log do not wait for it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, build: Build, table: Table, name: str, rows: pa.RecordBatchReader, /) -> None:
        columns = ", ".join(map(quoted, physical_columns(table)))
        statement = f"COPY {quoted(name)} ({columns}) FROM STDIN (FORMAT csv)"
        with self._store.transaction(write=True) as cursor:
            fence(cursor, self._store.dialect, build)
            copying: Any = cursor
            with copying.copy(statement) as copy:
                for batch in rows:
                    copy.write(_as_csv(batch))


def _as_csv(batch: pa.RecordBatch) -> bytes:
    """Null as nothing, an empty text as a pair of quotes: as PostgreSQL reads them.

    Its texts cannot hold the NUL character, which JSON texts may.
    """
    from pyarrow import csv

    sink = BytesIO()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    return sink.getvalue().replace(b"\0", b"")


class _InChild:
    """By ADBC in a child process."""

    def __init__(self, child: Popen[bytes], target: Target) -> None:
        self._child = child
        assert child.stdin is not None
        self._pipe = child.stdin
        self._send(target)

    def write(self, build: Build, _: Table, name: str, rows: pa.RecordBatchReader, /) -> None:
        import pyarrow as pa

        job = Job(table=name, fence=_fence_statement(build))
        self._send(job)
        try:
            with pa.ipc.new_stream(
                pa.PythonFile(cast("IOBase", self._pipe), "w"), rows.schema
            ) as stream:
                for batch in rows:
                    cast("Any", stream).write_batch(batch)
            self._pipe.flush()
        except (pa.ArrowException, OSError) as error:
            raise self._failed() from error

    def finish(self) -> None:
        """Wait until everything is committed."""
        try:
            self._pipe.close()
        except OSError as error:
            raise self._failed() from error
        if self._child.wait() != 0:
            raise self._failed()

    def _send(self, message: Target | Job) -> None:
        try:
            self._pipe.write(json.dumps(message).encode() + b"\n")
            self._pipe.flush()
        except OSError as error:
            raise self._failed() from error

    def _failed(self) -> StoreError:
        return StoreError(
            f"the process that writes the read model failed: {last_words(self._child)}",
            hint="Run the command again; what readers see has not changed.",
        )


def _fence_statement(build: Build) -> str:
    """The child's way to see that the build is still its parent's; constants only."""
    statement, values = fence_statement(build)
    for value in values:
        statement = statement.replace("?", literal(value), 1)
    return statement
