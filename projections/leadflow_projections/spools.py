"""Where a rebuild keeps what it has folded so far, so that a killed one goes on from there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from leadflow_projections.partials import Spool, remove_spools

if TYPE_CHECKING:
    from pathlib import Path

    from leadflow.persistence.store import Store
    from leadflow_projections.builds import Build
    from leadflow_projections.following import Followed


def spool_of(store: Store, followed: Sequence[Followed]) -> Spool | None:
    """The spool of builds that are folded together; None where the store has no folder for it.

    It holds something only where an earlier process folded the same builds, by the same
    definitions.
    """
    if store.archive is None or not followed:
        return None
    stamp = json.dumps([[*each.build.key, each.projection.fingerprint] for each in followed])
    name = hashlib.sha256(stamp.encode()).hexdigest()[:16]
    return Spool(_folder(store.archive) / name, stamp)


def forget_spools(store: Store, build: Build) -> None:
    """Remove what was folded for a build that is not wanted any more."""
    if store.archive is None:
        return

    def is_for(stamp: str) -> bool:
        with suppress(ValueError, TypeError):
            return any(tuple(key) == build.key for *key, _ in json.loads(stamp))
        return True

    remove_spools(_folder(store.archive), is_for)


def _folder(archive: Path) -> Path:
    return archive / "builds"
