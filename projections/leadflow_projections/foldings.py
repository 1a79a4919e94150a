"""A batch of the log folded into the stored rows of builds: by columns, or event by event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leadflow.errors import LogCorrupt
from leadflow_projections.computing import computed_of, with_computed
from leadflow_projections.eventwise import Event, Row, TableFold, failed
from leadflow_projections.folding import Fold
from leadflow_projections.foreign import check_fields, is_foreign
from leadflow_projections.judging import judged_state, trusted
from leadflow_projections.log_reader import batch_of, log_schema
from leadflow_projections.physical import select_rows, stored_rows
from leadflow_projections.rest import at_rest_select, from_rest_select
from leadflow_projections.sql import fields_of, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.algebra import Table
    from leadflow_projections.builds import Key
    from leadflow_projections.following import Followed
    from leadflow_projections.parking import Lot

LogRow = Sequence[Any]


@dataclass(slots=True)
class Folded:
    """What a batch makes of one build's rows."""

    events: int
    """Events that went into them."""
    rows: list[tuple[Table, list[tuple[Any, ...]]]] = field(
        default_factory=list[tuple["Table", list[tuple[Any, ...]]]]
    )


def fold_columns(
    store: Store,
    engine: DuckDBPyConnection,
    followed: Sequence[Followed],
    rows: Sequence[LogRow],
) -> dict[Key, Folded]:
    """Fold a batch by the engine, all builds in one go.

    Raises:
        LogCorrupt: when one of the events cannot be read.
        duckdb.Error: when one cannot be folded.
    """
    import pyarrow as pa

    folded = {each.build.key: Folded(len(rows)) for each in followed}
    if not rows:
        return folded
    tables = [table for each in followed for table in each.projection.tables]
    fold = Fold(engine, tables)
    try:
        fold.add(trusted(pa.Table.from_batches([batch_of(rows)])))
        for each in followed:
            for table in each.projection.tables:
                made = _merged(store, engine, fold, each, table)
                folded[each.build.key].rows.append((table, made))
    finally:
        fold.clear()
    return folded


def _merged(
    store: Store, engine: DuckDBPyConnection, fold: Fold, each: Followed, table: Table
) -> list[tuple[Any, ...]]:
    """The rows of the touched keys: what the batch adds, merged with what is stored."""
    keys = engine.execute(fold.keys_of(table)).fetchall()
    with store.transaction(write=False) as cursor:
        stored = select_rows(cursor, store.dialect, table, each.stored(table), keys)
    engine.register("stored", stored)
    try:
        select = fold.rows_of(table, and_rows=f"({from_rest_select(table, 'stored')})")
        order = ", ".join(map(quoted, table.key))
        return engine.execute(f"{at_rest_select(table, f'({select})')} ORDER BY {order}").fetchall()
    finally:
        engine.unregister("stored")


def fold_events(
    store: Store, followed: Sequence[Followed], lots: Sequence[Lot], rows: Sequence[LogRow]
) -> dict[Key, Folded]:
    """Fold a batch event by event; what cannot be taken in goes into the build's lot."""
    judged = _judged(rows)
    with store.transaction(write=False) as cursor:
        return {
            each.build.key: _fold_events(cursor, store.dialect, each, lot, rows=rows, judged=judged)
            for each, lot in zip(followed, lots, strict=True)
        }


def fold_events_at(
    cursor: Cursor, dialect: str, followed: Followed, lot: Lot, rows: Sequence[LogRow]
) -> Folded:
    """The same for one build, with its rows as a transaction sees them."""
    return _fold_events(cursor, dialect, followed, lot, rows=rows, judged=_judged(rows))


def _fold_events(
    cursor: Cursor,
    dialect: str,
    followed: Followed,
    lot: Lot,
    *,
    rows: Sequence[LogRow],
    judged: Mapping[int, bytes | LogCorrupt],
) -> Folded:
    reading = _Reading(followed)
    waiting = [row for row in rows if row[1] not in lot.streams] if lot.streams else rows
    events = {row[0]: reading.event(row, judged[row[0]]) for row in waiting}
    for fold, keys in reading.keys(events.values()):
        name = followed.stored(fold.table)
        reading.stand(fold, stored_rows(cursor, dialect, fold.table, name, keys))
    count = sum(reading.take(row, events.get(row[0]), lot) for row in rows)
    return Folded(count, reading.made())


def _judged(rows: Iterable[LogRow]) -> dict[int, bytes | LogCorrupt]:
    """Each row's state as its model writes it, or why it is none, by position."""
    names = log_schema().names
    judged: dict[int, bytes | LogCorrupt] = {}
    for row in rows:
        try:
            judged[row[0]] = judged_state(dict(zip(names, row, strict=True)))
        except LogCorrupt as poison:
            judged[row[0]] = poison
    return judged


class _Reading:
    """One build's tables, event by event."""

    def __init__(self, followed: Followed) -> None:
        tables = followed.projection.tables
        self.folds = followed.folds
        self._computed = computed_of(tables)
        self._foreign = {
            topic: fields_of([table for table in tables if topic in table.of])
            for table in tables
            for topic in table.of
            if is_foreign(topic)
        }
        self._rows: list[dict[tuple[Any, ...], Row]] = [{} for _ in tables]

    def event(self, row: LogRow, state: bytes | LogCorrupt) -> Event | LogCorrupt:
        """The event of a row of the log, or why it cannot be read."""
        if isinstance(state, LogCorrupt):
            return state
        computed: dict[str, Any] = {}
        try:
            if self._computed or row[3] in self._foreign:
                chunk = _trusted_row(row, state)
                check_fields(chunk, self._foreign)
                [found] = with_computed(chunk, self._computed).to_pylist()
                computed = {path: found[path] for path in self._computed}
            return Event.of(row, state, computed)
        except LogCorrupt as poison:
            return poison

    def keys(
        self, events: Iterable[Event | LogCorrupt]
    ) -> Iterable[tuple[TableFold, list[tuple[Any, ...]]]]:
        """The keys of the rows that the events touch, by table."""
        found = [event for event in events if isinstance(event, Event)]
        for fold in self.folds:
            yield fold, list({key for event in found if (key := fold.key_of(event))})

    def stand(self, fold: TableFold, stored: Iterable[Sequence[Any]]) -> None:
        """What is stored of the rows that the events touch."""
        rows = self._rows[self.folds.index(fold)]
        for values in stored:
            row = fold.read(values)
            rows[tuple(row[name] for name in fold.table.key)] = row

    def take(self, row: LogRow, event: Event | LogCorrupt | None, lot: Lot) -> bool:
        """Fold an event into all tables, or let it wait; whether it was folded."""
        position, stream = row[0], row[1]
        if lot.holds(stream) or event is None:
            lot.add(stream, position)
        elif isinstance(event, LogCorrupt):
            lot.add(stream, position, event.message)
        else:
            why = self._fold(event)
            if why is None:
                return True
            lot.add(stream, position, failed(position, why).message)
        return False

    def _fold(self, event: Event) -> str | None:
        """Fold an event into all tables; or into none, and say why."""
        changed: list[tuple[dict[tuple[Any, ...], Row], tuple[Any, ...], Row]] = []
        try:
            for fold, rows in zip(self.folds, self._rows, strict=True):
                key = fold.key_of(event)
                if key is not None:
                    row = rows[key] if key in rows else fold.new_row(key)
                    changed.append((rows, key, row | fold.changes(row, event)))
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            return str(error) or type(error).__name__
        for rows, key, row in changed:
            rows[key] = row
        return None

    def made(self) -> list[tuple[Table, list[tuple[Any, ...]]]]:
        """The rows at rest, by table and in order of their keys."""
        return [
            (fold.table, [fold.written(rows[key]) for key in sorted(rows, key=_order)])
            for fold, rows in zip(self.folds, self._rows, strict=True)
        ]


def _order(key: Sequence[Any]) -> tuple[tuple[bool, Any], ...]:
    return tuple((isinstance(part, str), part) for part in key)


def _trusted_row(row: LogRow, state: bytes) -> Any:
    """A chunk of one row of the log, with its state as the model writes it."""
    import pyarrow as pa

    chunk = pa.Table.from_batches([batch_of([row])])
    at = chunk.schema.get_field_index("state")
    return chunk.set_column(at, "state", pa.array([state.decode()], pa.string()))
