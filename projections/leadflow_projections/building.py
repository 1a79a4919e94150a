"""The steps that make new builds: fold the log, write the rows, catch up with what came since."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from leadflow.errors import StoreError
from leadflow_projections.bulk import Writer, bulk_writer
from leadflow_projections.checkpoints import Owner, advance, all_builds
from leadflow_projections.errors import BuildCancelled, BuildTaken
from leadflow_projections.folding import Fold, rows_name
from leadflow_projections.following import Followed, Follower
from leadflow_projections.parking import write_parked
from leadflow_projections.rest import at_rest_select
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Table
    from leadflow_projections.parking import Lot
    from leadflow_projections.partials import Spool

Phase = Literal["reading", "writing", "catching up", "comparing", "promoting", "done"]

_BATCH_ROWS: Final = 8_192
_LOOK_SECONDS: Final = 1.0
"""How often a process that builds looks whether the builds are still its own."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is."""

    phase: Phase
    events: int
    of: int
    """Events that this phase has to take."""
    events_per_second: float
    eta_seconds: float | None
    """Until this phase ends; None where it cannot be said yet."""
    position: int
    """Up to here the log is in the new builds, or in what will be written into them."""
    high_water_mark: int
    """The log's end as it was last seen."""


class Telling:
    """Tells of progress; stops the work when its builds were cancelled or taken over."""

    def __init__(
        self,
        store: Store,
        followed: Sequence[Followed],
        owner: Owner,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self._store = store
        self._followed = followed
        self._owner = owner
        self._progress = progress
        self._looked = time.monotonic()
        self._high_water = store.head().position
        self.begin("reading", 0, 0)

    def begin(self, phase: Phase, after: int, of: int) -> None:
        """Begin a phase that takes so many events after a position."""
        self._phase: Phase = phase
        self._after, self._of = after, of
        self._begun = time.monotonic()

    def tell(self, events: int) -> None:
        """So many events of the phase are taken.

        Raises:
            BuildCancelled, BuildTaken: the builds are not ours any more.
        """
        now = time.monotonic()
        if now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self._look()
        if self._progress is None:
            return
        rate = events / max(now - self._begun, 1e-9)
        left = max(0, self._of - events) / rate if rate else None
        position = self._after + events
        high_water = max(self._high_water, position)
        self._progress(Progress(self._phase, events, self._of, rate, left, position, high_water))

    def _look(self) -> None:
        self._high_water = self._store.head().position
        present = {build.key: build for build in all_builds(self._store)}
        for each in self._followed:
            build = present.get(each.build.key)
            if build is None:
                raise cancelled(each)
            for other in build.runners:
                if other.token != self._owner.token:
                    raise BuildTaken(build.projection, build.build, other.host, other.pid)


def cancelled(each: Followed) -> BuildCancelled:
    """The error of whoever was making a build that is not there any more."""
    build = each.build
    return BuildCancelled(
        f"build {build.version}.{build.build} of {build.projection} was cancelled",
        hint=f"`leadflow projections rebuild {build.projection}` begins anew.",
    )


def write_builds(
    store: Store,
    engine: DuckDBPyConnection,
    followed: Sequence[Followed],
    telling: Telling,
    fold_into: Callable[[Fold], None],
    *,
    upto: int,
    spool: Spool | None = None,
    lot: Lot | None = None,
) -> int:
    """Fold the log, and write the rows of builds that have none yet; gives its events.

    Args:
        store: has the builds.
        engine: folds.
        followed: the builds, with their definitions.
        telling: is told of progress.
        fold_into: folds every event up to a position.
        upto: that position.
        spool: what an earlier process folded of them, and room for more.
        lot: what was parked on the way.

    Raises:
        LogCorrupt: an event is missing or cannot be read; the builds have no checkpoint.
        BuildCancelled, BuildTaken: they are not ours any more.
        StoreFull: there is no room for the rows.
    """
    begun = time.monotonic()
    tables = [table for each in followed for table in each.projection.tables]
    fold = Fold(engine, tables, spool=spool)
    fold_into(fold)
    telling.begin("writing", 0, fold.events)
    telling.tell(fold.events)
    written: Counter[str] = Counter()

    with bulk_writer(store, fold.partial_rows) as writer, _one_by_one() as writing:
        for each in followed:
            for table in each.projection.tables:
                for number, within in enumerate(fold.slices(table)):
                    made = f"{rows_name(table)}_{number}"
                    select = fold.rows_of(table, within=within)
                    engine.execute(f"CREATE OR REPLACE TABLE {quoted(made)} AS {select}")
                    ((count,),) = engine.execute(f"SELECT count(*) FROM {quoted(made)}").fetchall()
                    written[table.name] += int(count)
                    writing(partial(_write, engine, writer, each, table, made))
    for each in followed:
        for table in each.projection.tables:
            _check_rows(store, each, table, written[table.name])
    rate = round(fold.events / max(time.monotonic() - begun, 1e-6))
    _set_checkpoints(store, followed, (upto, fold.events, rate), lot)
    fold.clear()
    return fold.events


def _write(
    engine: DuckDBPyConnection, writer: Writer, each: Followed, table: Table, made: str
) -> None:
    """Write rows that the engine has made into the build."""
    order = ", ".join(map(quoted, table.key))
    select = f"{at_rest_select(table, quoted(made))} ORDER BY {order}"
    with engine.cursor() as cursor:
        with cursor.sql(select).to_arrow_reader(_BATCH_ROWS) as rows:
            writer.write(each.build, table, each.stored(table), rows)
        cursor.execute(f"DROP TABLE {quoted(made)}")


def _check_rows(store: Store, each: Followed, table: Table, written: int) -> None:
    """See that what was written is what the store has, before anybody is shown it."""
    with store.transaction(write=False) as cursor:
        cursor.execute(f"SELECT count(*) FROM {quoted(each.stored(table))}")
        (stored,) = cursor.fetchone()
    if stored != written:
        raise StoreError(
            f"{stored} rows of {table.name} are in the store where {written} were written",
            hint=f"`leadflow projections rebuild {each.projection.name}` tries again.",
        )


def _set_checkpoints(
    store: Store, followed: Sequence[Followed], reached: tuple[int, int, int], lot: Lot | None
) -> None:
    """Set the checkpoints that the written rows stand for: position, events folded, rate."""
    position, folded, rate = reached
    now = store.now()
    with store.transaction(write=True) as cursor:
        for each in followed:
            each.build = advance(
                cursor,
                store.dialect,
                each.build,
                position,
                now,
                folded=folded,
                rate=rate,
                state="catching_up",
            )
            if lot is not None:
                write_parked(cursor, store.dialect, each.build, lot, now)


def catch_up(
    store: Store, engine: DuckDBPyConnection, followed: Sequence[Followed], telling: Telling
) -> int:
    """Apply what was recorded since; gives its events.

    Up to the end as it stands now, since a busy log has always a newer one.
    """
    end = store.head().position
    follower = Follower(store, engine, followed)
    begin = follower.position
    telling.begin("catching up", begin, end - begin)
    events = 0
    while follower.position < end:
        events += follower.step()
        telling.tell(follower.position - begin)
    return events


@contextmanager
def _one_by_one() -> Generator[Callable[[Callable[[], None]], None]]:
    """Do things one after the other in a thread; at the block's end they are all done.

    Another one is taken on when those before it are done, so that no more than one waits.
    """
    done: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="leadflow-writing") as thread:

        def add(thing: Callable[[], None]) -> None:
            if done:
                done.pop().result()
            done.append(thread.submit(thing))

        try:
            yield add
        except BaseException:
            thread.shutdown(wait=True, cancel_futures=True)
            raise
        for each in done:
            each.result()
