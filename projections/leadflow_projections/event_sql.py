"""SQL over one decoded event: values, conditions, and what a column takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from leadflow_projections.algebra import Column, Merge
from leadflow_projections.taking import (
    DAY,
    ENTRY,
    IRREGULAR,
    NOTHING,
    STREAM_ID,
    TRUE,
    Condition,
    Literal,
    Take,
    Type,
    Value,
)

_DAY_US: Final = 86_400_000_000
_PREFERENCE_BITS: Final = 53
"""Positions stay below 2**53; above them stands which take a `first` column came from."""


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: Literal) -> str:
    """A constant in SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


_DAY_SQL: Final = f"(occurred_at - (occurred_at % {_DAY_US} + {_DAY_US}) % {_DAY_US}) // {_DAY_US}"
_FIXED: Final[Mapping[Value, str]] = {
    NOTHING: "NULL",
    TRUE: "true",
    STREAM_ID: "lead_id",
    ENTRY: "occurred_at * 4 + basis",
    DAY: f"CAST({_DAY_SQL} AS VARCHAR)",
}


def value_sql(value: Value, as_of: int | None) -> str:
    """A value; `as_of` (µs) is the moment beyond which a stamped instant is unknown."""
    name = quoted(value.path)
    if value.type is Type.LEVEL:
        whens = " ".join(f"WHEN {literal(w)} THEN {i}" for i, w in enumerate(value.levels))
        return f"CASE {name} {whens} END"
    if value.member is not None:
        pointer = "/" + value.member.replace("~", "~0").replace("/", "~1")
        return f"json_extract_string({name}, {literal(pointer)})"
    if value.money:
        minor, currency = quoted(f"{value.path}.minor"), quoted(f"{value.path}.currency")
        return f"coalesce({minor} || ' ' || {currency}, '?')"
    if value.stamped and as_of is not None:
        return f"CASE WHEN {name} <= {as_of} THEN {name} END"
    return _FIXED.get(value, name)


def condition_sql(condition: Condition, prefix: str = "") -> str:
    """A condition on a field of a decoded event, or on a column of a row."""
    name = prefix + quoted(condition.path)
    if condition.absent:
        return f"{name} IS NULL"
    if condition.equals is not None:
        return f"{name} = {literal(condition.equals)}"
    return name if condition.value == IRREGULAR else f"{name} IS NOT NULL"


def _taken(part: Take, as_of: int | None) -> str:
    """When an event is taken, as a condition; an empty text means always."""
    conditions = [condition_sql(condition) for condition in part.when]
    if len(part.topics) == 1:
        conditions.insert(0, f"topic = {literal(part.topics[0])}")
    elif part.topics:
        conditions.insert(0, f"topic IN ({', '.join(map(literal, part.topics))})")
    if not part.blank and not part.value.envelope:
        conditions.append(f"{value_sql(part.value, as_of)} IS NOT NULL")
    return " AND ".join(conditions)


def _first_that_holds(arms: Iterable[tuple[str, str]]) -> str:
    whens: list[str] = []
    for condition, value in arms:
        if not condition:
            return f"CASE {' '.join(whens)} ELSE {value} END" if whens else value
        whens.append(f"WHEN {condition} THEN {value}")
    return f"CASE {' '.join(whens)} END"


def taken_value_sql(column: Column, as_of: int | None, *, placed: bool = False) -> str:
    """What is taken from an event, else NULL.

    Args:
        column: whose takes are meant.
        as_of: see `value_sql`.
        placed: whether only events count that `taken_position_sql` gives a position for;
            then the value of any other event may be anything.
    """

    def arm(part: Take) -> tuple[str, str]:
        sql = value_sql(part.value, as_of)
        return _taken(part, as_of), f"-({sql})" if part.negative else sql

    arms = [arm(part) for part in column.takes]
    if placed and len({value for _, value in arms}) == 1:
        return arms[0][1]
    return _first_that_holds(arms)


def taken_position_sql(column: Column, as_of: int | None) -> str:
    """The position of an event that is taken, else NULL; later takes of `first` rank behind."""

    def place(index: int) -> str:
        behind = index << _PREFERENCE_BITS if column.merge is Merge.FIRST else 0
        return f"position + {behind}" if behind else "position"

    return _first_that_holds(
        (_taken(part, as_of), place(index)) for index, part in enumerate(column.takes)
    )
