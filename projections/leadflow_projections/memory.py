"""How much memory the work took."""

from __future__ import annotations

import resource
import sys


def peak_megabytes() -> float:
    """The most that this process and the largest of its ended children held, together, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    used = sum(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return used * unit / 1_000_000
