"""Rebuilding all projections, against the library's projection runner."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks import peer
from tests.benchmarks.figures import Figure

PEER_EVENTS = 5_000


def measure(folder: Path) -> list[Figure]:
    """Rebuild over `generated.db` in the folder; the peer projects a part of `peer.db`."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "leadflow_commands", "projections", "rebuild", "--json"),
            *("--store", f"sqlite:///{folder}/generated.db"),
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    rebuilt = json.loads(done.stdout)
    begun = time.perf_counter()
    peer.project(folder / "peer.db", PEER_EVENTS)
    rate = PEER_EVENTS / (time.perf_counter() - begun)
    return [
        Figure(
            "rebuild of all projections, SQLite",
            rebuilt["events_per_second"],
            "events/s",
            "eventsourcing ProjectionRunner, one table",
            rate,
            f"{rebuilt['events']:,} events in {rebuilt['seconds']:.1f} s, "
            f"{len(rebuilt['projections'])} projections; peer: {PEER_EVENTS:,} events, one row each",
        ),
        Figure("memory of the rebuild", rebuilt["peak_memory_mb"], "MB"),
    ]
