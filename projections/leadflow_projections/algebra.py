"""What a projection is: a declaration of columns, and how two partial results of each merge.

A column says what to *take* from which events, and how what was taken comes together:
the last, the first, the total, … A partial result carries the positions it needs, so
that merging is associative and commutative, and

    fold(a + b) == merge(fold(a), fold(b))

holds for every split of every history. One declaration therefore serves a live batch,
a rebuild and a reading of the past alike; `sql.py` turns it into SQL. There are texts,
integers, booleans, instants and maps of these; no floats, whose sums depend on the split.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, cast

from leadflow_projections.taking import (
    CYCLE,
    DAY,
    ENTRY,
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
    absent,
    computed,
    equal,
    flag,
    given,
    instant,
    integer,
    level,
    member,
    money,
    nothing,
    take,
    text,
    uuid,
)

EVALUATOR: Final = 1
"""Raised when the same declaration begins to give other rows."""


class Merge(StrEnum):
    """How what was taken from two events, or two partial results, comes together."""

    LAST = "last"
    FIRST = "first"
    TOTAL = "total"
    COUNT = "count"
    LEAST = "least"
    GREATEST = "greatest"
    TOTAL_BY = "total_by"
    LAST_BY = "last_by"


class Scope(StrEnum):
    """Which events of a row count; a table of cycles can also show what holds for the lead."""

    ROW = "row"
    CURRENT_CYCLE = "current_cycle"
    """Those of the lead's greatest cycle."""
    LEAD = "lead"
    """Kept per row, shown as the lead's rows have it together."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what is taken, and how it merges."""

    name: str
    merge: Merge
    takes: tuple[Take, ...]
    type: Type
    by: Value | None = None
    """The key of a map."""
    scope: Scope = Scope.ROW
    hidden: bool = False
    levels: tuple[str, ...] = ()

    @property
    def is_ever(self) -> bool:
        """Whether the column only says that something happened; then it is never unknown."""
        return self.merge is Merge.GREATEST and all(part.value == TRUE for part in self.takes)


def _column(merge: Merge, takes: Sequence[Take | Value], by: Value | None = None) -> Column:
    taken = tuple(part if isinstance(part, Take) else Take(part) for part in takes)
    values = [part.value for part in taken if part.value != NOTHING]
    kinds = {value.type for value in values}
    if len(kinds) > 1 or not taken:
        raise ValueError(f"a column takes values of one type, not {sorted(kinds)}")
    kind = kinds.pop()
    if merge is Merge.COUNT:
        kind = Type.INTEGER
    elif merge is Merge.TOTAL_BY:
        kind = Type.TOTALS
    elif merge is Merge.LAST_BY:
        kind = Type.TEXTS
    return Column("", merge, taken, kind, by, levels=values[0].levels)


def last(*takes: Take | Value) -> Column:
    """What the last of these events, by position, had."""
    return _column(Merge.LAST, takes)


def first(*takes: Take | Value) -> Column:
    """What the first of these events had; an earlier named take goes before a later one."""
    return _column(Merge.FIRST, takes)


def total(*takes: Take | Value) -> Column:
    """The sum; 0 over nothing."""
    return _column(Merge.TOTAL, takes)


def count(*topics: str, when: Condition | Sequence[Condition] = ()) -> Column:
    """How many such events there were."""
    return _column(Merge.COUNT, [take(TRUE, *topics, when=when)])


def least(*takes: Take | Value) -> Column:
    """The smallest; of instants, the earliest."""
    return _column(Merge.LEAST, takes)


def greatest(*takes: Take | Value) -> Column:
    """The largest; of instants the latest, of levels the highest, of flags true."""
    return _column(Merge.GREATEST, takes)


def ever(*topics: str, when: Condition | Sequence[Condition] = ()) -> Column:
    """Whether there was such an event."""
    return greatest(take(TRUE, *topics, when=when))


def total_by(key: Value, *takes: Take) -> Column:
    """A sum for each key, such as revenue by currency; what has no key is left out."""
    return _column(Merge.TOTAL_BY, takes, by=key)


def last_by(key: Value, *takes: Take) -> Column:
    """The last text for each key; a key whose last event makes it unknown stays, as null."""
    return _column(Merge.LAST_BY, takes, by=key)


def current(column: Column) -> Column:
    """Count the events of the lead's greatest cycle only."""
    return replace(column, scope=Scope.CURRENT_CYCLE)


def of_lead(column: Column) -> Column:
    """In a table of cycles: show in every row what the lead's rows have together."""
    return replace(column, scope=Scope.LEAD)


def hidden(column: Column) -> Column:
    """Keep the column, but out of the view."""
    return replace(column, hidden=True)


@dataclass(frozen=True)
class Table:
    """A read model's table: its key, its columns, and columns shown as the first of others."""

    name: str
    key: Mapping[str, Value]
    columns: Mapping[str, Column]
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """A shown column is the first of the named columns that is known."""
    only: tuple[Condition, ...] = ()
    """What must hold of a row's columns for the view to show it."""
    of: tuple[str, ...] = ()
    """Only events of these topics make rows; none named: those of all."""
    indexed: tuple[str, ...] = ()
    """Columns by which rows are looked up where they have a value."""

    def __post_init__(self) -> None:
        named = {name: replace(column, name=name) for name, column in self.columns.items()}
        object.__setattr__(self, "columns", named)
        current_cycle = [c.name for c in named.values() if c.scope is Scope.CURRENT_CYCLE]
        cycle = named.get("cycle")
        if current_cycle and (cycle is None or cycle.takes != (Take(CYCLE),)):
            raise ValueError(
                f"table {self.name}: {current_cycle[0]} counts the current cycle only, "
                "which needs a column cycle = greatest(CYCLE)"
            )
        clash = set(self.key) & set(named)
        if clash:
            raise ValueError(f"table {self.name}: {min(clash)} is both key and column")

    @cached_property
    def companions(self) -> dict[str, str]:
        """For each `last` and `first` column the hidden one that holds its event's position.

        Columns taken from the same events share one.
        """
        shared: dict[object, str] = {}
        companions: dict[str, str] = {}
        for column in self.columns.values():
            if column.merge in {Merge.LAST, Merge.FIRST}:
                which = (column.merge, column.scope, tuple(map(_taken_when, column.takes)))
                companions[column.name] = shared.setdefault(which, f"{column.name}__at")
            elif column.merge is Merge.LAST_BY:
                companions[column.name] = f"{column.name}__at"
        return companions


def _taken_when(part: Take) -> tuple[object, ...]:
    """What decides whether an event is taken; equal for takes of the same events."""
    conditions: set[Condition | Value] = set(part.when)
    value = part.value
    if not part.blank and not value.envelope:
        plain = value == Value(value.path, value.type)
        conditions.add(given(value.path) if plain else value)
    return part.topics, frozenset(conditions)


@dataclass(frozen=True)
class Projection:
    """A named, versioned set of tables that are folded from the log together."""

    name: str
    version: int
    tables: tuple[Table, ...]

    @cached_property
    def fingerprint(self) -> str:
        """What the definition says, as 16 hexadecimal digits; changes whenever it does."""
        tables = [asdict(table, dict_factory=_without_defaults) for table in self.tables]
        said = json.dumps([EVALUATOR, *tables], sort_keys=True, default=_function_said)
        return hashlib.sha256(said.encode()).hexdigest()[:16]


_LATER: Final = {"compute": None, "of": ()}
"""Parts that definitions had not always: at their defaults they say nothing new."""


def _without_defaults(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in items if _LATER.get(name, items) != value}


def _function_said(function: object) -> str:
    """A function as its source says it, so that a change of it is a change of the definition."""
    try:
        return inspect.getsource(cast("Any", function))
    except (OSError, TypeError):
        return str(getattr(function, "__qualname__", type(function).__qualname__))


__all__ = [
    "CYCLE",
    "DAY",
    "ENTRY",
    "LEAD_ID",
    "OCCURRED_AT",
    "POSITION",
    "RECORDED_AT",
    "STREAM_ID",
    "TOPIC",
    "Column",
    "Merge",
    "Projection",
    "Scope",
    "Table",
    "Type",
    "absent",
    "computed",
    "count",
    "current",
    "equal",
    "ever",
    "first",
    "flag",
    "given",
    "greatest",
    "hidden",
    "instant",
    "integer",
    "last",
    "last_by",
    "least",
    "level",
    "member",
    "money",
    "nothing",
    "of_lead",
    "take",
    "text",
    "total",
    "total_by",
    "uuid",
]
