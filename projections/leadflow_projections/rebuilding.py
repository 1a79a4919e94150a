"""Rebuilding: one scan of the log makes new builds beside the live ones, then views swap."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import StoreError
from leadflow_projections.bulk import Writer, bulk_writer
from leadflow_projections.checkpoints import (
    Build,
    Owner,
    add_shadow,
    advance,
    all_builds,
    builds_at,
    forget,
    make_table,
    release,
    set_role,
)
from leadflow_projections.engine import open_engine
from leadflow_projections.errors import BuildTaken
from leadflow_projections.folding import Fold, rows_name, trusted_chunks
from leadflow_projections.following import Followed, Follower
from leadflow_projections.heartbeat import beating
from leadflow_projections.log_reader import open_log
from leadflow_projections.memory import peak_megabytes
from leadflow_projections.physical import (
    create_table,
    drop_table,
    drop_view,
    empty_slice,
    point_view,
)
from leadflow_projections.rest import at_rest_select
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection, Table

_BATCH_ROWS: Final = 8_192


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is."""

    phase: str
    """reading, writing, catching up, or done."""
    events: int
    of: int
    """The log's length when it began."""
    events_per_second: float
    eta_seconds: float | None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did; `as_data` is what `--json` prints."""

    projections: list[str]
    events: int
    seconds: float
    peak_memory_mb: float

    def as_data(self) -> dict[str, Any]:
        return {
            "projections": self.projections,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events / max(self.seconds, 1e-9)),
            "peak_memory_mb": round(self.peak_memory_mb),
        }


def rebuild_projections(
    store: Store,
    projections: Sequence[Projection],
    *,
    progress: Callable[[Progress], None] | None = None,
) -> Rebuilt:
    """Fold the whole log into new builds, and let the views show them.

    Readers see the former build until then, whole. What an earlier rebuild left unfinished
    is thrown away.

    Raises:
        BuildTaken: when somebody else rebuilds one of them.
        LogCorrupt: when an event cannot be read; nothing changed for readers.
    """
    begun = time.monotonic()
    owner = Owner.new()
    make_table(store)
    _clear_shadows(store, projections)
    followed = _begin(store, projections, owner)
    builds = [each.build for each in followed]
    end = store.head().position
    tell = _teller(progress, begun, end)
    try:
        # The log first: a child begins to read it while the engine is still being loaded.
        with (
            beating(store, builds, owner),
            open_log(store, upto=end) as log,
            open_engine() as engine,
        ):
            work = _Rebuild(store, engine, followed, tell, end)
            events = work.fold(log)
            work.show()
            events += work.catch_up()
            replaced = _promote(store, followed)
    except BaseException as error:
        release(store, builds, owner, error=str(error) or type(error).__name__)
        raise
    seconds = time.monotonic() - begun
    for build in replaced:
        drop_build(store, build)
    names = [projection.name for projection in projections]
    if progress is not None:
        progress(Progress("done", events, events, events / max(seconds, 1e-9), 0.0))
    return Rebuilt(names, events, seconds, peak_megabytes())


def _begin(store: Store, projections: Sequence[Projection], owner: Owner) -> list[Followed]:
    followed: list[Followed] = []
    now = store.now()
    with store.transaction(write=True) as cursor:
        for projection in projections:
            build = add_shadow(cursor, store.dialect, projection, owner, now)
            each = Followed(build, projection)
            for table in projection.tables:
                create_table(cursor, store.dialect, table, each.stored(table))
            followed.append(each)
    return followed


class _Rebuild:
    """The steps of one rebuild, with what they share."""

    def __init__(
        self,
        store: Store,
        engine: DuckDBPyConnection,
        followed: Sequence[Followed],
        tell: Callable[[str, int], None],
        end: int,
    ) -> None:
        self._store = store
        self._engine = engine
        self._followed = followed
        self._tell = tell
        self._end = end
        self._begun = time.monotonic()
        self._position = 0

    def fold(self, log: Iterator[pa.RecordBatch]) -> int:
        """Fold the log, and write the rows; gives its events."""
        tables = [table for each in self._followed for table in each.projection.tables]
        fold = Fold(self._engine, tables)
        fold.add_all(trusted_chunks(log), tell=lambda events: self._tell("reading", events))
        self._tell("writing", fold.events)
        with bulk_writer(self._store, fold.partial_rows) as writer, _one_by_one() as writing:
            for each in self._followed:
                for table in each.projection.tables:
                    fold.make_rows(table)
                    writing(partial(self._write, writer, each, table))
        fold.clear()
        self._check_rows()
        self._position = fold.position
        return fold.events

    def _write(self, writer: Writer, each: Followed, table: Table) -> None:
        order = ", ".join(map(quoted, table.key))
        select = f"{at_rest_select(table, quoted(rows_name(table)))} ORDER BY {order}"
        with (
            self._engine.cursor() as engine,
            engine.sql(select).to_arrow_reader(_BATCH_ROWS) as rows,
        ):
            writer.write(each.build, table, each.stored(table), rows)

    def _check_rows(self) -> None:
        """See that what was folded is what the store has, before anybody is shown it."""
        for each in self._followed:
            for table in each.projection.tables:
                made = quoted(rows_name(table))
                ((expected,),) = self._engine.execute(f"SELECT count(*) FROM {made}").fetchall()
                with self._store.transaction(write=False) as cursor:
                    cursor.execute(f"SELECT count(*) FROM {quoted(each.stored(table))}")
                    (stored,) = cursor.fetchone()
                if stored != expected:
                    raise StoreError(
                        f"{stored} rows of {table.name} are in the store where {expected} were "
                        "written",
                        hint=f"`leadflow projections rebuild {each.projection.name}` tries again.",
                    )
                self._engine.execute(f"DROP TABLE {made}")

    def show(self) -> None:
        """Set the checkpoint that the written rows stand for."""
        now = self._store.now()
        rate = round(self._end / max(time.monotonic() - self._begun, 1e-6))
        with self._store.transaction(write=True) as cursor:
            for each in self._followed:
                each.build = advance(
                    cursor,
                    self._store.dialect,
                    each.build,
                    self._position,
                    now,
                    state="catching_up",
                    rate=rate,
                )

    def catch_up(self) -> int:
        """Apply what was recorded meanwhile; gives its events.

        Up to the end as it stands now, since a busy log has always a newer one; whoever
        follows the log goes on from there.
        """
        self._tell("catching up", self._end)
        end = self._store.head().position
        follower = Follower(self._store, self._engine, self._followed)
        events = 0
        while follower.position < end:
            events += follower.step()
        return events


def _teller(
    progress: Callable[[Progress], None] | None, begun: float, end: int
) -> Callable[[str, int], None]:
    """What tells the phase and the events so far, with rate and time left."""

    def tell(phase: str, events: int) -> None:
        rate = events / max(time.monotonic() - begun, 1e-9)
        left = (end - events) / rate if rate else None
        if progress is not None:
            progress(Progress(phase, events, end, rate, left))

    return tell


@contextmanager
def _one_by_one() -> Generator[Callable[[Callable[[], None]], None]]:
    """Do things one after the other in a thread; at the block's end they are all done."""
    done: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="leadflow-writing") as thread:
        try:
            yield lambda thing: done.append(thread.submit(thing))
        except BaseException:
            thread.shutdown(wait=True, cancel_futures=True)
            raise
        for each in done:
            each.result()


def _promote(store: Store, followed: Sequence[Followed]) -> list[Build]:
    """Let the views show the new builds; gives the builds that were shown before."""
    replaced: list[Build] = []
    now = store.now()
    with store.transaction(write=True) as cursor:
        present = builds_at(cursor, store.dialect)
        for each in followed:
            advance(cursor, store.dialect, each.build, each.build.position, now)
            for build in present:
                if build.projection == each.projection.name and build.role == "live":
                    set_role(cursor, store.dialect, build, "previous")
                    replaced.append(build)
            set_role(cursor, store.dialect, each.build, "live")
            for table in each.projection.tables:
                point_view(cursor, store.dialect, table, each.stored(table))
        shown = {table.name for each in followed for table in each.projection.tables}
        for build in replaced:
            for name in build.view_names - shown:
                drop_view(cursor, name)
    return replaced


def _clear_shadows(store: Store, projections: Sequence[Projection]) -> None:
    """Throw away what interrupted rebuilds of these projections left."""
    names = {projection.name for projection in projections}
    now = store.now()
    for build in all_builds(store):
        if build.projection in names and build.role != "live":
            if build.is_held(now):
                raise BuildTaken(build.projection, build.build, build.host, build.pid)
            drop_build(store, build)


def drop_build(store: Store, build: Build) -> None:
    """Remove a build that no view shows, with its tables."""
    for name in build.table_names:
        more = True
        while more:
            with store.transaction(write=True) as cursor:
                more = empty_slice(cursor, store.dialect, name, 2_000)
    with store.transaction(write=True) as cursor:
        for name in build.table_names:
            drop_table(cursor, name)
        forget(cursor, store.dialect, build)
