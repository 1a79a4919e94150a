"""Rebuilding all projections, cold and from the twin, against the library's projection runner.

Every figure is of a whole process, its start included, with nothing live beforehand. The bare
read is a process too: it reads the same rows through the same driver and throws them away.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadflow import Leadflow
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.running import generate
from leadflow_commands.generating.workers import Workers
from tests.benchmarks import peer
from tests.benchmarks.figures import Figure
from tests.benchmarks.recording import EVENTS_PER_LEAD, UNTIL, Silent, decided
from tests.postgres import PostgresServer

PEER_LEADS = 150
RUNNER = "eventsourcing ProjectionRunner, one table in PostgreSQL"

_BARE_READ = """
import json, sys
from leadflow_projections.log_child import batches
print(sum(batch.num_rows for batch in batches(json.loads(sys.argv[1]))))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One process that read a log."""

    events: int
    seconds: float
    megabytes: float = 0.0

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def note(self) -> str:
        """What was measured, and what else the machine did."""
        return f"{self.events:,} events in {self.seconds:.2f} s; load {os.getloadavg()[0]:.1f}"


def measure(folder: Path, events: int = 1_000_000) -> list[Figure]:
    """Rebuild over `generated.db` in the folder, then over as many events in PostgreSQL."""
    with _server() as server:
        count, seconds = peer.project_in_postgres(server.url, decided(PEER_LEADS))
        rate = count / seconds
        key = folder / "postgres.key"
        plan = Plan(round(events / EVENTS_PER_LEAD), 1, 365, UNTIL)
        with Leadflow.open(server.url, create=True, key_file=key) as leads:
            generate(leads, plan, Workers(server.url, key, os.cpu_count() or 1), Silent())
        bare = bare_read(server.url, "postgresql")
        cold = rebuild(server.url, "--from", "log", "--key-file", str(key))
    return [*of_sqlite(folder / "generated.db", rate), *_cold("PostgreSQL", cold, bare, rate)]


def of_sqlite(file: Path, peer_rate: float) -> list[Figure]:
    """The figures over one SQLite file, which stays as it is."""
    bare = bare_read(f"file:{file}?mode=ro", "sqlite")
    with copied(file) as store:
        cold = rebuild(store, "--from", "log")
    with copied(file) as store:
        sealing = rebuild(store)
    with copied(file) as store:
        run("archive", "seal", "--store", store)
        twin = rebuild(store, "--from", "archive")
    return [
        *_cold("SQLite", cold, bare, peer_rate),
        Figure(
            "what sealing adds to a cold rebuild",
            sealing.seconds / cold.seconds,
            "times",
            note=f"{sealing.note}, {sealing.megabytes:.0f} MB",
        ),
        Figure("rebuild from the twin", twin.rate, "events/s", RUNNER, peer_rate, twin.note),
        Figure("its memory, all processes", twin.megabytes, "MB"),
    ]


def _cold(kind: str, cold: Run, bare: Run, peer_rate: float) -> list[Figure]:
    return [
        Figure(f"cold rebuild, {kind}", cold.rate, "events/s", RUNNER, peer_rate, cold.note),
        Figure(
            "its time against the bare read's",
            cold.seconds,
            "s",
            "bare read by the same driver",
            bare.seconds,
            bare.note,
        ),
        Figure("its memory, all processes", cold.megabytes, "MB"),
    ]


def bare_read(uri: str, dialect: str) -> Run:
    """Read every row of the log by ADBC in a process of its own."""
    source = json.dumps({"dialect": dialect, "uri": uri, "after": 0, "end": _end(uri, dialect)})
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _BARE_READ, source],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return Run(int(done.stdout), time.perf_counter() - begun)


def rebuild(store: str, *options: str) -> Run:
    """Rebuild all projections."""
    begun = time.perf_counter()
    said = run("projections", "rebuild", *options, "--json", "--quiet", "--store", store)
    seconds = time.perf_counter() - begun
    rebuilt: dict[str, Any] = json.loads(said)
    return Run(rebuilt["events"], seconds, rebuilt["peak_memory_mb"])


def run(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "leadflow_commands", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    ).stdout


def _end(uri: str, dialect: str) -> int:
    if dialect == "postgresql":
        import psycopg

        with psycopg.connect(uri) as connection:
            row = connection.execute("SELECT position FROM log_head").fetchone()
    else:
        import sqlite3

        with sqlite3.connect(uri, uri=True) as database:
            row = database.execute("SELECT position FROM log_head").fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def copied(file: Path) -> Generator[str]:
    """A store of its own, as nobody has rebuilt yet, with its key."""
    with tempfile.TemporaryDirectory(dir=file.parent) as name:
        copy = Path(name) / file.name
        shutil.copyfile(file, copy)
        key = file.with_name(f"{file.name}.key")
        if key.exists():
            shutil.copy(key, copy.with_name(key.name))
        yield f"sqlite:///{copy}"


@contextmanager
def _server() -> Generator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="leadflow-bench-postgres-") as name:
        server = PostgresServer(Path(name))
        try:
            server.start()
            yield server
        finally:
            server.stop()
