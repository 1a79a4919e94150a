"""The builds in the store, and how far each is: one checkpoint a bucket of leads.

Whoever works on a build is a runner with a token of its own, which it writes into the
checkpoints that it holds; a checkpoint moves only from where its holder last put it, so of
two holders one always fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.buckets import buckets_for
from leadflow_projections.builds import Build, Checkpoint, Key, Owner, Role, Runner, State
from leadflow_projections.checkpoint_tables import (
    BUILDS,
    CHECKPOINTS,
    COLUMNS,
    FORMER,
    PARKED,
    RUNNERS,
    former_rows,
    insert,
    lock_sharing,
    make_tables,
)
from leadflow_projections.errors import BuildTaken
from leadflow_projections.moments import microseconds
from leadflow_projections.physical import exists, table_name, with_marks
from leadflow_projections.sql import quoted
from leadflow_projections.views import view_select

if TYPE_CHECKING:
    from datetime import datetime

    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.algebra import Projection

__all__ = [
    "Build",
    "Checkpoint",
    "Owner",
    "Role",
    "Runner",
    "State",
    "add_shadow",
    "advance",
    "all_builds",
    "announce",
    "beat",
    "builds_at",
    "check_free",
    "claim",
    "claim_at",
    "fence",
    "fence_statement",
    "forget",
    "hold",
    "live_build",
    "make_tables",
    "mark_taken",
    "release",
    "set_role",
]

_THIS: Final = "WHERE projection = ? AND version = ? AND build = ?"


def all_builds(store: Store) -> list[Build]:
    """Every build that the store knows; none in a store that never ran a projection."""
    with store.transaction(write=False) as cursor:
        return builds_at(cursor, store.dialect)


def builds_at(cursor: Cursor, dialect: str) -> list[Build]:
    """Every build, as this transaction sees them."""
    if not exists(cursor, dialect, CHECKPOINTS):
        return [_former(row) for row in former_rows(cursor, dialect)]
    checkpoints, parked = _checkpoints(cursor), _parked(cursor)
    cursor.execute(f"SELECT {', '.join(COLUMNS[BUILDS])} FROM {BUILDS} ORDER BY 1, 2, 3")
    found: list[Build] = []
    for row in cursor.fetchall():
        named = dict(zip(COLUMNS[BUILDS], row, strict=True))
        key = (named["projection"], named["version"], named["build"])
        events, streams = parked.get(key, (0, 0))
        marks = checkpoints.get(key, ())
        found.append(Build(**named, checkpoints=marks, parked=events, parked_leads=streams))
    return found


def _former(row: Sequence[Any]) -> Build:
    """A build as leadflow 0.1 kept it, in which an event that cannot be folded stopped it."""
    named = dict(zip(FORMER, row, strict=True))
    position = named.pop("position")
    return Build(
        **named,
        state="stopped",
        buckets=1,
        last_error=None,
        checkpoints=(Checkpoint(0, position, position),),
    )


def _checkpoints(cursor: Cursor) -> Mapping[Key, tuple[Checkpoint, ...]]:
    cursor.execute(
        "SELECT c.projection, c.version, c.build, c.bucket, c.position, c.folded, c.rate, "
        "c.moved_at, c.runner, r.host, r.pid, r.heartbeat "
        f"FROM {CHECKPOINTS} c LEFT JOIN {RUNNERS} r ON r.token = c.runner ORDER BY 1, 2, 3, 4"
    )
    found: dict[Key, tuple[Checkpoint, ...]] = {}
    for row in cursor.fetchall():
        projection, version, build, bucket, position, folded, rate, moved_at = row[:8]
        token, host, pid, heartbeat = row[8:]
        # A holder whose announcement is gone was given up by the others: it is long dead.
        runner = None if token is None else Runner(token, host or "?", pid or 0, heartbeat or 0)
        key = (projection, version, build)
        mark = Checkpoint(bucket, position, folded, rate, moved_at, runner)
        found[key] = (*found.get(key, ()), mark)
    return found


def _parked(cursor: Cursor) -> Mapping[Key, tuple[int, int]]:
    cursor.execute(
        f"SELECT projection, version, build, sum(events), count(*) FROM {PARKED} GROUP BY 1, 2, 3"
    )
    return {(p, v, b): (int(events), streams) for p, v, b, events, streams in cursor.fetchall()}


def live_build(builds: Sequence[Build], projection: str) -> Build | None:
    """The build of a projection that its view shows."""
    return next((b for b in builds if b.projection == projection and b.role == "live"), None)


def add_shadow(
    cursor: Cursor, dialect: str, projection: Projection, owner: Owner, now: datetime
) -> Build:
    """Note a new build of a projection, held by its owner from the first."""
    cursor.execute(
        with_marks(
            dialect, f"SELECT max(build) FROM {BUILDS} WHERE projection = ? AND version = ?"
        ),
        (projection.name, projection.version),
    )
    (latest,) = cursor.fetchone()
    number = int(latest or 0) + 1
    runner = announce(cursor, dialect, owner, now)
    buckets = buckets_for(projection, dialect)
    build = Build(
        projection=projection.name,
        version=projection.version,
        build=number,
        role="shadow",
        state="building",
        fingerprint=projection.fingerprint,
        tables=json.dumps(_views(projection, number, dialect)),
        buckets=buckets,
        last_error=None,
        checkpoints=tuple(Checkpoint(bucket, 0, 0, runner=runner) for bucket in range(buckets)),
    )
    row = tuple(getattr(build, column) for column in COLUMNS[BUILDS])
    insert(cursor, dialect, BUILDS, [row])
    marks = [(*build.key, bucket, 0, 0, 0, None, owner.token) for bucket in range(buckets)]
    insert(cursor, dialect, CHECKPOINTS, marks)
    return build


def _views(projection: Projection, build: int, dialect: str) -> dict[str, str]:
    """The statement of each view: another program may have to show this build again."""
    return {
        table.name: view_select(
            table, quoted(table_name(table, projection.version, build)), dialect
        )
        for table in projection.tables
    }


def announce(
    cursor: Cursor, dialect: str, owner: Owner, now: datetime, builds: Sequence[Key] = ()
) -> Runner:
    """Note that a runner lives, and which builds it would share in with others."""
    moment = microseconds(now)
    cursor.execute(
        with_marks(
            dialect,
            f"INSERT INTO {RUNNERS} (token, host, pid, projections, since, heartbeat) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (token) DO UPDATE "
            "SET projections = excluded.projections, heartbeat = excluded.heartbeat",
        ),
        (owner.token, owner.host, owner.pid, json.dumps(builds), moment, moment),
    )
    return Runner(owner.token, owner.host, owner.pid, moment)


def claim(store: Store, builds: Sequence[Build], owner: Owner) -> list[Build]:
    """Take builds that nobody works on, all with all their checkpoints, or none.

    Raises:
        BuildTaken: naming who works on one of them.
    """
    now = store.now()
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            lock_sharing(cursor)
        return claim_at(cursor, store.dialect, builds, owner, now)


def claim_at(
    cursor: Cursor, dialect: str, builds: Sequence[Build], owner: Owner, now: datetime
) -> list[Build]:
    """The same within a transaction that writes; see `lock_sharing`."""
    runner = announce(cursor, dialect, owner, now)
    present = {build.key: build for build in builds_at(cursor, dialect)}
    return [
        _claimed(cursor, dialect, present.get(wanted.key, wanted), runner, now) for wanted in builds
    ]


def _claimed(cursor: Cursor, dialect: str, build: Build, runner: Runner, now: datetime) -> Build:
    check_free(build, now, but=runner.token)
    state: State = "catching_up" if build.role == "live" else build.state
    buckets = [each.bucket for each in build.checkpoints]
    hold(cursor, dialect, build, buckets, runner.token)
    changed = _update(cursor, dialect, build, state=state, last_error=None)
    held = tuple(replace(each, runner=runner) for each in build.checkpoints)
    return replace(changed, checkpoints=held)


def check_free(build: Build, now: datetime, *, but: str | None = None) -> None:
    """See that nobody who lives works on a build, leaving out one runner's token.

    Raises:
        BuildTaken: naming who does.
    """
    for other in build.runners:
        if other.token != but and other.lives(now):
            raise BuildTaken(build.projection, build.build, other.host, other.pid)


def hold(
    cursor: Cursor, dialect: str, build: Build, buckets: Sequence[int], token: str | None
) -> None:
    """Write who holds some of a build's checkpoints, whoever did before."""
    if buckets:
        cursor.execute(
            with_marks(
                dialect, f"UPDATE {CHECKPOINTS} SET runner = ? {_THIS} AND {_among(buckets)}"
            ),
            (token, *build.key),
        )


def mark_taken(cursor: Cursor, dialect: str, build: Build) -> None:
    """Note that a build is worked on again, whatever ended its last runner."""
    _update(cursor, dialect, build, state="catching_up", last_error=None)


def advance(
    cursor: Cursor,
    dialect: str,
    build: Build,
    position: int,
    now: datetime,
    *,
    folded: int = 0,
    rate: int | None = None,
    **changes: Any,
) -> Build:
    """Move those checkpoints on that are furthest behind, if they are where they were put.

    Args:
        cursor: of the transaction that writes the rows.
        dialect: of its database.
        build: with the checkpoints that its holder holds.
        position: up to which events are in the rows now.
        now: the store's moment.
        folded: how many events were folded into the rows.
        rate: events per second.
        changes: of the build itself, such as its state.

    Raises:
        BuildTaken: when one of them is somewhere else, or has another holder; the
            transaction must be rolled back.
    """
    moved = [each for each in build.checkpoints if each.position == build.position]
    token = None if build.runner is None else build.runner.token
    least = min((each.bucket for each in moved), default=0)
    cursor.execute(
        with_marks(
            dialect,
            f"UPDATE {CHECKPOINTS} SET position = ?, moved_at = ?, rate = coalesce(?, rate), "
            f"folded = folded + CASE WHEN bucket = {least} THEN ? ELSE 0 END {_THIS} "
            f"AND {_as_left(moved)} AND position = ? AND runner = ?",
        ),
        (position, microseconds(now), rate, folded, *build.key, build.position, token),
    )
    if cursor.rowcount != len(moved) or not moved:
        raise BuildTaken(build.projection, build.build, None, None)
    changed = _update(cursor, dialect, build, **changes) if changes else build
    return replace(
        changed,
        checkpoints=tuple(
            replace(
                each,
                position=position,
                folded=each.folded + folded * (each.bucket == least),
                rate=each.rate if rate is None else rate,
                moved_at=microseconds(now),
            )
            if each.position == build.position
            else each
            for each in build.checkpoints
        ),
    )


def fence_statement(build: Build) -> tuple[str, tuple[Any, ...]]:
    """What changes as many rows as the build has checkpoints, as long as they are its holder's."""
    token = None if build.runner is None else build.runner.token
    return (
        f"UPDATE {CHECKPOINTS} SET runner = runner {_THIS} AND runner = ?",
        (*build.key, token),
    )


def fence(cursor: Cursor, dialect: str, build: Build) -> None:
    """Make the transaction fail when the build is not its holder's any more.

    Raises:
        BuildTaken: then; the transaction must be rolled back.
    """
    statement, values = fence_statement(build)
    cursor.execute(with_marks(dialect, statement), values)
    if cursor.rowcount != len(build.checkpoints):
        raise BuildTaken(build.projection, build.build, None, None)


def beat(store: Store, owner: Owner) -> None:
    """Say that an owner lives."""
    now = microseconds(store.now())
    with store.transaction(write=True) as cursor:
        cursor.execute(
            with_marks(store.dialect, f"UPDATE {RUNNERS} SET heartbeat = ? WHERE token = ?"),
            (now, owner.token),
        )


def release(
    store: Store,
    builds: Sequence[Build],
    owner: Owner,
    error: str | None = None,
    *,
    state: State | None = None,
) -> None:
    """Give builds back; what somebody else took meanwhile is left alone.

    Without a `state` of their own they are stopped, or failed by an error.
    """
    state = state or ("stopped" if error is None else "failed")
    with store.transaction(write=True) as cursor:
        for build in builds:
            cursor.execute(
                with_marks(
                    store.dialect,
                    f"UPDATE {CHECKPOINTS} SET runner = NULL {_THIS} AND runner = ?",
                ),
                (*build.key, owner.token),
            )
            if cursor.rowcount > 0:
                _update(cursor, store.dialect, build, state=state, last_error=error)
        cursor.execute(
            with_marks(
                store.dialect,
                f"DELETE FROM {RUNNERS} WHERE token = ? "
                f"AND NOT EXISTS (SELECT 1 FROM {CHECKPOINTS} c WHERE c.runner = token)",
            ),
            (owner.token,),
        )


def set_role(cursor: Cursor, dialect: str, build: Build, role: Role) -> None:
    """Give a build another role; it keeps no holder."""
    _update(cursor, dialect, build, role=role, state="stopped")
    cursor.execute(
        with_marks(dialect, f"UPDATE {CHECKPOINTS} SET runner = NULL {_THIS}"), build.key
    )


def forget(cursor: Cursor, dialect: str, build: Build) -> None:
    """Take a build out of the tables."""
    for name in (PARKED, CHECKPOINTS, BUILDS):
        cursor.execute(with_marks(dialect, f"DELETE FROM {name} {_THIS}"), build.key)


def _update(cursor: Cursor, dialect: str, build: Build, **changes: Any) -> Build:
    assignments = ", ".join(f"{name} = ?" for name in changes)
    cursor.execute(
        with_marks(dialect, f"UPDATE {BUILDS} SET {assignments} {_THIS}"),
        (*changes.values(), *build.key),
    )
    return replace(build, **changes)


def _as_left(checkpoints: Sequence[Checkpoint]) -> str:
    """That nobody, such as a retry of what was parked, folded into them meanwhile."""
    values = ", ".join(f"({each.bucket}, {each.folded})" for each in checkpoints)
    return f"(bucket, folded) IN (VALUES {values or '(NULL, NULL)'})"


def _among(buckets: Sequence[int]) -> str:
    return f"bucket IN ({', '.join(map(str, buckets)) or 'NULL'})"
