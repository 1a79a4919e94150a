"""Rebuilding: one scan of the log makes new builds beside the live ones, which go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import LeadflowError, StoreError, StoreFull
from leadflow_projections.building import Progress, Telling, cancelled, catch_up, write_builds
from leadflow_projections.checkpoint_tables import lock_sharing, make_tables
from leadflow_projections.checkpoints import (
    Build,
    Owner,
    add_shadow,
    all_builds,
    builds_at,
    check_free,
    claim_at,
    live_build,
    release,
)
from leadflow_projections.dropping import drop_build, drop_leftovers, make_empty
from leadflow_projections.folding import CHUNK_ROWS, Fold
from leadflow_projections.following import Followed
from leadflow_projections.heartbeat import beating
from leadflow_projections.log_reader import in_chunks, open_log
from leadflow_projections.memory import peak_megabytes
from leadflow_projections.parking import Sifter
from leadflow_projections.physical import create_table
from leadflow_projections.promoting import Shown, promote_builds, show_builds
from leadflow_projections.sourcing import Origin, open_events
from leadflow_projections.spools import spool_of

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection
    from leadflow_projections.differing import Diff

__all__ = ["Progress", "Rebuilt", "Wish", "rebuild_projections"]


_FULL: Final = ("No space left on device", "database or disk is full")
"""How the system and the databases say it, through whichever library and process."""


@dataclass(frozen=True, slots=True)
class Wish:
    """How a rebuild is wanted."""

    promote: bool = False
    """Let readers see the new builds, where others are live, too."""
    most_changed: int | None = None
    """Not if more leads than these would change."""
    origin: Origin = "auto"
    max_rate: float | None = None
    """Events per second that are not exceeded."""
    threads: int | None = None
    """That the engine uses; None means one per core."""
    park: bool = False
    """Set leads aside that cannot be folded, instead of failing."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did; `as_data` is what `--json` prints."""

    projections: list[str]
    events: int
    seconds: float
    peak_memory_mb: float
    ready: list[Build] = field(default_factory=list[Build])
    """New builds that wait for their promotion."""
    promoted: list[Shown] = field(default_factory=list[Shown])
    diff: Diff | None = None
    """What the promotion of those that are or were ready changes; None where nothing was live."""
    exceeded: bool = False
    """Whether more changes than was allowed, so that nothing was promoted."""

    def as_data(self) -> dict[str, Any]:
        names = " ".join(build.projection for build in self.ready)
        return {
            "projections": self.projections,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events / max(self.seconds, 1e-9)),
            "peak_memory_mb": round(self.peak_memory_mb),
            "promoted": [each.as_data() for each in self.promoted],
            "ready": [
                {
                    "projection": build.projection,
                    "version": build.version,
                    "build": build.build,
                    "position": build.position,
                }
                for build in self.ready
            ],
            "diff": None if self.diff is None else self.diff.as_data(),
            "next": f"leadflow projections promote {names}" if self.ready else None,
        }


def rebuild_projections(
    store: Store,
    projections: Sequence[Projection],
    wish: Wish | None = None,
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Rebuilt:
    """Fold the whole log into new builds, beside what readers see.

    Where nothing is live they are promoted at once; else they stop at ready, unless `wish`
    says otherwise. What an earlier rebuild left unfinished is gone on with; what it left
    ready is made anew.

    Raises:
        BuildTaken: when somebody else rebuilds one of them.
        BuildCancelled: when somebody cancels them meanwhile.
        LogCorrupt: when an event cannot be read; nothing changed for readers.
        StoreFull: when there is no room; nothing changed for readers.
    """
    wish = wish or Wish()
    begun = time.monotonic()
    owner = Owner.new()
    make_tables(store)
    _clear(store, projections)
    followed = _begin(store, projections, owner)
    try:
        events, promoted = _build(store, followed, owner, wish, progress)
    except BaseException as error:
        _give_up(store, followed, owner, error)
        explained = _explained(store, followed, error)
        if explained is not None:
            raise explained from error
        raise
    waiting = [
        each for each in followed if each.build.key[0] not in {p.projection for p in promoted}
    ]
    diff = _diff(store, waiting, wish, progress) if waiting else None
    exceeded = _exceeds(diff, wish)
    if waiting and wish.promote and not exceeded:
        promoted += promote_builds(store, waiting, threads=wish.threads, progress=progress)
        waiting = []
    seconds = time.monotonic() - begun
    if progress is not None:
        rate = events / max(seconds, 1e-9)
        end = max(each.build.position for each in followed)
        progress(Progress("done", events, events, rate, 0.0, end, end))
    return Rebuilt(
        [projection.name for projection in projections],
        events,
        seconds,
        peak_megabytes(),
        [each.build for each in waiting],
        promoted,
        diff,
        exceeded,
    )


def _clear(store: Store, projections: Sequence[Projection]) -> None:
    """Drop what is to be made anew, and what killed processes left of dropped builds."""
    now = store.now()
    for projection in projections:
        for build in _shadows(all_builds(store), projection):
            check_free(build, now)
            if _is_own(build, projection):
                unwanted = build.state == "ready"
            else:
                # Another version's belongs to another program, which may yet go on with it.
                unwanted = build.version == projection.version and build.state != "ready"
            if unwanted:
                drop_build(store, build)
        drop_leftovers(store, [table.name for table in projection.tables])


def _shadows(builds: Sequence[Build], projection: Projection) -> list[Build]:
    return [b for b in builds if b.projection == projection.name and b.role == "shadow"]


def _is_own(build: Build, projection: Projection) -> bool:
    return (build.version, build.fingerprint) == (projection.version, projection.fingerprint)


def _begin(store: Store, projections: Sequence[Projection], owner: Owner) -> list[Followed]:
    """Hold an unfinished build of each, or a new one; all or none."""
    followed: list[Followed] = []
    begun: list[Followed] = []
    now = store.now()
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            lock_sharing(cursor)
        present = builds_at(cursor, store.dialect)
        for projection in projections:
            shadows = _shadows(present, projection)
            for build in shadows:
                check_free(build, now)
            own = [build for build in shadows if _is_own(build, projection)]
            if own:
                [build] = claim_at(cursor, store.dialect, own[-1:], owner, now)
                begun.append(Followed(build, projection))
                followed.append(begun[-1])
                continue
            build = add_shadow(cursor, store.dialect, projection, owner, now)
            each = Followed(build, projection)
            for table in projection.tables:
                create_table(cursor, store.dialect, table, each.stored(table))
            followed.append(each)
    for each in begun:
        if each.build.position == 0:
            make_empty(store, each)
    return followed


def _build(
    store: Store,
    followed: Sequence[Followed],
    owner: Owner,
    wish: Wish,
    progress: Callable[[Progress], None] | None,
) -> tuple[int, list[Shown]]:
    """Fold, write and catch up; promotes what has nothing live, and leaves the others ready."""
    from leadflow_projections.engine import open_engine

    telling = Telling(store, followed, owner, progress)
    empty = [each for each in followed if each.build.position == 0]
    end = store.head().position if empty else 0
    # What was parked on the way is in no file.
    spool = None if wish.park else spool_of(store, empty)
    after = 0 if spool is None else spool.position
    telling.begin("reading", 0, end)
    sifter = Sifter() if wish.park else None
    # The log first: a child begins to read it while the engine is still being loaded.
    with (
        beating(store, owner),
        _events(store, (after, end), wish, sifter, telling) as fold_into,
        open_engine(threads=wish.threads) as engine,
    ):
        done = 0
        if empty:
            lot = None if sifter is None else sifter.lot
            done = write_builds(
                store, engine, empty, telling, fold_into, upto=end, spool=spool, lot=lot
            )

        def bring_up() -> None:
            nonlocal done
            done += catch_up(store, engine, followed, telling)

        bring_up()
        live = {build.projection for build in all_builds(store) if build.role == "live"}
        first = [each for each in followed if each.projection.name not in live]
        promoted = show_builds(store, first, bring_up) if first else []
        others = [each.build for each in followed if each not in first]
    release(store, others, owner, state="ready")
    return done, promoted


@contextmanager
def _events(
    store: Store, within: tuple[int, int], wish: Wish, sifter: Sifter | None, telling: Telling
) -> Generator[Callable[[Fold], None]]:
    """What folds the log's events into a fold; reading begins at once."""
    after, end = within
    if sifter is None:
        seal = wish.origin == "auto" and end > after
        with open_events(store, origin=wish.origin, after=after, upto=end, seal=seal) as events:
            yield partial(events.fold_into, tell=telling.tell, max_rate=wish.max_rate)
        return
    with open_log(store, upto=end) as log:
        chunks = sifter.chunks(in_chunks(log, CHUNK_ROWS))
        paced = chunks if wish.max_rate is None else _paced(chunks, wish.max_rate)
        yield lambda fold: fold.add_all(paced, tell=telling.tell)


def _paced(chunks: Iterator[pa.Table], rate: float) -> Iterator[pa.Table]:
    begun, given = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        given += chunk.num_rows
        time.sleep(max(0.0, begun + given / rate - time.monotonic()))


def _give_up(
    store: Store, followed: Sequence[Followed], owner: Owner, error: BaseException
) -> None:
    """Leave the builds to whoever goes on with them; a full disk may not even take that note."""
    said = error.message if isinstance(error, LeadflowError) else type(error).__name__
    stopped = not isinstance(error, Exception)
    with suppress(StoreError):
        release(store, [each.build for each in followed], owner, None if stopped else said)


def _explained(
    store: Store, followed: Sequence[Followed], error: BaseException
) -> StoreError | None:
    """What a failure comes from, where it says so less clearly itself."""
    if isinstance(error, StoreFull) or any(words in str(error) for words in _FULL):
        return StoreFull(
            "there is no room left for the new builds; readers have what they had",
            hint="Make room (`leadflow projections drop` frees that of previous builds), then "
            "`leadflow projections rebuild` goes on where this one stopped.",
        )
    # Being fenced off by nobody else means that the build was cancelled.
    if isinstance(error, StoreError):
        with suppress(StoreError):
            present = {build.key for build in all_builds(store)}
            for each in followed:
                if each.build.key not in present:
                    return cancelled(each)
    return None


def _diff(
    store: Store,
    waiting: Sequence[Followed],
    wish: Wish,
    progress: Callable[[Progress], None] | None,
) -> Diff:
    from leadflow_projections.differing import diff_builds
    from leadflow_projections.sides import Pair

    builds = all_builds(store)
    pairs: list[Pair] = []
    for each in waiting:
        live = live_build(builds, each.projection.name)
        if live is not None:
            pairs.append(Pair(live, each))
    if progress is not None:
        end = max(each.build.position for each in waiting)
        progress(Progress("comparing", 0, 0, 0.0, None, end, end))
    return diff_builds(store, pairs, origin=wish.origin, threads=wish.threads)


def _exceeds(diff: Diff | None, wish: Wish) -> bool:
    return diff is not None and wish.most_changed is not None and diff.changed > wish.most_changed
