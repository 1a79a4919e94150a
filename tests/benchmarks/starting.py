"""`leadflow --help`, as a process of its own, against Python doing nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from tests.benchmarks.figures import Figure

ROUNDS = 15


def measure() -> list[Figure]:
    """Median seconds."""
    program = Path(sys.executable).with_name("leadflow")
    ours, python = _timed([str(program), "--help"]), _timed([sys.executable, "-c", "pass"])
    return [Figure("leadflow --help", ours, "s", "python -c pass", python)]


def _timed(command: list[str]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return median(times)
