"""How every build is: how far behind the log, and who runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from leadflow_projections.checkpoints import Build, all_builds, live_build
from leadflow_projections.moments import moment
from leadflow_projections.registry import known, named
from leadflow_projections.sizes import build_bytes

if TYPE_CHECKING:
    from datetime import datetime

    from leadflow.persistence.store import Head, Store


def list_projections(store: Store) -> list[dict[str, Any]]:
    """Every projection this program has: name, version, tables, and what the store has of it."""
    builds = all_builds(store)
    sizes = dict(zip((b.key for b in builds), build_bytes(store, builds), strict=True))
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
                "live_version": None if live is None else live.version,
                "position": None if live is None else live.position,
                "current": live is not None and live.fingerprint == projection.fingerprint,
                "builds": [
                    {
                        "version": build.version,
                        "build": build.build,
                        "role": build.role,
                        "disk_bytes": sizes[build.key],
                    }
                    for build in builds
                    if build.projection == projection.name
                ],
            }
        )
    return rows


def status(store: Store) -> list[dict[str, Any]]:
    """Every build and how it is, in the shape that `projections status --json` promises."""
    head, now = store.head(), store.now()
    builds = all_builds(store)
    beside = [build for build in builds if build.role != "live"]
    sizes = dict(zip((b.key for b in beside), build_bytes(store, beside), strict=True))
    return [_status_of(store, build, head, now, sizes.get(build.key)) for build in builds]


def _status_of(
    store: Store, build: Build, head: Head, now: datetime, size: int | None
) -> dict[str, Any]:
    lag = max(0, head.position - build.position)
    runner = None
    if build.runner is not None:
        runner = {
            "host": build.runner.host,
            "pid": build.runner.pid,
            "heartbeat_age_seconds": build.heartbeat_age(now),
        }
    definition = known().get(build.projection)
    return {
        "projection": build.projection,
        "version": build.version,
        "build": build.build,
        "role": build.role,
        "state": state_of(build, now, lag),
        "position": build.position,
        "high_water_mark": head.position,
        "lag_events": lag,
        "lag_seconds": _lag_seconds(store, build.position, now) if lag else 0.0,
        "events_per_second": build.rate,
        "eta_seconds": round(lag / build.rate, 1) if build.rate else (0.0 if not lag else None),
        "parked": build.parked_leads,
        "last_error": build.last_error,
        "runner": runner,
        "runners": len(build.runners),
        "parked_events": build.parked,
        "own_definition": definition is not None and definition.fingerprint == build.fingerprint,
        "disk_bytes": size,
    }


def state_of(build: Build, now: datetime, lag: int) -> str:
    """What a build is doing: nothing, unless somebody who lives holds all of it."""
    if build.role == "shadow" and build.state == "ready":
        return "ready"
    if not build.is_followed(now):
        return "failed" if build.state == "failed" else "stopped"
    if build.role == "shadow":
        return "catching_up" if build.state == "catching_up" else "building"
    return "catching_up" if lag else "following"


def _lag_seconds(store: Store, position: int, now: datetime) -> float:
    """How long the first event that is not in the rows has been in the log."""
    events = store.events_at(position + 1, 1)
    if not events:
        return 0.0
    return max(0.0, (now - moment(events[0].recorded_at)).total_seconds())


def too_far_behind(
    rows: Sequence[Mapping[str, Any]], *, seconds: float | None = None, events: int | None = None
) -> list[Mapping[str, Any]]:
    """The live builds, of `status`, that are further behind the log than that."""
    return [
        row
        for row in rows
        if row["role"] == "live"
        and (
            (seconds is not None and row["lag_seconds"] > seconds)
            or (events is not None and row["lag_events"] > events)
        )
    ]
