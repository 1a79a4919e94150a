"""`make bench`: measures, prints tables and writes build/bench.json.

python -m tests.benchmarks [--events 1000000]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import (
    importing,
    kafka_ingest,
    kafka_relay,
    latency,
    reading,
    rebuilding,
    recording,
    sealing,
    starting,
)
from tests.benchmarks.figures import Figure, keep, show


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the large log")
    events: int = parser.parse_args().events
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="leadflow-bench-") as name:
        folder = Path(name)
        measures: dict[str, Callable[[], list[Figure]]] = {
            "Recording": lambda: recording.measure(folder, events),
            "Importing": lambda: importing.measure(folder),
            "Rebuilding": lambda: rebuilding.measure(folder, events),
            "Sealing": lambda: sealing.measure(folder),
            "Ingesting": lambda: kafka_ingest.measure(folder),
            "Relaying": lambda: kafka_relay.measure(folder),
            "Latency": lambda: latency.measure_both(folder),
            "Reading": lambda: reading.measure(folder),
            "Starting": starting.measure,
        }
        for title, measure in measures.items():
            found = measure()
            show(title, found)
            figures += found
    keep(figures, Path("build/bench.json"))
    print("\nwritten to build/bench.json")


if __name__ == "__main__":
    main()
