"""A store that lives as long as its object: the SQLite store, in memory."""

from __future__ import annotations

from leadflow.service import Leadflow


def in_memory(*, producer: str | None = None) -> Leadflow:
    """A fresh, empty store in memory, with everything a real one has; close it after use."""
    return Leadflow.open("sqlite:///:memory:", create=True, producer=producer)
