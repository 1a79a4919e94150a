"""What a build of a read model is, its checkpoints, and the runners that hold them."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal, cast
from uuid import uuid4

from leadflow_projections.moments import microseconds

if TYPE_CHECKING:
    from datetime import datetime

Role = Literal["live", "shadow", "previous"]
State = Literal["following", "catching_up", "building", "ready", "stopped", "failed"]
Key = tuple[str, int, int]
"""Projection, version, build."""

DEAD_AFTER_SECONDS: Final = 15.0
"""Without a heartbeat for so long, whoever held a build is taken for gone."""


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


@dataclass(frozen=True, slots=True)
class Runner(Owner):
    """An owner that has announced itself. Instants are microseconds since the epoch."""

    heartbeat: int

    def age(self, now: datetime) -> float:
        """Seconds since it last said that it lives."""
        return max(0.0, (microseconds(now) - self.heartbeat) / 1_000_000)

    def lives(self, now: datetime) -> bool:
        """By its heartbeat, and by its process where that is this host's."""
        if self.host == _this_host() and not _runs(self.pid):
            return False
        return self.age(now) <= DEAD_AFTER_SECONDS


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far a build is with one bucket of leads."""

    bucket: int
    position: int
    """The last position whose event, if it is of this bucket, is in the rows."""
    folded: int
    """Events folded by its holders; only the sum over a build's checkpoints means something."""
    rate: int = 0
    """Events per second, as its holder last measured over all that it holds."""
    moved_at: int | None = None
    """When it last moved, in microseconds since the epoch."""
    runner: Runner | None = None
    """Who holds it."""


@dataclass(frozen=True, slots=True)
class Build:
    """One build of one projection."""

    projection: str
    version: int
    build: int
    role: Role
    state: State
    fingerprint: str
    """Of the definition that makes it."""
    tables: str
    """The names of its tables with the statements of their views, as a JSON object; a list of the
    names alone where an older leadflow made it."""
    buckets: int
    """How many checkpoints it has."""
    last_error: str | None
    checkpoints: tuple[Checkpoint, ...]
    """All of them; for its holder, those that it holds."""
    parked: int = 0
    """Events that are parked, and so not in its rows."""
    parked_leads: int = 0

    @property
    def key(self) -> Key:
        return self.projection, self.version, self.build

    @property
    def position(self) -> int:
        """Up to here the log is in its rows: the least of its checkpoints' positions."""
        return min((each.position for each in self.checkpoints), default=0)

    @property
    def folded(self) -> int:
        """Events that are in its rows."""
        return sum(each.folded for each in self.checkpoints)

    @property
    def rate(self) -> int:
        """Events per second, as its runners last measured."""
        rates: dict[str | None, int] = {
            each.runner.token if each.runner else None: each.rate for each in self.checkpoints
        }
        return sum(rates.values())

    @property
    def moved_at(self) -> int | None:
        """When a checkpoint last moved, in microseconds since the epoch."""
        return max((each.moved_at for each in self.checkpoints if each.moved_at), default=None)

    @property
    def view_names(self) -> set[str]:
        """The views that show this build while it is live."""
        return set(json.loads(self.tables))

    @property
    def views(self) -> dict[str, str]:
        """The statement of each view; none where an older leadflow made the build."""
        known: object = json.loads(self.tables)
        return cast("dict[str, str]", known) if isinstance(known, dict) else {}

    @property
    def table_names(self) -> list[str]:
        """The stored tables of this build."""
        return [f"{name}__{self.version}_{self.build}" for name in sorted(self.view_names)]

    @property
    def runners(self) -> list[Runner]:
        """Who holds checkpoints of it, the one that was heard of last at the end."""
        found = {each.runner for each in self.checkpoints if each.runner is not None}
        return sorted(found, key=lambda runner: (runner.heartbeat, runner.token))

    @property
    def runner(self) -> Runner | None:
        """Of those who hold it the one that was not heard of for longest."""
        return next(iter(self.runners), None)

    def heartbeat_age(self, now: datetime) -> float | None:
        """Seconds since that one last said that it lives; None when nobody holds it."""
        return None if self.runner is None else self.runner.age(now)

    def is_held(self, now: datetime) -> bool:
        """Whether anybody who lives works on it."""
        return any(runner.lives(now) for runner in self.runners)

    def is_followed(self, now: datetime) -> bool:
        """Whether every one of its checkpoints is held by somebody who lives."""
        return all(each.runner and each.runner.lives(now) for each in self.checkpoints)


@cache
def _this_host() -> str:
    return socket.gethostname()


def _runs(pid: int) -> bool:
    with suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False
