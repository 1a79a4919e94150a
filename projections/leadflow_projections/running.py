"""Running projections: following the log until told to stop, whatever happens meanwhile."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from threading import Event
from typing import TYPE_CHECKING, Final

from leadflow.errors import (
    ConnectionLost,
    LeadflowError,
    StoreFull,
    StoreLocked,
    StoreUnreachable,
)
from leadflow_projections.builds import Key
from leadflow_projections.checkpoints import (
    Build,
    Owner,
    all_builds,
    claim,
    live_build,
    make_tables,
    release,
)
from leadflow_projections.errors import BuildTaken, DefinitionChanged, ProjectionMissing
from leadflow_projections.registry import named

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection
    from leadflow_projections.archive.behind import Behind
    from leadflow_projections.building import Progress
    from leadflow_projections.following import Followed, Follower

Say = Callable[[str], None]

_log = logging.getLogger(__name__)

_WAIT_SECONDS: Final = 0.5
"""How long a runner waits for events before it looks whether it should stop."""
_LOOK_SECONDS: Final = 1.0
"""How often a runner looks for other builds, and for other runners."""
_LONGEST_PAUSE_SECONDS: Final = 2.0
_OUTAGES: Final = (ConnectionLost, StoreUnreachable, StoreLocked, StoreFull)
"""What passes: a runner waits for the store and goes on."""


def run(
    store: Store,
    names: Sequence[str] | None = None,
    *,
    once: bool = False,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    say: Say | None = None,
) -> dict[str, int]:
    """Keep the named projections' read models with the log; None means all.

    What has no read model yet gets one first. Restarted, it goes on where it was.

    Args:
        store: the store.
        names: which projections.
        once: end when the log's end, as it stood at the start, is reached; else when `stop`
            is set.
        stop: set to stop: what is begun is finished first.
        progress: is told how far it is, while it is behind.
        say: is told, in a sentence, what an operator should know: an outage and its end,
            another build, a projection that is followed no more.

    Returns:
        Each projection's position.

    Raises:
        UnknownProjection: with what was probably meant.
        DefinitionChanged: when what is left to follow was made by another definition.
        BuildTaken: when another process runs one of them; on PostgreSQL only with `once`,
            since there runners share.
        LogCorrupt: when an event is missing from the log.
    """
    projections = named(names)
    stop = stop or Event()
    running = _Running(store, projections, stop, say or _nobody, progress)
    end = store.head().position
    make_tables(store)
    running.build_missing(wait=not once)
    if once:
        running.catch_up(end)
    else:
        running.follow()
    return running.positions


def _nobody(_: str) -> None:
    """Told something that nobody wants to hear."""


class _Stopped(Exception):
    """Ends a first build that is not to go on."""


class _Running:
    """One runner, with what it holds."""

    def __init__(
        self,
        store: Store,
        projections: Sequence[Projection],
        stop: Event,
        say: Say,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._store = store
        self._projections = projections
        self._stop = stop
        self._say = say
        self._progress = progress
        self._owner = Owner.new()
        self._held: list[Followed] = []
        self._keys: dict[str, Key] = {}
        """The build of each projection that was followed last."""
        self._said: set[str] = set()
        self._behind: tuple[float, int] | None = None
        """When it fell behind, and where it was then."""

    @property
    def positions(self) -> dict[str, int]:
        """How far each projection's live build is."""
        builds = all_builds(self._store)
        live = {each.name: live_build(builds, each.name) for each in self._projections}
        return {name: build.position for name, build in live.items() if build is not None}

    def build_missing(self, *, wait: bool) -> None:
        """Make what has no live build yet; or wait for the store, and for others who make it."""
        while not self._stop.is_set():
            try:
                if self._build_missing():
                    return
            except BuildTaken as taken:
                if not wait:
                    raise
                self._say_once(f"Waiting for a first build: {taken.message}.")
                self._stop.wait(_LOOK_SECONDS)
            except _OUTAGES as outage:
                if not wait:
                    raise
                self._outlast(outage)

    def _build_missing(self) -> bool:
        """Make it; whether there is nothing left to do."""
        from leadflow_projections.rebuilding import rebuild_projections

        builds = all_builds(self._store)
        missing = [p for p in self._projections if live_build(builds, p.name) is None]
        if not missing:
            return True
        with suppress(_Stopped):
            rebuild_projections(self._store, missing, progress=self._tell_or_stop)
        return False

    def _tell_or_stop(self, step: Progress) -> None:
        """Tell how far a first build is; which is interrupted, and gone on with later, to stop."""
        if self._stop.is_set():
            raise _Stopped("it was told to stop")
        if self._progress is not None:
            self._progress(step)

    def catch_up(self, end: int) -> None:
        """Follow up to a position, with nobody else at work."""
        from leadflow_projections.engine import open_engine
        from leadflow_projections.heartbeat import beating

        live = self._live(strict=True)
        with self._released(), beating(self._store, self._owner), open_engine() as engine:
            while True:
                builds = claim(self._store, [build for build, _ in live], self._owner)
                self._held = _followed(builds, self._projections)
                try:
                    self._reach(end, self._follower(engine))
                    return
                except BuildTaken:
                    # A rebuild may have put other builds in their place: then follow those.
                    before, live = live, self._live(strict=True)
                    if [build.key for build, _ in before] == [build.key for build, _ in live]:
                        raise

    def _reach(self, end: int, follower: Follower | None) -> None:
        while follower is not None and not self._stop.is_set() and follower.position < end:
            follower.step()
            self._tell(follower)

    def follow(self) -> None:
        """Follow the log until told to stop."""
        from leadflow_projections.archive.behind import sealing_behind
        from leadflow_projections.engine import open_engine
        from leadflow_projections.heartbeat import beating

        with (
            self._released(),
            beating(self._store, self._owner),
            sealing_behind(self._store) as sealing,
            open_engine() as engine,
        ):
            follower: Follower | None = None
            while not self._stop.is_set():
                try:
                    if self._look():
                        follower = self._follower(engine)
                    if follower is None or not self._held:
                        self._stop.wait(_LOOK_SECONDS)
                    else:
                        self._steps(follower, sealing)
                except BuildTaken as taken:
                    if taken.pid is not None:
                        raise
                    self._held = []  # somebody moved it: look at how it stands now
                except _OUTAGES as outage:
                    self._held = []
                    self._outlast(outage)

    def _steps(self, follower: Follower, sealing: Behind) -> None:
        until = time.monotonic() + _LOOK_SECONDS
        while not self._stop.is_set() and time.monotonic() < until:
            if not follower.step():
                self._store.wait(after=follower.position, timeout=_WAIT_SECONDS)
            else:
                self._tell(follower)
            sealing.reached(follower.position)

    def _look(self) -> bool:
        """See which builds are live and who runs them; whether that changes what is held."""
        live = self._live(strict=False)
        if self._store.dialect == "postgresql":
            from leadflow_projections.sharing import share_in

            builds = share_in(self._store, self._owner, [build.key for build, _ in live])
            builds = [build for build in builds if build.checkpoints]
        elif _is_mine([build for build, _ in live], self._owner):
            builds = [build for build, _ in live]
        else:
            builds = claim(self._store, [build for build, _ in live], self._owner)
        if _shape(builds) == _shape([each.build for each in self._held]):
            return False
        for build in builds:
            if self._keys.setdefault(build.projection, build.key) != build.key:
                self._keys[build.projection] = build.key
                self._say(
                    f"{build.projection} has another live build, "
                    f"{build.version}.{build.build}: following that one."
                )
        if not builds:
            self._say_once("Others run every part of these projections; standing by.")
        self._held = _followed(builds, self._projections)
        return True

    def _live(self, *, strict: bool) -> list[tuple[Build, Projection]]:
        """The live builds that this program can follow, with their definitions."""
        builds = all_builds(self._store)
        found: list[tuple[Build, Projection]] = []
        problems: list[LeadflowError] = []
        for projection in self._projections:
            build = live_build(builds, projection.name)
            problem = _problem(projection, build)
            if problem is None and build is not None:
                found.append((build, projection))
            elif problem is not None:
                problems.append(problem)
        if problems and (strict or not found):
            raise problems[0]
        for problem in problems:
            self._say_once(f"Not followed: {problem.message}.")
        return found

    def _follower(self, engine: DuckDBPyConnection) -> Follower | None:
        from leadflow_projections.following import Follower

        return Follower(self._store, engine, self._held) if self._held else None

    def _tell(self, follower: Follower) -> None:
        """Tell how far it is, while it is behind."""
        from leadflow_projections.building import Progress

        left = follower.end - follower.position
        if left <= 0:
            self._behind = None
            return
        now = time.monotonic()
        begun, start = self._behind = self._behind or (now, follower.position)
        rate = (follower.position - start) / max(now - begun, 1e-9)
        if self._progress is not None:
            eta = left / rate if rate else None
            done, of = follower.position - start, follower.end - start
            step = Progress("catching up", done, of, rate, eta, follower.position, follower.end)
            self._progress(step)

    @contextmanager
    def _released(self) -> Generator[None]:
        """Within the block things are held; at its end they are given back."""
        error: str | None = None
        try:
            yield
        except LeadflowError as failure:
            error = failure.message
            raise
        finally:
            try:
                release(self._store, all_builds(self._store), self._owner, error)
            except _OUTAGES as outage:
                # Without a heartbeat others take it over as they do from one that was killed.
                _log.info("what was held could not be given back: %s", outage)

    def _outlast(self, outage: LeadflowError) -> None:
        """Wait until the store answers again; one sentence at its beginning, one at its end."""
        begun = time.monotonic()
        self._say(f"Waiting for the store: {outage.message}.")
        pause = 0.1
        while not self._stop.wait(pause):
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            try:
                with self._store.transaction(write=True):
                    pass
            except _OUTAGES:
                continue
            self._say(f"The store answers again, after {time.monotonic() - begun:.1f} s.")
            return

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


def _problem(projection: Projection, build: Build | None) -> LeadflowError | None:
    """Why this program cannot follow a projection's live build; None when it can."""
    if build is None:
        return ProjectionMissing(
            f"the read model of {projection.name} is gone",
            hint=f"`leadflow projections rebuild {projection.name}` makes it anew.",
        )
    if (build.version, build.fingerprint) == (projection.version, projection.fingerprint):
        return None
    return DefinitionChanged(
        f"{projection.name} was built by version {build.version} of its definition "
        f"({build.fingerprint}), and this program has version {projection.version} "
        f"({projection.fingerprint})",
        hint=f"`leadflow projections rebuild {projection.name}` builds it by this one.",
    )


def _followed(builds: Sequence[Build], projections: Sequence[Projection]) -> list[Followed]:
    from leadflow_projections.following import Followed

    by_name = {projection.name: projection for projection in projections}
    return [Followed(build, by_name[build.projection]) for build in builds]


def _shape(builds: Sequence[Build]) -> list[tuple[Key, list[int]]]:
    return [(build.key, [each.bucket for each in build.checkpoints]) for build in builds]


def _is_mine(builds: Sequence[Build], owner: Owner) -> bool:
    holders = {each.runner and each.runner.token for b in builds for each in b.checkpoints}
    return holders == {owner.token}
