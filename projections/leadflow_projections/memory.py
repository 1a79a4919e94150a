"""How much memory the work took, over all its processes."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


class _Children:
    """The most that one ended child held; they work one after the other."""

    peak = 0.0


def own_peak_megabytes() -> float:
    """The most that this process held, in MB.

    Linux counts a program's parent into the usual figure (`ru_maxrss`) when it was started by
    a large one, so its own high-water mark is read where there is one.
    """
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1_000_000
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1_000_000


def give_back() -> None:
    """Return to the system what Arrow holds of memory that is free."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def note_child(megabytes: float) -> None:
    """Remember what a child says it held at most."""
    _Children.peak = max(_Children.peak, megabytes)


def peak_megabytes() -> float:
    """The most that this process and the largest of its children held, together, in MB."""
    return own_peak_megabytes() + _Children.peak
