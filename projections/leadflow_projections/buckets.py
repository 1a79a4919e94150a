"""Buckets of streams: what several runners share a log by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leadflow_projections.sql import is_lead_grain

if TYPE_CHECKING:
    from leadflow_projections.algebra import Projection

BUCKETS: Final = 16
"""As many as a hexadecimal digit has values."""


def bucket_of(stream: str) -> int:
    """The bucket of a stream, in a build that has 16: the last hexadecimal digit of its id.

    UUIDs of every version are uniform in it. What is no id has bucket 0.
    """
    try:
        return int(stream[-1:], BUCKETS)
    except ValueError:
        return 0


def buckets_for(projection: Projection, dialect: str) -> int:
    """How many checkpoints a new build of a projection gets.

    One where a single process writes anyway (SQLite), and where rows gather from several
    leads, which two runners must not merge at once.
    """
    shared = dialect == "postgresql" and all(is_lead_grain(table) for table in projection.tables)
    return BUCKETS if shared else 1
