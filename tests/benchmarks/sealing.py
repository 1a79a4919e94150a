"""Sealing the log as columns, and the past read from them, against the same from the log."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.archive.operating import archive_of, seal_log, twin_status
from leadflow_projections.archive.verifying import verify_twin
from leadflow_projections.metrics.reading import read_funnel
from leadflow_projections.moments import moment
from tests.benchmarks.figures import Figure

ROUNDS = 5


def measure(folder: Path) -> list[Figure]:
    """Seal `generated.db` in the folder anew, and ask for a funnel of the past."""
    file = folder / "generated.db"
    with open_store(f"sqlite:///{file}") as store:
        shutil.rmtree(archive_of(store).folder, ignore_errors=True)
        as_of = _middle(store)
        from_log = _timed(lambda: read_funnel(store, as_of=as_of))
        begun = time.perf_counter()
        events = seal_log(store).events
        sealing = events / (time.perf_counter() - begun)
        from_twin = median(_timed(lambda: read_funnel(store, as_of=as_of)) for _ in range(ROUNDS))
        begun = time.perf_counter()
        verified = verify_twin(store, archive_of(store))
        assert verified.events == events
        assert not verified.differences
        verifying = events / (time.perf_counter() - begun)
        size = twin_status(store).size_bytes
    return [
        Figure("sealing the log, SQLite", sealing, "events/s", note=f"{events:,} events"),
        Figure(
            "size of the sealed log",
            size / 1e6,
            "MB",
            "the SQLite file",
            file.stat().st_size / 1e6,
            f"{size / events:.0f} bytes an event",
        ),
        Figure("verifying the archive, event by event", verifying, "events/s"),
        Figure(
            "funnel as of a past day, from the archive",
            from_twin,
            "s",
            "from the log alone",
            from_log,
            f"{events:,} events; without the program's start; median of {ROUNDS}",
        ),
    ]


def _middle(store: Store) -> datetime:
    """A day half a year before the log's end."""
    last = store.events_at(store.head().position, 1)[0]
    return min(moment(last.recorded_at), datetime.now(UTC)) - timedelta(days=180)


def _timed(read: Callable[[], object]) -> float:
    begun = time.perf_counter()
    read()
    return time.perf_counter() - begun
