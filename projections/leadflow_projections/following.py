"""Following the log: batches folded, merged into the stored rows, committed with the checkpoint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import LogCorrupt
from leadflow_projections.buckets import BUCKETS
from leadflow_projections.checkpoints import Build, advance
from leadflow_projections.eventwise import TableFold
from leadflow_projections.foldings import Folded, fold_columns, fold_events
from leadflow_projections.log_reader import check_whole, log_rows, missing_event
from leadflow_projections.parking import Lot, parked_in, write_parked
from leadflow_projections.physical import table_name, upsert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.algebra import Projection, Table
    from leadflow_projections.builds import Key

LogRow = Sequence[Any]

_FIRST_LIMIT: Final = 1_000
_LEAST_LIMIT: Final = 100
_MOST_LIMIT: Final = 20_000
_LONG_SECONDS: Final = 0.04
"""A write transaction should not keep others waiting for longer."""
_SHORT_SECONDS: Final = 0.015
FEW_EVENTS: Final = 120
"""Up to so many events are folded sooner one by one than by the engine."""
_SLICE_EVENTS: Final = 500


@dataclass
class Followed:
    """A build with the checkpoints that are held, and the definition that makes its rows."""

    build: Build
    projection: Projection

    def stored(self, table: Table) -> str:
        """The stored table behind one of the projection's tables."""
        return table_name(table, self.build.version, self.build.build)

    @cached_property
    def folds(self) -> list[TableFold]:
        """What folds its tables event by event."""
        return [TableFold(table) for table in self.projection.tables]

    @property
    def buckets(self) -> frozenset[int] | None:
        """The buckets that are furthest behind; None where that is all there are."""
        behind = [c.bucket for c in self.build.checkpoints if c.position == self.build.position]
        return None if len(behind) == self.build.buckets else frozenset(behind)


@dataclass(frozen=True, slots=True)
class _Page:
    """What comes next in the log for some builds."""

    end: int
    """Up to here the rows are all that there are."""
    rows: list[LogRow]


class Follower:
    """Brings builds up to the log's end, batch by batch; builds at one position together."""

    def __init__(
        self,
        store: Store,
        engine: DuckDBPyConnection,
        followed: Sequence[Followed],
        *,
        limit: int = _FIRST_LIMIT,
    ) -> None:
        """Follow a store's log; `limit` is how many events the first batch may have."""
        self._store = store
        self._engine = engine
        self._followed = list(followed)
        self._limit = limit
        self._lots: dict[Key, Lot] = {}
        self.end = 0
        """Where the log ended when it was last looked at."""

    @property
    def position(self) -> int:
        """The least position of the builds."""
        return min(each.build.position for each in self._followed)

    @property
    def builds(self) -> list[Build]:
        """The builds as they are now."""
        return [each.build for each in self._followed]

    def step(self) -> int:
        """Apply the next batch to the builds that are furthest behind; gives its positions.

        An event that cannot be taken in parks its lead in the builds that it is poison for.

        Raises:
            BuildTaken: when somebody else moved one of them; nothing was changed.
            LogCorrupt: when an event is missing; nothing was changed.
        """
        position = self.position
        together = self._together(position)
        begun = time.monotonic()
        with self._store.transaction(write=False) as cursor:
            page = self._page(cursor, position, together[0].buckets)
            self._learn_parked(cursor, together)
        if page is None:
            return 0
        self._apply(together, page, begun)
        return page.end - position

    def _together(self, position: int) -> list[Followed]:
        """The builds that are furthest behind, as far as they hold the same buckets."""
        behind = [each for each in self._followed if each.build.position == position]
        return [each for each in behind if each.buckets == behind[0].buckets]

    def _page(self, cursor: Cursor, position: int, buckets: frozenset[int] | None) -> _Page | None:
        """The next rows, with the log's end read in the same snapshot."""
        cursor.execute("SELECT position FROM log_head")
        (end,) = cursor.fetchone()
        self.end = end
        # Up to the next position that something else stands at, so that both go on together.
        others = [c.position for each in self._followed for c in each.build.checkpoints]
        ends = [end, position + self._limit, *(other for other in others if other > position)]
        end = min(ends)
        if end <= position:
            return None
        if buckets is not None:
            return _Page(end, _rows_of_buckets(cursor, position, end, buckets))
        rows = log_rows(cursor, self._store.dialect, position, end)
        check_whole([row[0] for row in rows], position)
        return _Page(rows[-1][0], rows)

    def _learn_parked(self, cursor: Cursor, followed: Sequence[Followed]) -> None:
        for each in followed:
            if each.build.key not in self._lots:
                parked = parked_in(cursor, self._store.dialect, each.build)
                self._lots[each.build.key] = Lot(waiting.stream for waiting in parked)

    def _apply(self, followed: Sequence[Followed], page: _Page, begun: float) -> None:
        if len(page.rows) <= FEW_EVENTS:
            self._one_by_one(followed, page, begun)
            return
        for alike in self._alike(followed, page.rows):
            try:
                self._by_columns(alike, page, begun)
            except Exception as error:
                if not _is_poison(error):
                    raise
                for part in _slices(page):
                    self._one_by_one(alike, part, time.monotonic())

    def _alike(self, followed: Sequence[Followed], rows: Sequence[LogRow]) -> list[list[Followed]]:
        """The builds, those together that have the same of these streams parked."""
        streams = {row[1] for row in rows}
        groups: dict[frozenset[str], list[Followed]] = {}
        for each in followed:
            parked = frozenset(streams & self._lots[each.build.key].streams)
            groups.setdefault(parked, []).append(each)
        return list(groups.values())

    def _one_by_one(self, followed: Sequence[Followed], page: _Page, begun: float) -> None:
        lots = [self._lots[each.build.key] for each in followed]
        for lot in lots:
            lot.waiting = {}
        folded = fold_events(self._store, followed, lots, page.rows)
        self._commit(followed, folded, page, begun)

    def _by_columns(self, followed: Sequence[Followed], page: _Page, begun: float) -> None:
        for each in followed:
            lot = self._lots[each.build.key]
            lot.waiting = {}
            for row in page.rows if lot.streams else ():
                if row[1] in lot.streams:
                    lot.add(row[1], row[0])
        parked = self._lots[followed[0].build.key].streams
        rows = [row for row in page.rows if row[1] not in parked] if parked else page.rows
        folded = fold_columns(self._store, self._engine, followed, rows)
        self._commit(followed, folded, page, begun)

    def _commit(
        self,
        followed: Sequence[Followed],
        folded: Mapping[Key, Folded],
        page: _Page,
        begun: float,
    ) -> None:
        rate = round(len(page.rows) / max(time.monotonic() - begun, 1e-6))
        now, dialect = self._store.now(), self._store.dialect
        locked = time.monotonic()
        moved: list[Build] = []
        with self._store.transaction(write=True) as cursor:
            if dialect == "postgresql":
                # What a crash of the server takes back is rows and checkpoint, both or none,
                # and is folded again: nobody need wait for the disk.
                cursor.execute("SET LOCAL synchronous_commit TO off")
            for each in followed:
                events = folded[each.build.key].events
                build = advance(
                    cursor, dialect, each.build, page.end, now, folded=events, rate=rate
                )
                write_parked(cursor, dialect, build, self._lots[build.key], now)
                moved.append(build)
            for each in followed:
                for table, rows in folded[each.build.key].rows:
                    upsert_rows(cursor, dialect, table, each.stored(table), rows)
        for each, build in zip(followed, moved, strict=True):
            each.build = build
            self._lots[build.key].settle()
        self._adapt(len(page.rows), time.monotonic() - locked)

    def _adapt(self, events: int, seconds: float) -> None:
        if self._store.dialect == "sqlite" and seconds > _LONG_SECONDS:
            self._limit = max(_LEAST_LIMIT, self._limit // 2)
        elif events >= self._limit and seconds < _SHORT_SECONDS:
            self._limit = min(_MOST_LIMIT, self._limit * 2)


def _rows_of_buckets(
    cursor: Cursor, position: int, end: int, buckets: frozenset[int]
) -> list[LogRow]:
    """The rows of some buckets, on PostgreSQL; with none of the others missing either."""
    cursor.execute(
        "SELECT count(*) FROM stored_events WHERE position > %s AND position <= %s",
        (position, end),
    )
    if cursor.fetchone()[0] != end - position:
        raise missing_event(position + 1)
    digits = [f"{bucket:x}" for bucket in sorted(buckets)]
    assert all(bucket < BUCKETS for bucket in buckets)
    cursor.execute(
        "SELECT position, originator_id::text, originator_version, topic, state, recorded_at "
        "FROM stored_events WHERE position > %s AND position <= %s "
        "AND right(originator_id::text, 1) = ANY(%s) ORDER BY position",
        (position, end, digits),
    )
    rows: list[LogRow] = cursor.fetchall()
    return rows


def _slices(page: _Page) -> list[_Page]:
    """A page in short pieces, since events one by one take their time."""
    rows = page.rows
    cuts = range(0, len(rows), _SLICE_EVENTS)
    parts = [rows[cut : cut + _SLICE_EVENTS] for cut in cuts]
    return [_Page(page.end if part is parts[-1] else part[-1][0], part) for part in parts]


def _is_poison(error: Exception) -> bool:
    """Whether one of the events is the cause: then each has to be looked at."""
    import duckdb

    return isinstance(error, LogCorrupt | duckdb.Error)
