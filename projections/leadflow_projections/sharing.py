"""Several runners on one log: each takes its fair share of every build's checkpoints.

A runner announces itself with the builds that it would follow. Of a build's buckets each
living runner may have as many as the others, give or take one; what it has beyond that it
gives back, what nobody who lives holds it takes. Everybody reckons alike, so that within a
few looks all buckets have their runner.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from leadflow_projections.builds import Build, Checkpoint, Key, Owner, Runner
from leadflow_projections.checkpoint_tables import CHECKPOINTS, RUNNERS, lock_sharing
from leadflow_projections.checkpoints import (
    announce,
    builds_at,
    hold,
    mark_taken,
)
from leadflow_projections.moments import microseconds
from leadflow_projections.physical import with_marks

if TYPE_CHECKING:
    from datetime import datetime

    from leadflow.persistence.store import Cursor, Store

_FORGOTTEN_AFTER_US: Final = 3_600_000_000
"""So long after its last heartbeat a runner that holds nothing is taken off the list."""


@dataclass(frozen=True, slots=True)
class Announced:
    """A runner and the builds that it would follow."""

    runner: Runner
    builds: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Share:
    """What a runner should do about one build."""

    build: Build
    mine: tuple[int, ...]
    take: tuple[int, ...]
    give: tuple[int, ...]


def share_in(store: Store, owner: Owner, keys: Sequence[Key]) -> list[Build]:
    """Take one's share of these builds; gives them with the checkpoints that one holds then.

    A build of which there is none left for this runner comes without checkpoints.
    """
    now = store.now()
    with store.transaction(write=False) as cursor:
        shares = _shares(cursor, store.dialect, owner, keys, now)
        known = {each.runner.token: each.builds for each in announced(cursor)}
    settled = not any(share.take or share.give for share in shares)
    if settled and known.get(owner.token) == frozenset(keys):
        return [_held(share, owner) for share in shares]
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            lock_sharing(cursor)
        announce(cursor, store.dialect, owner, now, keys)
        _forget_the_dead(cursor, store.dialect, now)
        for share in _shares(cursor, store.dialect, owner, keys, now):
            hold(cursor, store.dialect, share.build, share.give, None)
            hold(cursor, store.dialect, share.build, share.take, owner.token)
            if share.take:
                mark_taken(cursor, store.dialect, share.build)
        return [_held(share, owner) for share in _shares(cursor, store.dialect, owner, keys, now)]


def announced(cursor: Cursor) -> list[Announced]:
    """Every runner that has announced itself, in order of their tokens."""
    cursor.execute(f"SELECT token, host, pid, heartbeat, projections FROM {RUNNERS} ORDER BY token")
    return [
        Announced(
            Runner(token, host, pid, heartbeat),
            frozenset((name, version, build) for name, version, build in json.loads(builds)),
        )
        for token, host, pid, heartbeat, builds in cursor.fetchall()
    ]


def _shares(
    cursor: Cursor, dialect: str, owner: Owner, keys: Sequence[Key], now: datetime
) -> list[Share]:
    living = [each for each in announced(cursor) if each.runner.lives(now)]
    builds = {build.key: build for build in builds_at(cursor, dialect)}
    return [
        _share(
            builds[key],
            owner,
            [each.runner.token for each in living if key in each.builds],
            now,
        )
        for key in keys
        if key in builds
    ]


def _share(build: Build, owner: Owner, living: Sequence[str], now: datetime) -> Share:
    tokens = sorted({*living, owner.token})
    each, over = divmod(build.buckets, len(tokens))
    fair = each + (tokens.index(owner.token) < over)
    mine = tuple(c.bucket for c in build.checkpoints if _is_held_by(c, owner))
    free = [c.bucket for c in build.checkpoints if c.runner is None or not c.runner.lives(now)]
    wanted = [bucket for bucket in free if bucket not in mine]
    return Share(build, mine, tuple(wanted[: max(0, fair - len(mine))]), mine[fair:])


def _is_held_by(checkpoint: Checkpoint, owner: Owner) -> bool:
    return checkpoint.runner is not None and checkpoint.runner.token == owner.token


def _held(share: Share, owner: Owner) -> Build:
    held = tuple(c for c in share.build.checkpoints if _is_held_by(c, owner))
    return replace(share.build, checkpoints=held)


def _forget_the_dead(cursor: Cursor, dialect: str, now: datetime) -> None:
    cursor.execute(
        with_marks(
            dialect,
            f"DELETE FROM {RUNNERS} WHERE heartbeat < ? "
            f"AND NOT EXISTS (SELECT 1 FROM {CHECKPOINTS} c WHERE c.runner = token)",
        ),
        (microseconds(now) - _FORGOTTEN_AFTER_US,),
    )
