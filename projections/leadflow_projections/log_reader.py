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

from leadflow.errors import LogCorrupt, StoreError
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

    Without `upto` it ends where the log ends at the start. A child is started at once, so
    that it works while its reader gets ready. Leaving the block early stops the reading;
    nothing is left running.

    What reading the batches may raise:
        LogCorrupt: an event is missing.
        StoreError: the log cannot be read.
    """
    end = store.head().position
    end = end if upto is None else min(end, upto)
    source = _source(store, after, end) if end - after > IN_PROCESS_EVENTS else None
    if source is None:
        yield whole(_pages(store, after, end), after, end)
        return
    with child_running("leadflow_projections.log_child") as child:
        _ask(child, source)
        yield whole(_from_child(child, source), after, end)


def whole(batches: Iterator[pa.RecordBatch], after: int, end: int) -> Iterator[pa.RecordBatch]:
    """The batches, which must have every position of the range."""
    for batch in batches:
        check_whole(cast("Any", batch.column("position")).to_numpy(), after)
        yield batch
        after += batch.num_rows
    if after < end:
        raise missing_event(after + 1)


def check_whole(positions: Sequence[int], after: int) -> None:
    """See that these ascending positions are those that come after one, without a gap.

    Raises:
        LogCorrupt: naming the first position from which on some event is missing.
    """
    if len(positions) == 0 or positions[0] != after + 1 or positions[-1] != after + len(positions):
        raise missing_event(after + 1)


def missing_event(position: int) -> LogCorrupt:
    """The error of a log that has lost an event at a position or soon after it."""
    return LogCorrupt(
        f"the log has not every event from position {position} on",
        position=position,
        hint="`leadflow log verify` names the first that is missing or altered.",
    )


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


def _ask(child: Popen[bytes], source: Source) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(source).encode() + b"\n")
        child.stdin.close()
    except OSError as error:
        raise _failed(child, source["after"]) from error


def _from_child(child: Popen[bytes], source: Source) -> Generator[pa.RecordBatch]:
    import pyarrow as pa

    reached = source["after"]
    try:
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
