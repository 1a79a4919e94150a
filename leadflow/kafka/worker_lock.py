"""One ingest worker for a SQLite store: a second would only wait for the first's lock."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from leadflow.errors import LeadflowError
from leadflow.persistence.store import Store

SUFFIX: Final = ".ingest"


class WorkerRunning(LeadflowError):
    """Another worker ingests into this SQLite store."""

    code = "worker_running"


@contextmanager
def only_worker(store: Store) -> Generator[None]:
    """Be the one worker of a SQLite store; on PostgreSQL there may be many.

    The lock is the operating system's, on a file beside the store, so that it ends with the
    process, however that ends.

    Raises:
        WorkerRunning: there is another.
    """
    path: Path | None = getattr(store, "path", None)
    if store.dialect != "sqlite" or path is None:
        yield
        return
    import fcntl

    beside = path.with_name(path.name + SUFFIX)
    descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise WorkerRunning(
                f"another worker, process {pid}, ingests into {store.url}",
                hint="SQLite takes one; for several at once keep the store in PostgreSQL.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
