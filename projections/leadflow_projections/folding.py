"""Folding the log into tables: chunks of events in, partial rows merged, tables out.

The same code folds a live batch, a rebuild and a reading of the past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from leadflow_projections.ahead import ahead
from leadflow_projections.computing import computed_of, with_computed
from leadflow_projections.decoding import ASSUMED, DAY_ONLY, decode_select
from leadflow_projections.engine import with_fewer_threads
from leadflow_projections.foreign import check_fields, is_foreign
from leadflow_projections.judging import trusted
from leadflow_projections.log_reader import in_chunks
from leadflow_projections.memory import give_back
from leadflow_projections.moments import microseconds
from leadflow_projections.partials import PLACE, Spool, place_sql, slices
from leadflow_projections.sql import (
    Combined,
    combined,
    fields_of,
    fold_select,
    literal,
    partial_columns,
    quoted,
)
from leadflow_projections.views import view_select

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Table, Type
    from leadflow_projections.archive.twin import Archive

DAY_US: Final = 86_400_000_000

CHUNK_ROWS: Final = 76_800
"""Events folded at once: more take more memory, fewer more planning."""


@dataclass(frozen=True, slots=True)
class FoldedLog:
    """What a reading of the log took in."""

    position: int
    """The last position that was read, whether or not its event counted."""
    events: int
    assumed: int
    """Events that a reading as of a moment left out, since their time is only assumed."""


@dataclass(frozen=True, slots=True)
class Room:
    """How much a fold holds in memory."""

    partial_rows: int = 100_000
    """So many may gather before they go to a file."""
    events: int = 1_000_000
    """That one statement folds at most: each of them may be of another lead."""
    unspooled: int = 2_000_000
    """Events after which a fold that can be gone on with puts what it has into a file."""


class Fold:
    """Takes chunks of log rows in, in any order; gives the tables' rows at the end."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        tables: Sequence[Table],
        *,
        as_of: int | None = None,
        as_of_day: int | None = None,
        spool: Spool | None = None,
        room: Room | None = None,
    ) -> None:
        """Begin a fold of these tables in an engine; moments in microseconds since the epoch.

        Args:
            connection: the engine.
            tables: what is folded.
            as_of: the moment up to which events count.
            as_of_day: the same for bare dates, which are recorded as 00:00 UTC; else `as_of`.
            spool: takes partial rows, and may have some of an earlier fold, which this one
                goes on with; None keeps them in memory, and in the engine's own folder.
            room: how much is held in memory.
        """
        self._connection = connection
        self._room = room or Room()
        self._spool = spool
        self._is_resumable = spool is not None
        self._as_of = as_of
        self.tables = tuple(tables)
        self._groups = combined(tables)
        self._group_of = {t.name: group for group in self._groups for t in group.tables}
        self._computed = computed_of(tables)
        kinds = {path: each.value.type for path, each in self._computed.items()}
        self._decode = decode_select(self.fields, "chunk", kinds)
        foreign = {topic for table in tables for topic in table.of if is_foreign(topic)}
        self._foreign = {
            topic: fields_of([table for table in tables if topic in table.of]) for topic in foreign
        }
        self._last_day = as_of if as_of_day is None else as_of_day
        self.position = 0 if spool is None else spool.position
        self.events = self._spooled_events = 0 if spool is None else spool.events
        self.assumed = 0
        self._make_empty()

    def _make_empty(self) -> None:
        for group in self._groups:
            columns = partial_columns(group.table).items()
            declared = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns)
            self._connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {group.table.name} ({declared})"
            )

    def add(self, chunk: pa.Table) -> None:
        """Fold a chunk of log rows that `judging.trusted` has gone through."""
        if chunk.num_rows == 0:
            return
        if self._foreign:
            check_fields(chunk, self._foreign)
        if self._computed:
            chunk = with_computed(chunk, self._computed)
        position = chunk_position(chunk)
        self._connection.register("chunk", chunk)
        try:
            if self._as_of is None and len(self._groups) == 1:
                self._fold(self._decode, chunk.num_rows, position)
                return
            # What is read several times is decoded once.
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE events AS {self._decode}")
        finally:
            self._connection.unregister("chunk")
        self._fold("FROM events", chunk.num_rows, position)

    def add_decoded(self, select: str, *, events: int, position: int) -> None:
        """Fold events that are decoded already.

        Args:
            select: a statement that gives the columns that `decoding.decode_select` does:
                position, recorded_at, topic, lead_id, cycle, occurred_at, basis, irregular,
                and every one of `fields` by its path.
            events: how many it gives.
            position: the last of their positions.
        """
        if events <= self._room.events:
            if events:
                self._fold(select, events, position)
            return
        after = self._number(f"FROM ({select})", "min(position)") - 1
        while after < position:
            upto = min(after + self._room.events, position)
            some = f"FROM ({select}) WHERE position > {after} AND position <= {upto}"
            count = events if upto == position else self._number(some)
            self._fold(some, count, upto)
            events -= count
            after = upto

    @property
    def fields(self) -> dict[str, Type]:
        """The fields of an event's state that are read, with their types."""
        return fields_of(self.tables)

    @property
    def needs_events(self) -> bool:
        """Whether whole events are read: for functions, and of other applications."""
        return bool(self._computed or self._foreign)

    @property
    def connection(self) -> DuckDBPyConnection:
        """The engine that it folds in."""
        return self._connection

    def _fold(self, decoded: str, events: int, position: int) -> None:
        """Fold decoded events, which a statement gives."""
        counted = f"({decoded})"
        if self._as_of is not None:
            self.assumed += self._number(f"FROM ({decoded}) WHERE basis = {ASSUMED}")
            is_date = f"basis = {DAY_ONLY} AND occurred_at % {DAY_US} = 0"
            upto = f"CASE WHEN {is_date} THEN {self._last_day} ELSE {self._as_of} END"
            counted = f"(FROM ({decoded}) WHERE basis <> {ASSUMED} AND occurred_at <= {upto})"
        for group in self._groups:
            self._connection.execute(
                f"INSERT INTO {group.table.name} "
                f"{fold_select(group.table, counted, as_of=self._as_of)}"
            )
        self.events += events
        self.position = max(self.position, position)
        self._spill_what_is_much()

    def _spill_what_is_much(self) -> None:
        # What was read out of order, beside a damaged segment, is no begin to go on from.
        spooled = self.events - self._spooled_events
        due = (
            self._is_resumable and spooled >= self._room.unspooled and self.events == self.position
        )
        gathered = max(self._number(f"FROM {group.table.name}") for group in self._groups)
        if gathered <= self._room.partial_rows and not due:
            return
        if self._spool is None:
            ((folder,),) = self._connection.execute(
                "SELECT current_setting('temp_directory')"
            ).fetchall()
            self._spool = Spool(Path(folder) / f"partials-{uuid4()}")
        names = {group.table.name: group.is_of_leads for group in self._groups}
        self._spool.keep(self._connection, names, position=self.position, events=self.events)
        self._spooled_events = self.events
        self._make_empty()

    def _partials(self, group: Combined, within: str | None = None) -> str:
        """A relation of a group's partial rows, those in files included."""
        name = quoted(group.table.name)
        files = [] if self._spool is None else self._spool.files(group.table.name)
        if not files and within is None:
            return name
        rows = f"SELECT *, {place_sql(group.is_of_leads)} AS {PLACE} FROM {name}"
        if files:
            listed = ", ".join(literal(str(file)) for file in files)
            rows += f" UNION ALL BY NAME FROM read_parquet([{listed}])"
        return f"(FROM ({rows}) WHERE {within or 'true'})"

    @property
    def partial_rows(self) -> int:
        """How many partial rows there are: no fewer than the rows of the largest table."""
        return sum(self._number(f"FROM {self._partials(group)}") for group in self._groups)

    def add_all(
        self, chunks: Iterable[pa.Table], *, tell: Callable[[int], None] | None = None
    ) -> None:
        """Fold chunks, each while the next one is made; `tell` is told the events so far."""
        with with_fewer_threads(self._connection), ahead(chunks) as ready:
            for chunk in ready:
                self.add(chunk)
                del chunk
                give_back()
                if tell is not None:
                    tell(self.events)

    def finish(self) -> None:
        """Make a table of physical columns for each declared one, named `<table>__rows`."""
        for table in self.tables:
            self.make_rows(table)
        self.clear()

    def make_rows(self, table: Table) -> None:
        """Make one such table, which other connections to the engine see too."""
        name = quoted(rows_name(table))
        first, *more = self.slices(table)
        self._connection.execute(
            f"CREATE OR REPLACE TABLE {name} AS {self.rows_of(table, within=first)}"
        )
        for within in more:
            self._connection.execute(f"INSERT INTO {name} {self.rows_of(table, within=within)}")

    def slices(self, table: Table) -> list[str | None]:
        """Which parts of a table's rows can be made one after the other, in order of their keys."""
        group = self._group_of[table.name]
        return slices(self._connection, self._partials(group, "true"), self._room.partial_rows // 4)

    def rows_of(
        self, table: Table, *, within: str | None = None, and_rows: str | None = None
    ) -> str:
        """The statement that gives a table's rows, all of them or a slice's."""
        group = self._group_of[table.name]
        partials = self._partials(group, within)
        return group.rows_of(table, partials=partials, and_rows=and_rows)

    def keys_of(self, table: Table) -> str:
        """The statement that gives the keys of a table's rows that the events touch."""
        group = self._group_of[table.name]
        return group.keys_of(table, partials=self._partials(group))

    def clear(self) -> None:
        """Give back what the fold holds in the engine, and its files."""
        for group in self._groups:
            self._connection.execute(f"DROP TABLE {group.table.name}")
        self._connection.execute("DROP TABLE IF EXISTS events")
        if self._spool is not None:
            self._spool.clear()

    def _number(self, source: str, what: str = "count(*)") -> int:
        ((number,),) = self._connection.execute(f"SELECT {what} {source}").fetchall()
        return int(number or 0)


def chunk_position(chunk: pa.Table) -> int:
    """The greatest position of a chunk of log rows."""
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its types are stricter than what it takes
    return int(compute.max(chunk["position"]).as_py())


def rows_name(table: Table) -> str:
    """The name of the engine's table that holds a declared table's physical rows."""
    return f"{table.name}__rows"


def fold_log(
    connection: DuckDBPyConnection,
    log: Store | Archive,
    tables: Sequence[Table],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    upto: int | None = None,
    by_person: bool = False,
    zone: tzinfo = UTC,
) -> FoldedLog:
    """Read a log, by its twin where it has one, and make one engine table per declared one.

    The tables hold the public columns; instants are TIMESTAMP in UTC, maps MAP.

    Args:
        connection: the engine, see `open_engine`.
        log: the store, or the twin of its log alone.
        tables: what is folded.
        as_of: only events that had happened by then, in the order of the log; events of
            assumed time are left out.
        known_at: only events that the log had learnt of by then.
        upto: only events up to this position.
        by_person: one row for merged persons: their leads' rows merged, under the
            survivor's id.
        zone: a date that is known only to the day has happened, as of a moment, when that
            day has begun in this zone.
    """
    from leadflow_projections.persons import merge_persons
    from leadflow_projections.sourcing import fold_range

    fold = Fold(
        connection,
        tables,
        as_of=None if as_of is None else microseconds(as_of),
        as_of_day=None if as_of is None else _day_of(as_of, zone),
    )
    limit = None if known_at is None else microseconds(known_at)
    fold_range(fold, log, upto=upto, known_at=limit)
    fold.finish()
    for table in tables:
        rows = rows_name(table)
        if by_person:
            merge_persons(connection, table, rows)
        connection.execute(
            f"CREATE OR REPLACE TABLE {quoted(table.name)} AS {view_select(table, rows, 'duckdb')}"
        )
    return FoldedLog(fold.position, fold.events, fold.assumed)


def _day_of(moment: datetime, zone: tzinfo) -> int:
    """The moment's date in the zone, as a bare date is recorded: its 00:00 UTC."""
    return microseconds(datetime.combine(moment.astimezone(zone).date(), time(), UTC))


def trusted_chunks(
    log: Iterable[pa.RecordBatch], known_at: int | None = None
) -> Iterator[pa.Table]:
    """The log in chunks that a fold takes, up to what it had learnt of by `known_at` (µs)."""
    ended = False

    def checked(chunk: pa.Table) -> pa.Table:
        nonlocal ended
        known = chunk if known_at is None else _known_by(chunk, known_at)
        # recorded_at never falls with position: nothing that comes after counts either.
        ended = known.num_rows < chunk.num_rows
        return trusted(known)

    chunks = in_chunks(log, CHUNK_ROWS)
    while not ended and (chunk := next(chunks, None)) is not None:
        held = [chunk]
        del chunk  # while its taker works on what is given, nothing else is kept in memory
        yield checked(held.pop())


def _known_by(chunk: pa.Table, limit: int) -> pa.Table:
    import pyarrow.compute

    compute: Any = pyarrow.compute  # its types are stricter than what it takes
    return chunk.filter(compute.less_equal(chunk["recorded_at"], limit))
