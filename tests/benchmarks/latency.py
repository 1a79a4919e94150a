"""Append to visible: how soon a recorded event is in the read model, while projections run.

One event at a time, on a quiet log; the same while a rebuild and sealing go on; and the lag
under a steady 2,000 events a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from uuid import UUID, uuid4

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Store
from leadflow_projections.checkpoints import all_builds
from tests.benchmarks.figures import Figure
from tests.contract.making import captured, engaged
from tests.integration.projections.many import record_many
from tests.postgres import PostgresServer

EVENTS = 300
STEADY_PER_SECOND = 2_000
STEADY_SECONDS = 10
BATCH = 20


def measure_both(folder: Path) -> list[Figure]:
    """On SQLite in a folder, and on a PostgreSQL server of its own that waits for the disk."""
    sqlite = measure(f"sqlite:///{folder}/latency.db", "SQLite")
    os.environ["LEADFLOW_KEY_FILE"] = str(folder / "latency-postgres.key")
    os.environ["LEADFLOW_ARCHIVE"] = str(folder / "latency-postgres.archive")
    with tempfile.TemporaryDirectory(prefix="leadflow-bench-postgres-") as name:
        server = PostgresServer(Path(name), durable=True)
        try:
            server.start()
            return sqlite + measure(server.url, "PostgreSQL")
        finally:
            server.stop()
            del os.environ["LEADFLOW_KEY_FILE"], os.environ["LEADFLOW_ARCHIVE"]


def measure(url: str, name: str, *, leads: int = 50_000) -> list[Figure]:
    """The figures on an empty store at this URL; `leads`: of the log that is rebuilt beside it."""
    with open_store(url, create=True) as store:
        record_many(store, leads=leads)
        with _running(url, "run"):
            _wait_until_followed(store)
            quiet = _latencies(store, EVENTS)
            with _running(url, "rebuild", again=True), _running(url, "archive", again=True):
                beside = _latencies(store, EVENTS)
            lags = _lags(store)
    return [
        *_figures(f"append to visible, {name}", quiet),
        *_figures(f"append to visible beside a rebuild and sealing, {name}", beside),
        Figure(
            f"lag under {STEADY_PER_SECOND:,} events/s, {name}",
            lags[-1],
            "events",
            note=f"most in the first half {max(lags[: len(lags) // 2]):,}, in the second "
            f"{max(lags[len(lags) // 2 :]):,}, over {STEADY_SECONDS} s",
        ),
    ]


def _figures(name: str, seconds: list[float]) -> list[Figure]:
    ordered = sorted(seconds)
    note = f"{len(ordered)} events, one at a time; longest {ordered[-1] * 1000:.0f} ms"
    return [
        Figure(f"{name}, p50", ordered[len(ordered) // 2] * 1000, "ms", note=note),
        Figure(f"{name}, p99", ordered[len(ordered) * 99 // 100] * 1000, "ms"),
    ]


def _latencies(store: Store, events: int) -> list[float]:
    """Seconds from each append's acknowledgement until the board shows the lead."""
    found: list[float] = []
    for _ in range(events):
        lead = uuid4()
        store.append(Append(events=[captured(lead)]))
        begun = time.perf_counter()
        while not _is_shown(store, lead):
            time.sleep(0.0005)
        found.append(time.perf_counter() - begun)
        time.sleep(0.01)
    return found


def _is_shown(store: Store, lead: UUID) -> bool:
    mark = "?" if store.dialect == "sqlite" else "%s"
    with store.transaction(write=False) as cursor:
        cursor.execute(f"SELECT 1 FROM stage_board WHERE lead_id = {mark}", (str(lead),))
        return cursor.fetchone() is not None


def _lags(store: Store) -> list[int]:
    """How far the furthest build is behind, while events come steadily."""
    lags: list[int] = []
    begun = time.monotonic()
    for batch in count():
        lead = uuid4()
        more = [engaged(lead, version) for version in range(2, BATCH + 1)]
        store.append(Append(events=[captured(lead), *more]))
        if batch % 25 == 0:
            head = store.head().position
            live = [build.position for build in all_builds(store) if build.role == "live"]
            lags.append(head - min(live))
        due = begun + (batch + 1) * BATCH / STEADY_PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        if time.monotonic() - begun > STEADY_SECONDS:
            return lags
    raise AssertionError


def _wait_until_followed(store: Store) -> None:
    while True:
        live = [build for build in all_builds(store) if build.role == "live"]
        if len(live) == 3 and all(b.is_followed(store.now()) for b in live):
            return
        time.sleep(0.05)


@contextmanager
def _running(url: str, what: str, *, again: bool = False) -> Generator[None]:
    """`projections run`, or something that is begun again and again until the block ends."""
    words = {
        "run": "projections run",
        "rebuild": "projections rebuild -q",
        "archive": "archive seal -q",
    }[what]
    command = f"{sys.executable} -m leadflow_commands {words}"
    if again:
        command = f"while :; do {command} --from log; done" if what == "rebuild" else command
    process = subprocess.Popen(
        ["/bin/sh", "-c", command],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"LEADFLOW_STORE": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, 9)
        process.wait()
