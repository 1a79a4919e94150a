"""The child process that reads a log by ADBC and streams it to its parent as Arrow IPC.

`python -m leadflow_projections.log_child` reads one line of JSON from stdin (a `Source`;
it may hold a password, so it is no argument) and writes the stream to stdout. It imports
little, since its start is part of every rebuild.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, cast

from leadflow_projections.adbc import adbc_connection
from leadflow_projections.children import say_peak

if TYPE_CHECKING:
    from io import IOBase

    import pyarrow as pa

BATCH_ROWS: Final = 15_360
"""A fifth of what is folded at once."""
_BATCHES: Final = {
    "sqlite": {"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)},
    # About as many; the driver's own measure would be a third of a piece that is folded.
    "postgresql": {"adbc.postgresql.batch_size_hint_bytes": str(6 << 20)},
}
_RANGE: Final = 245_760
"""Positions read by one statement: a longer read would keep SQLite's write-ahead log long."""


class Source(TypedDict):
    """What to read: a SQLite URI or a PostgreSQL connection string, and which positions."""

    dialect: Literal["sqlite", "postgresql"]
    uri: str
    after: int
    end: int


def main() -> None:
    """Stream what the line on stdin asks for; a failure is one line on stderr and exit 1."""
    import pyarrow as pa

    source: Source = json.loads(sys.stdin.readline())
    writer: Any = None
    try:
        with pa.PythonFile(cast("IOBase", sys.stdout.buffer), "w") as sink:
            for batch in batches(source):
                writer = writer or pa.ipc.new_stream(sink, batch.schema)
                writer.write_batch(batch)
            if writer is not None:
                writer.close()
        say_peak()
    except BrokenPipeError:
        sys.stderr.close()  # the reader has what it wants
        sys.exit(0)


def batches(source: Source) -> Iterator[pa.RecordBatch]:
    """The log's rows, by ADBC: only for processes that never open the file otherwise."""
    import pyarrow as pa

    options = _BATCHES[source["dialect"]]
    with adbc_connection(source["dialect"], source["uri"]) as connection:
        first = source["after"] + 1
        while first <= source["end"]:
            last = min(first + _RANGE - 1, source["end"])
            with connection.statement() as statement:
                statement.set_options(**options)
                statement.set_sql_query(_SELECT[source["dialect"]].format(first=first, last=last))
                stream, _ = statement.execute_query()
                with pa.RecordBatchReader.from_stream(stream) as reader:
                    yield from reader
            first = last + 1


_COLUMNS: Final = "position, {id}, originator_version, topic, state, recorded_at"
_WHERE: Final = " FROM stored_events WHERE position BETWEEN {first} AND {last} ORDER BY position"
_SELECT: Final = {
    "sqlite": "SELECT " + _COLUMNS.replace("{id}", "originator_id") + _WHERE,
    "postgresql": "SELECT "
    + _COLUMNS.replace("{id}", "originator_id::text AS originator_id").replace(
        "originator_version", "originator_version::bigint AS originator_version"
    )
    + _WHERE,
}


if __name__ == "__main__":
    main()
