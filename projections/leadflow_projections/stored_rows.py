"""Reading whole read models by columns, with their checkpoints, in one snapshot of the store."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from leadflow.errors import StoreError
from leadflow_projections.children import child_running, last_words, sqlite_uri
from leadflow_projections.log_reader import IN_PROCESS_EVENTS
from leadflow_projections.rows_child import BATCH_ROWS, Queries
from leadflow_projections.sql import physical_columns, quoted

if TYPE_CHECKING:
    from io import IOBase
    from subprocess import Popen

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.postgres.store import PostgresStore
    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Table

Kind = Literal["text", "integer", "boolean"]

_IN_ENGINE: Final[Mapping[Kind, str]] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Rows to be taken from the store, and the engine's table that they are put into."""

    into: str
    source: str
    """What stands behind FROM; constants only."""
    columns: Mapping[str, Kind]


def at_rest_columns(table: Table) -> dict[str, Kind]:
    """The columns of a stored table, as they are kept at rest."""
    kinds: dict[str, Kind] = {"BIGINT": "integer", "BOOLEAN": "boolean"}
    return {name: kinds.get(kind, "text") for name, kind in physical_columns(table).items()}


def take_snapshot(store: Store, engine: DuckDBPyConnection, wanted: Sequence[Wanted]) -> None:
    """Take all of these rows, as they are at one moment, into tables of the engine.

    Raises:
        StoreError: they cannot be read.
    """
    uri = _uri(store) if store.head().position > IN_PROCESS_EVENTS else None
    if uri is None:
        with store.transaction(write=False) as cursor:
            for each in wanted:
                cursor.execute(_select(store.dialect, each))
                _put(engine, each, _fetched(cursor, each))
        return
    selects = [_select(store.dialect, each, by_adbc=True) for each in wanted]
    with child_running("leadflow_projections.rows_child") as child:
        _ask(child, Queries(dialect=store.dialect, uri=uri, queries=selects))
        for each in wanted:
            _take(child, engine, each, has_sample=store.dialect == "sqlite")
        if child.wait() != 0:
            raise _failed(child)


def _uri(store: Store) -> str | None:
    if store.dialect == "postgresql":
        return cast("PostgresStore", store).dsn
    return sqlite_uri(store, write=False)


def _select(dialect: str, wanted: Wanted, *, by_adbc: bool = False) -> str:
    columns = ", ".join(_read(dialect, name, kind) for name, kind in wanted.columns.items())
    select = f"SELECT {columns} FROM {wanted.source}"
    if dialect == "sqlite" and by_adbc:
        # ADBC takes a column's type from the first rows, in which it may be null throughout.
        samples = {"text": "''", "integer": "0", "boolean": "0"}
        return f"SELECT {', '.join(samples[k] for k in wanted.columns.values())} UNION ALL {select}"
    return select


def _read(dialect: str, name: str, kind: Kind) -> str:
    column = quoted(name)
    if dialect == "sqlite":
        return column
    return f"{column}::text AS {column}" if kind == "text" else column


def _fetched(cursor: Any, wanted: Wanted) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    types = {"text": pa.string(), "integer": pa.int64(), "boolean": pa.int64()}
    while rows := cursor.fetchmany(BATCH_ROWS):
        arrays: dict[str, Any] = {}
        for (name, kind), column in zip(
            wanted.columns.items(), zip(*rows, strict=True), strict=True
        ):
            if kind == "text":
                texts = [None if value is None else str(value) for value in column]
                arrays[name] = pa.array(texts, pa.string())
            else:
                numbers = [None if value is None else int(value) for value in column]
                arrays[name] = pa.array(numbers, types[kind])
        yield pa.record_batch(arrays)


def _ask(child: Popen[bytes], queries: Queries) -> None:
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(queries).encode() + b"\n")
        child.stdin.close()
    except OSError as error:
        raise _failed(child) from error


def _take(
    child: Popen[bytes], engine: DuckDBPyConnection, wanted: Wanted, *, has_sample: bool
) -> None:
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(cast("IOBase", child.stdout)) as stream:
            _put(engine, wanted, _without_sample(stream) if has_sample else iter(stream))
    except (pa.ArrowException, OSError) as error:
        raise _failed(child) from error


def _without_sample(batches: pa.RecordBatchReader) -> Generator[pa.RecordBatch]:
    sample = 1
    for batch in batches:
        yield batch.slice(sample)
        sample = 0


def _put(engine: DuckDBPyConnection, wanted: Wanted, batches: Iterator[pa.RecordBatch]) -> None:
    """Make the engine's table of the batches, whose columns have the order asked for."""
    into = quoted(wanted.into)
    declared = ", ".join(f"{quoted(n)} {_IN_ENGINE[k]}" for n, k in wanted.columns.items())
    engine.execute(f"CREATE OR REPLACE TABLE {into} ({declared})")
    for batch in batches:
        if batch.num_rows == 0:
            continue
        named = batch.rename_columns(list(wanted.columns))
        engine.register("incoming", named)
        values = ", ".join(
            f"CAST({quoted(n)} AS {_IN_ENGINE[k]})" for n, k in wanted.columns.items()
        )
        engine.execute(f"INSERT INTO {into} SELECT {values} FROM incoming")
        engine.unregister("incoming")


def _failed(child: Popen[bytes]) -> StoreError:
    return StoreError(
        f"the process that reads the read models failed: {last_words(child)}",
        hint="Run the command again; `leadflow projections status` shows the builds there are.",
    )
