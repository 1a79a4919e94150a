"""Reading the log by columns: Arrow record batches, in order of position.

A short range comes over the store's own connection. A long one of a SQLite file is read
by ADBC, which must never be in one process with `sqlite3` on one file, so a child process
reads it and streams Arrow IPC through a pipe; the pipe's size is the backpressure.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from leadflow.errors import StoreError
from leadflow_projections.children import child_running, last_words, sqlite_uri
from leadflow_projections.log_child import Source

if TYPE_CHECKING:
    from io import IOBase
    from subprocess import Popen

    import pyarrow as pa

    from leadflow.persistence.postgres.store import PostgresStore
    from leadflow.persistence.store import Cursor, Store

IN_PROCESS_EVENTS: Final = 20_000
"""Up to so many events the start of a child costs more than it saves."""

_PAGE: Final = 5_000


def log_schema() -> pa.Schema:
    """The columns of a log batch; `recorded_at` in microseconds since the epoch."""
    import pyarrow as pa

    columns: list[tuple[str, pa.DataType]] = [
        ("position", pa.int64()),
        ("originator_id", pa.string()),
        ("originator_version", pa.int64()),
        ("topic", pa.string()),
        ("state", pa.binary()),
        ("recorded_at", pa.int64()),
    ]
    return pa.schema(columns)


@contextmanager
def open_log(
    store: Store, *, after: int = 0, upto: int | None = None
) -> Generator[Iterator[pa.RecordBatch]]:
    """The log's events after a position, up to and with another, as record batches.

    Without `upto` it ends where the log ends at the start. Leaving the block early stops
    the reading; nothing is left running.
    """
    end = store.head().position
    end = end if upto is None else min(end, upto)
    source = _source(store, after, end) if end - after > IN_PROCESS_EVENTS else None
    batches = _pages(store, after, end) if source is None else _in_child(source)
    try:
        yield batches
    finally:
        batches.close()


def in_chunks(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Gather batches into tables of at least so many rows; the last may be smaller."""
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        gathered.append(batch)
        if sum(part.num_rows for part in gathered) >= rows:
            yield _emptied(gathered)
    if gathered:
        yield _emptied(gathered)


def _emptied(gathered: list[pa.RecordBatch]) -> pa.Table:
    """The batches as a table, which nothing else holds while its taker works on it."""
    import pyarrow as pa

    table = pa.Table.from_batches(gathered)
    gathered.clear()
    return table


def read_log(store: Store, *, after: int = 0, upto: int | None = None) -> pa.RecordBatchReader:
    """The same as one Arrow reader, for engines that pull for themselves; read it to its end."""
    import pyarrow as pa

    def batches() -> Generator[pa.RecordBatch]:
        with open_log(store, after=after, upto=upto) as log:
            yield from log

    return pa.RecordBatchReader.from_batches(log_schema(), batches())


def batch_of(rows: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    """Rows of the log, in the columns of `log_schema`, as one record batch."""
    import pyarrow as pa

    schema = log_schema()
    columns: list[Sequence[Any]] = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.record_batch(dict(zip(schema.names, columns, strict=True)), schema=schema)


def log_rows(cursor: Cursor, dialect: str, after: int, end: int) -> list[Sequence[Any]]:
    """The log's rows after a position, up to and with another, over a store's cursor."""
    cursor.execute(_SELECT[dialect], (after, end))
    rows: list[Sequence[Any]] = cursor.fetchall()
    return rows


_SELECT: Final = {
    "sqlite": (
        "SELECT position, originator_id, originator_version, topic, state, recorded_at "
        "FROM stored_events WHERE position > ? AND position <= ? ORDER BY position"
    ),
    "postgresql": (
        "SELECT position, originator_id::text, originator_version, topic, state, recorded_at "
        "FROM stored_events WHERE position > %s AND position <= %s ORDER BY position"
    ),
}


def _pages(store: Store, after: int, end: int) -> Generator[pa.RecordBatch]:
    while after < end:
        upto = min(after + _PAGE, end)
        with store.transaction(write=False) as cursor:
            rows = log_rows(cursor, store.dialect, after, upto)
        yield batch_of(rows)
        after = upto


def _source(store: Store, after: int, end: int) -> Source | None:
    """What a child would read of this store; None where only this process can read it."""
    if store.dialect == "postgresql":
        uri: str | None = cast("PostgresStore", store).dsn
    else:
        uri = sqlite_uri(store, write=False)
    if uri is None:
        return None
    return Source(dialect=store.dialect, uri=uri, after=after, end=end)


def _in_child(source: Source) -> Generator[pa.RecordBatch]:
    """Start a child that reads the log; the generator's end, or `close`, ends the child."""
    import pyarrow as pa

    with child_running("leadflow_projections.log_child") as child:
        reached = source["after"]
        try:
            assert child.stdin is not None
            child.stdin.write(json.dumps(source).encode() + b"\n")
            child.stdin.close()
            with pa.ipc.open_stream(cast("IOBase", child.stdout)) as stream:
                for batch in stream:
                    yield batch
                    reached += batch.num_rows  # positions are gapless
        except (pa.ArrowException, OSError) as error:
            raise _failed(child, reached) from error
        if child.wait() != 0:
            raise _failed(child, reached)


def _failed(child: Popen[bytes], reached: int) -> StoreError:
    return StoreError(
        f"the process that reads the log failed after position {reached}: {last_words(child)}",
        hint="Run the command again; nothing that it had begun is in use.",
    )
