"""The table `leadflow_projections`: every build of every read model, and how far it is.

It lies in the store's own database, so that a checkpoint commits with the rows it stands
for. Whoever works on a build writes its token into `runner`; a checkpoint moves only from
where that token's owner last put it, so of two owners one always fails.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import uuid4

from leadflow_projections.errors import BuildTaken
from leadflow_projections.moments import microseconds
from leadflow_projections.physical import exists, with_marks

if TYPE_CHECKING:
    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.algebra import Projection

Role = Literal["live", "shadow", "previous"]
State = Literal["following", "catching_up", "building", "ready", "stopped", "failed"]

TABLE: Final = "leadflow_projections"
DEAD_AFTER_SECONDS: Final = 15.0
"""Without a heartbeat for so long, whoever held a build is taken for gone."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build of one projection. Instants are microseconds since the epoch."""

    projection: str
    version: int
    build: int
    role: Role
    state: State
    position: int
    """The last position whose event is in its rows."""
    fingerprint: str
    """Of the definition that makes it."""
    tables: str
    """The names of its tables, as a JSON list."""
    rate: int = 0
    """Events per second, as last measured."""
    parked: int = 0
    last_error: str | None = None
    runner: str | None = None
    """The token of whoever works on it."""
    host: str | None = None
    pid: int | None = None
    heartbeat: int | None = None

    @property
    def key(self) -> tuple[str, int, int]:
        return self.projection, self.version, self.build

    @property
    def view_names(self) -> set[str]:
        """The views that show this build while it is live."""
        return set(json.loads(self.tables))

    @property
    def table_names(self) -> list[str]:
        """The stored tables of this build."""
        return [f"{name}__{self.version}_{self.build}" for name in sorted(self.view_names)]

    def heartbeat_age(self, now: datetime) -> float | None:
        """Seconds since its runner last said that it lives; None when nobody runs it."""
        if self.runner is None or self.heartbeat is None:
            return None
        return max(0.0, (microseconds(now) - self.heartbeat) / 1_000_000)

    def is_held(self, now: datetime) -> bool:
        """Whether somebody works on it: by heartbeat, or by process where it is this host's."""
        age = self.heartbeat_age(now)
        if age is None:
            return False
        if self.host == socket.gethostname() and self.pid is not None:
            return _runs(self.pid) and age <= DEAD_AFTER_SECONDS
        return age <= DEAD_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class Owner:
    """Who works on builds: one running process, or one use of it."""

    token: str
    host: str
    pid: int

    @classmethod
    def new(cls) -> Owner:
        """An owner for this process, with a token of its own."""
        return cls(uuid4().hex, socket.gethostname(), os.getpid())


_COLUMNS: Final = [field.name for field in fields(Build)]
_INTEGERS: Final = {"version", "build", "position", "rate", "parked", "pid", "heartbeat"}
_THIS: Final = "WHERE projection = ? AND version = ? AND build = ?"


def make_table(store: Store) -> None:
    """Make the table where it is missing."""
    with store.transaction(write=False) as cursor:
        if exists(cursor, store.dialect, TABLE):
            return
    kinds = {"sqlite": ("INTEGER", "TEXT"), "postgresql": ("bigint", "text")}[store.dialect]
    columns = ", ".join(
        f"{name} {kinds[0] if name in _INTEGERS else kinds[1]}" for name in _COLUMNS
    )
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('leadflow_projections'))")
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {TABLE} "
            f"({columns}, PRIMARY KEY (projection, version, build))"
        )
        cursor.execute(
            f"CREATE UNIQUE INDEX IF NOT EXISTS {TABLE}_live ON {TABLE} (projection) "
            "WHERE role = 'live'"
        )


def all_builds(store: Store) -> list[Build]:
    """Every build that the store knows; none in a store that never ran a projection."""
    with store.transaction(write=False) as cursor:
        return builds_at(cursor, store.dialect)


def builds_at(cursor: Cursor, dialect: str) -> list[Build]:
    """Every build, as this transaction sees them."""
    if not exists(cursor, dialect, TABLE):
        return []
    cursor.execute(f"SELECT {', '.join(_COLUMNS)} FROM {TABLE} ORDER BY projection, version, build")
    return [Build(*row) for row in cursor.fetchall()]


def live_build(builds: Sequence[Build], projection: str) -> Build | None:
    """The build of a projection that its view shows."""
    return next((b for b in builds if b.projection == projection and b.role == "live"), None)


def add_shadow(
    cursor: Cursor, dialect: str, projection: Projection, owner: Owner, now: datetime
) -> Build:
    """Note a new build of a projection, held by its owner from the first."""
    cursor.execute(
        with_marks(dialect, f"SELECT max(build) FROM {TABLE} WHERE projection = ? AND version = ?"),
        (projection.name, projection.version),
    )
    (latest,) = cursor.fetchone()
    build = Build(
        projection=projection.name,
        version=projection.version,
        build=int(latest or 0) + 1,
        role="shadow",
        state="building",
        position=0,
        fingerprint=projection.fingerprint,
        tables=json.dumps([table.name for table in projection.tables]),
        runner=owner.token,
        host=owner.host,
        pid=owner.pid,
        heartbeat=microseconds(now),
    )
    marks = ", ".join("?" * len(_COLUMNS))
    cursor.execute(
        with_marks(dialect, f"INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) VALUES ({marks})"),
        astuple(build),
    )
    return build


def claim(store: Store, builds: Sequence[Build], owner: Owner) -> list[Build]:
    """Take builds that nobody works on, all or none.

    Raises:
        BuildTaken: naming who works on one of them.
    """
    now = store.now()
    claimed: list[Build] = []
    with store.transaction(write=True) as cursor:
        present = {build.key: build for build in builds_at(cursor, store.dialect)}
        for wanted in builds:
            build = present.get(wanted.key, wanted)
            if build.runner != owner.token and build.is_held(now):
                raise BuildTaken(build.projection, build.build, build.host, build.pid)
            claimed.append(
                _update(
                    cursor,
                    store.dialect,
                    build,
                    runner=owner.token,
                    host=owner.host,
                    pid=owner.pid,
                    heartbeat=microseconds(now),
                    state="catching_up" if build.role == "live" else build.state,
                    last_error=None,
                )
            )
    return claimed


def advance(
    cursor: Cursor, dialect: str, build: Build, position: int, now: datetime, **changes: Any
) -> Build:
    """Move a build's checkpoint on, if it is where its owner last put it.

    Raises:
        BuildTaken: when it is somewhere else, or has another owner; the transaction must
            be rolled back.
    """
    given = {"position": position, "heartbeat": microseconds(now), **changes}
    assignments = ", ".join(f"{name} = ?" for name in given)
    cursor.execute(
        with_marks(
            dialect, f"UPDATE {TABLE} SET {assignments} {_THIS} AND position = ? AND runner = ?"
        ),
        (*given.values(), *build.key, build.position, build.runner),
    )
    if cursor.rowcount != 1:
        raise BuildTaken(build.projection, build.build, None, None)
    return replace(build, **given)


def fence(cursor: Cursor, dialect: str, build: Build) -> None:
    """Make the transaction fail when the build is not its owner's any more.

    Raises:
        BuildTaken: then; the transaction must be rolled back.
    """
    cursor.execute(
        with_marks(dialect, f"UPDATE {TABLE} SET heartbeat = heartbeat {_THIS} AND runner = ?"),
        (*build.key, build.runner),
    )
    if cursor.rowcount != 1:
        raise BuildTaken(build.projection, build.build, None, None)


def beat(store: Store, builds: Sequence[Build], owner: Owner) -> None:
    """Say that the owner of these builds lives."""
    now = microseconds(store.now())
    with store.transaction(write=True) as cursor:
        for build in builds:
            cursor.execute(
                with_marks(
                    store.dialect, f"UPDATE {TABLE} SET heartbeat = ? {_THIS} AND runner = ?"
                ),
                (now, *build.key, owner.token),
            )


def release(store: Store, builds: Sequence[Build], owner: Owner, error: str | None = None) -> None:
    """Give builds back; those that somebody else took meanwhile are left alone."""
    state = "stopped" if error is None else "failed"
    with store.transaction(write=True) as cursor:
        for build in builds:
            cursor.execute(
                with_marks(
                    store.dialect,
                    f"UPDATE {TABLE} SET runner = NULL, state = ?, last_error = ? "
                    f"{_THIS} AND runner = ?",
                ),
                (state, error, *build.key, owner.token),
            )


def set_role(cursor: Cursor, dialect: str, build: Build, role: Role) -> None:
    """Give a build another role; it keeps no owner."""
    _update(cursor, dialect, build, role=role, state="stopped", runner=None)


def forget(cursor: Cursor, dialect: str, build: Build) -> None:
    """Take a build out of the table."""
    cursor.execute(with_marks(dialect, f"DELETE FROM {TABLE} {_THIS}"), build.key)


def _update(cursor: Cursor, dialect: str, build: Build, **changes: Any) -> Build:
    assignments = ", ".join(f"{name} = ?" for name in changes)
    cursor.execute(
        with_marks(dialect, f"UPDATE {TABLE} SET {assignments} {_THIS}"),
        (*changes.values(), *build.key),
    )
    return replace(build, **changes)


def _runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False
