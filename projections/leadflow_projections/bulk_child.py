"""The child process that writes rows into a SQLite store by ADBC, while its parent makes them.

`python -m leadflow_projections.bulk_child` reads from stdin one line of JSON that says where
(`Target`), then for each table one line (`Job`) and an Arrow IPC stream of its rows. Rows
are committed in slices, so that nobody waits long for the write lock.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Final, TypedDict, cast

from leadflow_projections.adbc import Connection, adbc_connection
from leadflow_projections.children import say_peak

if TYPE_CHECKING:
    from io import IOBase

    import pyarrow as pa

_FIRST_SLICE: Final = 500
_LEAST_SLICE: Final = 100
_MOST_SLICE: Final = 50_000
_SLICE_SECONDS: Final = 0.02
"""What a slice should take under the write lock."""


class Target(TypedDict):
    """The SQLite database, and how long to wait for its write lock."""

    uri: str
    lock_timeout_ms: int


class Job(TypedDict):
    """A table, and the statement that changes one row as long as the parent may write it."""

    table: str
    fence: str


def main() -> None:
    """Write what comes on stdin; a failure is one line on stderr and exit 1."""
    import pyarrow as pa

    target: Target = json.loads(sys.stdin.buffer.readline())
    with adbc_connection("sqlite", target["uri"]) as connection:
        connection.execute(f"PRAGMA busy_timeout = {target['lock_timeout_ms']}")
        # Slices may be lost with the power, the last ones first; the parent's checkpoint,
        # which makes the rows count, is synchronous and takes all before it along.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.begin_by_hand()
        size = _FIRST_SLICE
        while line := sys.stdin.buffer.readline():
            job: Job = json.loads(line)
            rows = pa.PythonFile(cast("IOBase", sys.stdin.buffer), "r")
            with pa.ipc.open_stream(rows) as stream:
                for batch in stream:
                    size = _write(connection, job, batch, size)
    say_peak()


def _write(connection: Connection, job: Job, batch: pa.RecordBatch, size: int) -> int:
    """Commit a batch slice by slice; gives the size that the next slice should have."""
    import pyarrow as pa

    done = 0
    while done < batch.num_rows:
        rows = batch.slice(done, size)
        begun = time.monotonic()
        connection.execute(job["fence"])
        if connection.number("SELECT changes()") != 1:
            connection.roll_back()
            sys.exit("another process has taken the build over")
        connection.append(job["table"], pa.RecordBatchReader.from_batches(rows.schema, [rows]))
        connection.commit()
        taken = max(time.monotonic() - begun, 1e-6)
        done += rows.num_rows
        ideal = round(size * min(4.0, _SLICE_SECONDS / taken))
        size = max(_LEAST_SLICE, min(_MOST_SLICE, ideal))
    return size


if __name__ == "__main__":
    main()
