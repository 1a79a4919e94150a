"""Running projections: what there is, how it is, follow the log, rebuild."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import LeadflowError, StoreError
from leadflow_projections.checkpoints import (
    Build,
    Owner,
    all_builds,
    claim,
    live_build,
    release,
)
from leadflow_projections.errors import DefinitionChanged, ProjectionMissing
from leadflow_projections.moments import moment
from leadflow_projections.registry import named

if TYPE_CHECKING:
    from datetime import datetime

    from leadflow.persistence.store import Head, Store
    from leadflow_projections.algebra import Projection
    from leadflow_projections.following import Followed
    from leadflow_projections.rebuilding import Progress, Rebuilt

_WAIT_SECONDS: Final = 0.5
"""How long a runner waits for events before it looks whether it should stop."""


def list_projections(store: Store) -> list[dict[str, Any]]:
    """Every projection this program has: name, version, tables, and what the store has of it."""
    builds = all_builds(store)
    rows: list[dict[str, Any]] = []
    for projection in named(None):
        live = live_build(builds, projection.name)
        rows.append(
            {
                "projection": projection.name,
                "version": projection.version,
                "fingerprint": projection.fingerprint,
                "tables": [table.name for table in projection.tables],
                "live_build": None if live is None else live.build,
                "position": None if live is None else live.position,
                "current": live is not None and live.fingerprint == projection.fingerprint,
            }
        )
    return rows


def status(store: Store) -> list[dict[str, Any]]:
    """Every build and how it is, in the shape that `projections status --json` promises."""
    head, now = store.head(), store.now()
    return [_status_of(store, build, head, now) for build in all_builds(store)]


def _status_of(store: Store, build: Build, head: Head, now: datetime) -> dict[str, Any]:
    age = build.heartbeat_age(now)
    lag = max(0, head.position - build.position)
    state = build.state
    if state != "failed" and build.role != "previous" and not build.is_held(now):
        state = "stopped"
    elif state in {"following", "catching_up"} and build.role == "live":
        state = "catching_up" if lag else "following"
    runner = None
    if build.runner is not None:
        runner = {"host": build.host, "pid": build.pid, "heartbeat_age_seconds": age}
    return {
        "projection": build.projection,
        "version": build.version,
        "build": build.build,
        "role": build.role,
        "state": state,
        "position": build.position,
        "high_water_mark": head.position,
        "lag_events": lag,
        "lag_seconds": _lag_seconds(store, build.position, now) if lag else 0.0,
        "events_per_second": build.rate,
        "eta_seconds": round(lag / build.rate, 1) if build.rate else (0.0 if not lag else None),
        "parked": build.parked,
        "last_error": build.last_error,
        "runner": runner,
    }


def _lag_seconds(store: Store, position: int, now: datetime) -> float:
    """How long the first event that is not in the rows has been in the log."""
    events = store.events_at(position + 1, 1)
    if not events:
        return 0.0
    return max(0.0, (now - moment(events[0].recorded_at)).total_seconds())


def rebuild(
    store: Store,
    names: Sequence[str] | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Rebuilt:
    """Make the named projections' read models anew from the log; None means all.

    Raises:
        UnknownProjection: with what was probably meant.
        BuildTaken: when another process rebuilds one of them.
        LogCorrupt: when an event cannot be read; readers keep what they have.
    """
    from leadflow_projections.rebuilding import rebuild_projections

    return rebuild_projections(store, named(names), progress=progress)


def run(
    store: Store,
    names: Sequence[str] | None = None,
    *,
    once: bool = False,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> dict[str, int]:
    """Keep the named projections' read models with the log; None means all.

    What has no read model yet gets one first. With `once` it ends when the log's end, as it
    stood at the start, is reached; else when `stop` is set. Restarted, it goes on where it
    was.

    Returns:
        Each projection's position.

    Raises:
        UnknownProjection: with what was probably meant.
        DefinitionChanged: when a read model was made by another definition.
        BuildTaken: when another process runs one of them.
        LogCorrupt: when an event cannot be read; the rows stand as before it.
    """
    from leadflow_projections.rebuilding import rebuild_projections

    projections = named(names)
    stop = stop or Event()
    end = store.head().position
    builds = all_builds(store)
    missing = [each for each in projections if live_build(builds, each.name) is None]
    if missing:
        rebuild_projections(store, missing, progress=progress)
    while True:
        live = _live_builds(store, projections)
        try:
            return _follow(store, live, end if once else None, stop)
        except StoreError:
            # A rebuild may have put other builds in their place: then follow those.
            if _same(live, _live_builds(store, projections)):
                raise


def _live_builds(store: Store, projections: Sequence[Projection]) -> list[Followed]:
    from leadflow_projections.following import Followed

    builds = all_builds(store)
    found: list[Followed] = []
    for projection in projections:
        build = live_build(builds, projection.name)
        if build is None:
            raise ProjectionMissing(
                f"the read model of {projection.name} is gone",
                hint=f"`leadflow projections rebuild {projection.name}` makes it anew.",
            )
        if (build.version, build.fingerprint) != (projection.version, projection.fingerprint):
            raise DefinitionChanged(
                f"{projection.name} was built by version {build.version} of its definition "
                f"({build.fingerprint}), and this program has version {projection.version} "
                f"({projection.fingerprint})",
                hint=f"`leadflow projections rebuild {projection.name}` builds it by this one.",
            )
        found.append(Followed(build, projection))
    return found


def _same(before: Sequence[Followed], after: Sequence[Followed]) -> bool:
    return [each.build.key for each in before] == [each.build.key for each in after]


def _follow(
    store: Store, followed: Sequence[Followed], end: int | None, stop: Event
) -> dict[str, int]:
    from leadflow_projections.engine import open_engine
    from leadflow_projections.following import Followed, Follower
    from leadflow_projections.heartbeat import beating

    owner = Owner.new()
    builds = claim(store, [each.build for each in followed], owner)
    held = [Followed(build, each.projection) for build, each in zip(builds, followed, strict=True)]
    error: str | None = None
    try:
        with beating(store, builds, owner), open_engine() as engine:
            follower = Follower(store, engine, held)
            while not stop.is_set() and (end is None or follower.position < end):
                if not follower.step():
                    store.wait(after=follower.position, timeout=_WAIT_SECONDS)
        return {each.projection.name: each.build.position for each in held}
    except LeadflowError as failure:
        error = failure.message
        raise
    finally:
        release(store, builds, owner, error)
