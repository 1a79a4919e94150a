"""The child process that reads rows of read models by ADBC, all in one snapshot.

`python -m leadflow_projections.rows_child` reads one line of JSON from stdin (`Queries`) and
writes to stdout one Arrow IPC stream for each query, one after the other.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, cast

from leadflow_projections.adbc import Connection, adbc_connection
from leadflow_projections.children import say_peak

if TYPE_CHECKING:
    from io import IOBase

BATCH_ROWS: Final = 16_384


class Queries(TypedDict):
    """Statements to run in one snapshot; the database is named as in `log_child.Source`."""

    dialect: Literal["sqlite", "postgresql"]
    uri: str
    queries: list[str]


def main() -> None:
    """Answer what the line on stdin asks; a failure is one line on stderr and exit 1."""
    import pyarrow as pa

    asked: Queries = json.loads(sys.stdin.readline())
    with (
        adbc_connection(asked["dialect"], asked["uri"]) as connection,
        pa.PythonFile(cast("IOBase", sys.stdout.buffer), "w") as sink,
    ):
        connection.begin_by_hand()
        if asked["dialect"] == "postgresql":
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for query in asked["queries"]:
            _answer(connection, asked["dialect"], query, sink)
        connection.roll_back()
        sys.stdout.flush()
    say_peak()


def _answer(connection: Connection, dialect: str, query: str, sink: Any) -> None:
    import pyarrow as pa

    with connection.statement() as statement:
        if dialect == "sqlite":
            statement.set_options(**{"adbc.sqlite.query.batch_rows": str(BATCH_ROWS)})
        statement.set_sql_query(query)
        stream, _ = statement.execute_query()
        with (
            pa.RecordBatchReader.from_stream(stream) as reader,
            pa.ipc.new_stream(sink, reader.schema) as answer,
        ):
            for batch in reader:
                cast("Any", answer).write_batch(batch)


if __name__ == "__main__":
    main()
