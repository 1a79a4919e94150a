"""Rebuilding all projections, against the library's projection runner."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks import peer
from tests.benchmarks.figures import Figure
from tests.benchmarks.recording import decided

PEER_LEADS = 150


def measure(folder: Path) -> list[Figure]:
    """Rebuild over `generated.db` in the folder."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "leadflow_commands", "projections", "rebuild", "--json"),
            *("--store", f"sqlite:///{folder}/generated.db"),
        ],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    rebuilt = json.loads(done.stdout)
    leads = list(decided(PEER_LEADS))
    begun = time.perf_counter()
    events = peer.project(folder / "board.db", leads)
    rate = events / (time.perf_counter() - begun)
    return [
        Figure(
            "rebuild of all projections, SQLite",
            rebuilt["events_per_second"],
            "events/s",
            "eventsourcing ProjectionRunner, one table",
            rate,
            f"{rebuilt['events']:,} events in {rebuilt['seconds']:.1f} s, "
            f"{len(rebuilt['projections'])} projections; peer: {events:,} events",
        ),
        Figure("memory of the rebuild", rebuilt["peak_memory_mb"], "MB"),
    ]
