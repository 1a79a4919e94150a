"""Folding a few events one by one: the same declarations, evaluated in Python.

The engine needs some 50 ms to plan and start the statements of the shipped projections, for
one event as for a thousand; here an event takes a fraction of one. What a column takes and
how it merges is said in `algebra` and `taking` alone; tests hold both evaluators to the same
rows, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, cast
from uuid import UUID

import orjson

from leadflow.errors import LogCorrupt
from leadflow_projections.algebra import Column, Merge, Scope, Table
from leadflow_projections.decoding import BASES
from leadflow_projections.moments import microseconds
from leadflow_projections.sql import is_lead_grain, physical_columns
from leadflow_projections.taking import (
    CYCLE,
    DAY,
    ENTRY,
    IRREGULAR,
    LEAD_ID,
    NOTHING,
    OCCURRED_AT,
    POSITION,
    RECORDED_AT,
    STREAM_ID,
    TOPIC,
    TRUE,
    Condition,
    Take,
    Type,
    Value,
)

_DAY_US: Final = 86_400_000_000
_MOST: Final = 2**63
_PREFERENCE: Final = 2**53
"""Positions stay below it; what stands above says which take a `first` column came from."""

Row = dict[str, Any]
"""The physical columns of a row at rest; maps that were touched as dictionaries."""
Read = Callable[["Event"], Any]
Arm = tuple[Callable[["Event"], bool], Read, int]
"""When it is taken, what is taken, and what is added to its position."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event as columns take from it."""

    position: int
    recorded_at: int
    topic: str
    stream: str
    state: Mapping[str, Any]
    occurred_at: int
    basis: int
    computed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What functions made of it, by the paths of their values."""

    @classmethod
    def of(
        cls, row: Sequence[Any], state: bytes | str, computed: Mapping[str, Any] | None = None
    ) -> Event:
        """An event of a row of the log, with its state as `judging` answers for it."""
        document: dict[str, Any] = orjson.loads(state)
        basis = document.get("time_basis")
        return cls(
            position=row[0],
            recorded_at=row[5],
            topic=row[3],
            stream=str(UUID(row[1])),
            state=document,
            occurred_at=_instant(document["occurred_at"]),
            basis=BASES.index(basis) if basis in BASES else 0,
            computed=computed or {},
        )


def _instant(value: Any) -> int:
    return microseconds(datetime.fromisoformat(value))


# --- what is taken of an event ----------------------------------------------------------

_FIXED: Final[Mapping[Value, Read]] = {
    NOTHING: lambda event: None,  # noqa: ARG005
    TRUE: lambda event: True,  # noqa: ARG005
    STREAM_ID: lambda event: event.stream,
    LEAD_ID: lambda event: event.stream,
    CYCLE: lambda event: event.state.get("cycle"),
    POSITION: lambda event: event.position,
    TOPIC: lambda event: event.topic,
    OCCURRED_AT: lambda event: event.occurred_at,
    RECORDED_AT: lambda event: event.recorded_at,
    ENTRY: lambda event: event.occurred_at * 4 + event.basis,
    DAY: lambda event: str(event.occurred_at // _DAY_US),
    IRREGULAR: lambda event: bool(event.state.get("irregular")),
}


def _at(path: str) -> Read:
    names = path.split(".")
    if len(names) == 1:
        return lambda event: event.state.get(path)

    def read(event: Event) -> Any:
        found: Any = event.state
        for name in names:
            if not isinstance(found, dict):
                return None
            found = cast("dict[str, Any]", found).get(name)
        return found

    return read


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()


_AS: Final[Mapping[Type, Callable[[Any], Any]]] = {
    Type.TEXT: _text,
    Type.INTEGER: int,
    Type.BOOLEAN: bool,
    Type.INSTANT: _instant,
    Type.UUID: lambda value: str(UUID(value)),
}


def _reader(value: Value) -> Read:
    """What gives a value of an event."""
    if value in _FIXED:
        return _FIXED[value]
    if value.compute is not None:
        return lambda event: event.computed.get(value.path)
    at = _at(value.path)
    if value.type is Type.LEVEL:
        places = {word: place for place, word in enumerate(value.levels)}
        return lambda event: places.get(at(event))
    if value.member is not None:
        return lambda event: _text(_fields(at(event)).get(value.member))
    if value.money:
        return lambda event: _amount(at(event))
    typed = _AS[value.type]

    def read(event: Event) -> Any:
        found = at(event)
        return None if found is None else typed(found)

    return read


def _fields(value: Any) -> dict[str | None, Any]:
    """An object of the state; none where there is something else."""
    return cast("dict[str | None, Any]", value) if isinstance(value, dict) else {}


def _amount(value: Any) -> str:
    money = _fields(value)
    minor, currency = money.get("minor"), money.get("currency")
    return "?" if minor is None or currency is None else f"{minor} {currency}"


def _holds(condition: Condition) -> Callable[[Event], bool]:
    read, wanted = _reader(condition.value), condition.equals
    if condition.absent:
        return lambda event: read(event) is None
    if wanted is not None:
        same = wanted if isinstance(wanted, bool) else str(wanted)
        return lambda event: read(event) == same
    if condition.value == IRREGULAR:
        return lambda event: bool(read(event))
    return lambda event: read(event) is not None


def _arm(part: Take, behind: int) -> Arm:
    read = _reader(part.value)
    conditions = [_holds(condition) for condition in part.when]
    if not part.blank and not part.value.envelope:
        conditions.append(lambda event: read(event) is not None)

    def negative(event: Event) -> Any:
        value = read(event)
        return None if value is None else -value

    def taken(event: Event) -> bool:
        return all(holds(event) for holds in conditions)

    return taken, (negative if part.negative else read), behind


# --- how it merges ----------------------------------------------------------------------


class _Merging:
    """One column: what it takes from the events of a topic, and how that changes a row."""

    def __init__(self, table: Table, column: Column) -> None:
        self.name = column.name
        self.companion = table.companions.get(column.name, "")
        self.current = column.scope is Scope.CURRENT_CYCLE
        self._merge = column.merge
        self._takes = column.takes
        self._by = None if column.by is None else _reader(column.by)

    def empty(self) -> Row:
        """The column, and its companion, in a row of no events."""
        if self._merge is Merge.LAST_BY:
            return {self.name: "{}", self.companion: "{}"}
        if self._merge is Merge.TOTAL_BY:
            return {self.name: "{}"}
        zero = 0 if self._merge in {Merge.TOTAL, Merge.COUNT} else None
        return {self.name: zero, self.companion: None} if self.companion else {self.name: zero}

    def arms(self, topic: str) -> list[Arm]:
        """Those of its takes that an event of a topic may be taken by, first things first."""
        ranked = self._merge is Merge.FIRST
        return [
            _arm(part, index * _PREFERENCE if ranked else 0)
            for index, part in enumerate(self._takes)
            if not part.topics or topic in part.topics
        ]

    def change(self, row: Row, event: Event, value: Any, place: int) -> Row:
        """What a taken value changes in a row."""
        match self._merge:
            case Merge.LAST | Merge.FIRST:
                return self._placed(row, value, place)
            case Merge.TOTAL_BY | Merge.LAST_BY:
                return self._by_key(row, event, value, place)
            case Merge.TOTAL | Merge.COUNT:
                more = 1 if self._merge is Merge.COUNT else value or 0
                return {self.name: _bounded(row[self.name] + more)}
            case Merge.LEAST | Merge.GREATEST:
                if value is None:
                    return {}
                known = row[self.name]
                extreme = min if self._merge is Merge.LEAST else max
                return {self.name: value if known is None else extreme(known, value)}

    def _placed(self, row: Row, value: Any, place: int) -> Row:
        known = row[self.companion]
        is_last = self._merge is Merge.LAST
        if known is None or (place > known if is_last else place < known):
            return {self.name: value, self.companion: place}
        return {}

    def _by_key(self, row: Row, event: Event, value: Any, place: int) -> Row:
        assert self._by is not None
        key = _text(self._by(event))
        if key is None:
            return {}
        known = as_map(row[self.name])
        if self._merge is Merge.TOTAL_BY:
            if value is None:
                return {}
            return {self.name: {**known, key: _bounded(known.get(key, 0) + value)}}
        places = as_map(row[self.companion])
        if place <= places.get(key, -1):
            return {}
        return {self.name: {**known, key: _text(value)}, self.companion: {**places, key: place}}


def _bounded(total: int) -> int:
    if not -_MOST <= total < _MOST:
        raise OverflowError("a sum goes beyond 64 bits")
    return total


class TableFold:
    """One table's rows, event by event."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self._columns = [_Merging(table, column) for column in table.columns.values()]
        self._keys = [_reader(value) for value in table.key.values()]
        self._of_leads = is_lead_grain(table)
        self._of = frozenset(table.of)
        self._by_topic: dict[str, list[tuple[_Merging, list[Arm]]]] = {}

    def key_of(self, event: Event) -> tuple[Any, ...] | None:
        """The key of the row that an event belongs to; None when it belongs to none."""
        if self._of and event.topic not in self._of:
            return None
        if self._of_leads and event.state.get("cycle") is None:
            return None
        key = tuple(read(event) for read in self._keys)
        return None if None in key else key

    @cached_property
    def _empty(self) -> Row:
        row = dict.fromkeys(physical_columns(self.table))
        for column in self._columns:
            row.update(column.empty())
        return row

    def new_row(self, key: Sequence[Any]) -> Row:
        """A row of no events."""
        return {**self._empty, **dict(zip(self.table.key, key, strict=True))}

    def changes(self, row: Row, event: Event) -> Row:
        """What an event changes in its row, as columns with their new values.

        Raises:
            OverflowError: when a sum goes beyond what columns hold.
        """
        changed: Row = {}
        stands = row
        current = True
        cycle, top = event.state.get("cycle"), row.get("cycle")
        if cycle is not None and top is not None and "cycle" in self.table.columns:
            if cycle > top:  # what was of an earlier cycle does not count any more
                for column in self._columns:
                    if column.current:
                        changed |= column.empty()
                stands = {**row, **changed}
            current = cycle >= top
        for column, arms in self._taking(event.topic):
            if column.current and not current:
                continue
            for taken, read, behind in arms:
                if taken(event):
                    # Columns that share a companion compare with it as it stood before.
                    place = event.position + behind
                    changed |= column.change(stands, event, read(event), place)
                    break
        return changed

    def _taking(self, topic: str) -> list[tuple[_Merging, list[Arm]]]:
        if topic not in self._by_topic:
            every = [(column, column.arms(topic)) for column in self._columns]
            self._by_topic[topic] = [(column, arms) for column, arms in every if arms]
        return self._by_topic[topic]

    @cached_property
    def _kinds(self) -> dict[str, str]:
        return physical_columns(self.table)

    def read(self, values: Sequence[Any]) -> Row:
        """A row as the database gave it."""
        return {
            name: _from_rest(kind, value)
            for (name, kind), value in zip(self._kinds.items(), values, strict=True)
        }

    def written(self, row: Row) -> tuple[Any, ...]:
        """A row as it is kept at rest."""
        return tuple(
            map_text(cast("dict[str, Any]", value)) if isinstance(value, dict) else value
            for value in (row[name] for name in self._kinds)
        )


def _from_rest(kind: str, value: Any) -> Any:
    if value is None or kind == "BIGINT":
        return value
    return bool(value) if kind == "BOOLEAN" else str(value)


def as_map(value: Any) -> dict[str, Any]:
    """A map as a dictionary, whether it is one already or a text at rest."""
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    found: dict[str, Any] = orjson.loads(value)
    return found


def map_text(value: Mapping[str, Any]) -> str:
    """A map as the engine writes it: keys in order, escapes in capital digits."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return _ESCAPES.sub(_capital, text) if "\\u" in text else text


_ESCAPES: Final = re.compile(r"\\(\\|u00..)")


def _capital(escape: re.Match[str]) -> str:
    digits = escape[1]
    return escape[0] if digits == "\\" else f"\\u00{digits[3:].upper()}"


def failed(position: int, why: str) -> LogCorrupt:
    """The error of an event that can be read but not folded."""
    return LogCorrupt(
        f"the event at position {position} cannot be folded: {why}",
        position=position,
        hint="`leadflow lead history` shows what it says; a fact recorded later can set it right",
    )
