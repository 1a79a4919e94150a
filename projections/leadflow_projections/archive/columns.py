"""The twin's columns, derived from the events' models; how they are written and read.

What a model keeps in one value is one typed column; what it keeps in a value of its own
(an amount, a period) or under the words of an enumeration (permissions) is a column for
each part; what has no fixed shape (dimensions, consents, a policy) is the text of its JSON.
Personal data has no column.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from pydantic import BaseModel

from leadflow.domain.events import BY_TOPIC, LOG_EVENTS, LogEvent
from leadflow_projections.decoding import BASES
from leadflow_projections.event_sql import literal, quoted
from leadflow_projections.taking import Type

FORMAT: Final = 1
"""Raised when the same models begin to be written otherwise."""

_NOT_IN_STATE: Final = ("originator_id", "originator_version", "position", "recorded_at")
_PERSONAL: Final = "personal"

_ENVELOPE: Final = {
    "position": "position",
    "recorded_at": "make_timestamptz(recorded_at)",
    "topic": "topic",
    "lead_id": "CAST(originator_id AS UUID)",
    "version": "originator_version",
}
"""The columns of every event that are no field of its state, out of the log's."""

_DECODED: Final[Mapping[Type, str]] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.INSTANT: "TIMESTAMP",
    Type.UUID: "UUID",
}
_BLANK: Final[Mapping[Type, str]] = {
    **_DECODED,
    Type.INSTANT: "BIGINT",
    Type.TEXTS: "VARCHAR",
}


@dataclass(frozen=True, slots=True)
class TwinColumn:
    """A field of an event's state, or a part of one, by its path."""

    path: str
    type: Type
    is_document: bool = False
    """Whether the text is JSON, whose parts can be read."""
    is_mixed: bool = False
    """Whether it is JSON in some events, and a bare text in others."""


@cache
def twin_columns() -> Mapping[str, TwinColumn]:
    """The columns by their paths, in the order in which the models declare them."""
    found: dict[str, TwinColumn] = {}
    for event in LOG_EVENTS:
        for column in _columns_of(event):
            present = found.setdefault(column.path, column)
            if present != column:
                found[column.path] = _both(present, column)
    return found


def _both(one: TwinColumn, other: TwinColumn) -> TwinColumn:
    """A column for a field that is a text in one event, and a document in another."""
    if one.type is not other.type:
        raise TypeError(f"the field {one.path} is {one.type} in one event, {other.type} in another")
    return TwinColumn(one.path, one.type, is_mixed=True)


def _columns_of(model: type[BaseModel], prefix: str = "") -> Iterator[TwinColumn]:
    hints = get_type_hints(model, include_extras=True)
    for name in model.model_fields:
        if prefix or name not in {*_NOT_IN_STATE, _PERSONAL}:
            yield from _columns_for(prefix + name, hints[name])


def _columns_for(path: str, hint: Any) -> Iterator[TwinColumn]:
    kind = _bare(hint)
    if get_origin(kind) is dict and _is_enumeration(get_args(kind)[0]):
        words, value = get_args(kind)
        for word in words:
            yield from _columns_for(f"{path}.{word.value}", value)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from _columns_of(kind, f"{path}.")
    else:
        scalar = _scalar(kind)
        yield TwinColumn(path, scalar or Type.TEXT, is_document=scalar is None)


def _bare(hint: Any) -> Any:
    """An annotation without what is optional, and without its constraints."""
    origin = get_origin(hint)
    if origin is Annotated:
        return _bare(get_args(hint)[0])
    if origin in {Union, UnionType}:
        known = [kind for kind in get_args(hint) if kind is not NoneType]
        return _bare(known[0]) if len(known) == 1 else hint
    return hint


def _scalar(kind: Any) -> Type | None:
    if get_origin(kind) is Literal:
        return Type.TEXT
    if not isinstance(kind, type):
        return None
    for of, type_ in _SCALARS.items():
        if issubclass(kind, of):
            return type_
    return None


_SCALARS: Final[Mapping[type, Type]] = {
    bool: Type.BOOLEAN,  # which is an int, too
    int: Type.INTEGER,
    datetime: Type.INSTANT,
    UUID: Type.UUID,
    str: Type.TEXT,
}


def _is_enumeration(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


@cache
def fingerprint() -> str:
    """What the columns are and which events they hold, as 16 hexadecimal digits.

    Another program's segments are read only where this is the same.
    """
    columns = [[c.path, c.type, c.is_document] for c in twin_columns().values()]
    said = json.dumps([FORMAT, list(_ENVELOPE), columns, list(map(_shape, LOG_EVENTS))])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _shape(event: type[LogEvent]) -> list[Any]:
    return [event.topic, event.schema_version, [c.path for c in _columns_of(event)]]


def write_select(rows: str) -> str:
    """The statement that decodes trusted log rows (see `judging.trusted`) into the twin's.

    Of another application's events only the envelope is kept: nobody can say which of their
    fields are personal.
    """
    structure: dict[str, Any] = {}
    for column in twin_columns().values():
        *outer, name = column.path.split(".")
        inside = structure
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[name] = _DECODED[column.type]
    columns = [f"{sql} AS {quoted(name)}" for name, sql in _ENVELOPE.items()]
    columns += [f"{_written(c)} AS {quoted(c.path)}" for c in twin_columns().values()]
    ours = f"topic IN ({', '.join(map(literal, BY_TOPIC))})"
    kept = f"CASE WHEN {ours} THEN state ELSE json_object('occurred_at', state->>'occurred_at') END"
    decoded = f"json_transform({kept}, {literal(json.dumps(structure))}) AS p"
    return f"SELECT {', '.join(columns)} FROM (SELECT *, {decoded} FROM {rows})"


def _written(column: TwinColumn) -> str:
    name = "p." + ".".join(map(quoted, column.path.split(".")))
    return f"make_timestamptz(epoch_us({name}))" if column.type is Type.INSTANT else name


def read_sql(path: str, kind: Type) -> str | None:
    """A field as a fold reads it, over the twin's columns; None where they cannot give it."""
    column = twin_columns().get(path)
    if column is not None:
        return _converted(column, kind)
    above = _above(path)
    if above is not None:
        if above.is_document:
            return _from_document(above, path.removeprefix(above.path + "."), kind)
        return None if above.is_mixed else f"CAST(NULL AS {_BLANK[kind]})"
    if any(other.startswith(path + ".") for other in twin_columns()):
        return None  # a value that is kept in parts, asked for as one
    return f"CAST(NULL AS {_BLANK[kind]})"  # no event has such a field


def _above(path: str) -> TwinColumn | None:
    """The column of a field within which the path leads."""
    while "." in path:
        path = path.rpartition(".")[0]
        if path in twin_columns():
            return twin_columns()[path]
    return None


def _converted(column: TwinColumn, kind: Type) -> str | None:
    name = quoted(column.path)
    if column.type is kind or (column.type is Type.TEXT and kind is Type.TEXTS):
        return f"epoch_us({name})" if kind is Type.INSTANT else name
    if kind is not Type.TEXT:
        return None
    return _instant_text(name) if column.type is Type.INSTANT else f"CAST({name} AS VARCHAR)"


def _instant_text(name: str) -> str:
    """An instant as the log's JSON has it: with six digits of a fraction, or none."""
    moment, form = f"make_timestamp(epoch_us({name}))", "%Y-%m-%dT%H:%M:%S"
    whole = f"strftime({moment}, '{form}Z')"
    return (
        f"CASE WHEN epoch_us({name}) % 1000000 = 0 THEN {whole} "
        f"ELSE strftime({moment}, '{form}.%fZ') END"
    )


def _from_document(document: TwinColumn, inside: str, kind: Type) -> str:
    structure: Any = _DECODED.get(kind, "VARCHAR")
    parts = inside.split(".")
    for part in reversed(parts):
        structure = {part: structure}
    transformed = f"json_transform({quoted(document.path)}, {literal(json.dumps(structure))})"
    value = f"({transformed}).{'.'.join(map(quoted, parts))}"
    return f"epoch_us({value})" if kind is Type.INSTANT else value


_BASES: Final = " ".join(f"WHEN {literal(basis)} THEN {i}" for i, basis in enumerate(BASES))

ENVELOPE_SQL: Final[Mapping[str, str]] = {
    "position": "position",
    "recorded_at": "epoch_us(recorded_at)",
    "topic": "topic",
    "lead_id": "lead_id",
    "cycle": "cycle",
    "occurred_at": "epoch_us(occurred_at)",
    "basis": f"CAST(CASE time_basis {_BASES} ELSE 0 END AS BIGINT)",
    "irregular": "coalesce(irregular <> '[]', false)",
}
"""What every fold reads of an event, over the twin's columns."""


def read_select(fields: Mapping[str, Type], rows: str) -> str | None:
    """The statement that gives what `decoding.decode_select` does; None where it cannot."""
    columns = dict(ENVELOPE_SQL)
    for path, kind in fields.items():
        sql = read_sql(path, kind)
        if sql is None:
            return None
        columns[path] = sql
    return f"SELECT {', '.join(f'{sql} AS {quoted(n)}' for n, sql in columns.items())} FROM {rows}"
