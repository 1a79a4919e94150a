"""Running projections: what there is, how it is, follow the log, rebuild."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leadflow_projections.registry import named
from leadflow_projections.running import run
from leadflow_projections.status import list_projections, status

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_projections.rebuilding import Progress, Rebuilt

__all__ = ["list_projections", "rebuild", "run", "status"]


def rebuild(
    store: Store,
    names: Sequence[str] | None = None,
    *,
    promote: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> Rebuilt:
    """Make new builds of the named projections' read models from the log; None means all.

    Where nothing is live they are shown at once; else they wait until they are promoted, or
    are so by `promote`.

    Raises:
        UnknownProjection: with what was probably meant.
        BuildTaken: when another process rebuilds one of them.
        LogCorrupt: when an event cannot be read; readers keep what they have.
    """
    from leadflow_projections.rebuilding import Wish, rebuild_projections

    return rebuild_projections(store, named(names), Wish(promote=promote), progress=progress)
