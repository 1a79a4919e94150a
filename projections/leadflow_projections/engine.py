"""One place that opens DuckDB: bounded memory, a temporary folder of its own, no downloads."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_LIMIT = "512MB"


@contextmanager
def with_fewer_threads(connection: DuckDBPyConnection) -> Generator[None]:
    """Leave a core to other work that goes on beside the engine's, within the block."""
    ((threads,),) = connection.execute("SELECT current_setting('threads')").fetchall()
    connection.execute(f"SET threads = {max(1, int(threads) - 1)}")
    try:
        yield
    finally:
        connection.execute(f"SET threads = {int(threads)}")


@contextmanager
def open_engine(
    *, memory_limit: str = MEMORY_LIMIT, threads: int | None = None
) -> Generator[DuckDBPyConnection]:
    """An empty in-memory DuckDB; what it spills goes to a folder that is removed at the end.

    Args:
        memory_limit: what its buffers may hold before they spill, as DuckDB writes it.
        threads: how many to use; None means one per core.
    """
    import duckdb

    with TemporaryDirectory(prefix="leadflow-") as folder:
        config: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": folder,
            "memory_limit": memory_limit,
            "preserve_insertion_order": False,
        }
        if threads is not None:
            config["threads"] = threads
        connection = duckdb.connect(":memory:", config=config)
        try:
            # Else it writes to stdout, wherever it takes itself to be used by hand.
            connection.execute("SET enable_progress_bar = false")
            yield connection
        finally:
            connection.close()
