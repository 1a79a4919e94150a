"""Which stored states need no look at the event's model: a pattern made from that model.

What is poison is decided in one place, the event's model. Asking it takes ten times as
long as everything else, so each model gives a regular expression of the texts that
the codec writes for it: what matches is an event the model would take, with the values
that plain JSON decoding reads. What does not match proves nothing; the model is asked.
A kind of field unknown here makes a model's pattern match nothing, which is slow, not wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leadflow.domain import values
from leadflow.domain.events import BY_TOPIC, LogEvent

MOST_BYTES: Final = 10_000
"""A longer state might hold a text that is too long; the model is asked."""

NOT_IN_STATE: Final = frozenset(
    {"originator_id", "originator_version", "position", "recorded_at", "personal"}
)

_CHARACTER: Final = r'(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u00[01][0-9a-f])'
_DATE: Final = (
    r"[12]\d{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_INSTANT: Final = rf'"{_DATE}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{{6}})?Z"'
UUID_PATTERN: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_UUID: Final = f'"{UUID_PATTERN}"'
_WHOLE: Final = r"(?:0|-?[1-9]\d{0,17})"


class _Unknown(Exception):
    """A kind of field that no pattern is known for."""


@cache
def patterns() -> Mapping[str, str]:
    """The pattern of each topic's states, for those that have one."""
    found: dict[str, str] = {}
    for topic, event in BY_TOPIC.items():
        try:
            found[topic] = state_pattern(event)
        except _Unknown:
            continue
    return found


def state_pattern(event: type[LogEvent]) -> str:
    """What the codec writes for this event, its personal part sealed."""
    members = _members(event)
    if event.schema_version > 1:
        members.insert(1, ("schema_version", str(event.schema_version), True))
    if "personal" in event.model_fields:
        members.append(("personal", '"[A-Za-z0-9+/=_-]+"', False))
    return _object(members)


def _members(model: type[BaseModel]) -> list[tuple[str, str, bool]]:
    """Each field's name, its pattern, and whether it must be there."""
    validators = model.__pydantic_decorators__.model_validators
    if not validators.keys() <= {"_url_query_is_personal"}:
        raise _Unknown
    hints = get_type_hints(model, include_extras=True)
    members: list[tuple[str, str, bool]] = []
    for name, field in model.model_fields.items():
        if name in NOT_IN_STATE:
            continue
        if name == "landing_page" and validators:
            members.append((name, _text(_CHARACTER.replace("\\x1f", "\\x1f?")), False))
        else:
            members.append((name, _value(hints[name], field), _is_always_written(field)))
    return members


def _is_always_written(field: FieldInfo) -> bool:
    """Whether the codec never leaves the field out: it does where the value is None.

    A state without a field that has another default is one for the model, which knows it.
    """
    return field.is_required() or field.get_default(call_default_factory=True) is not None


def _object(members: Iterable[tuple[str, str, bool]]) -> str:
    # The first member is always a required one, so every other brings its own comma.
    parts: list[str] = []
    for name, pattern, required in members:
        if not parts:
            if not required:
                raise _Unknown
            parts.append(f'"{re.escape(name)}":{pattern}')
        else:
            member = f',"{re.escape(name)}":{pattern}'
            parts.append(member if required else f"(?:{member})?")
    return rf"\{{{''.join(parts)}\}}"


def _text(character: str = _CHARACTER, times: str = "+") -> str:
    return f'"{character}{times}"'


def _value(hint: Any, field: FieldInfo | None = None) -> str:
    """The pattern of a value by its annotation; `field` holds bounds given beside it."""
    for kind, pattern in _checked_types():
        if hint == kind:
            return pattern
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:])
    if origin is not None:
        return _generic(origin, arguments, field)
    if isinstance(hint, type) and not (field and _bounds(field.metadata) is None):
        return _class(hint, field)
    raise _Unknown


def _generic(origin: Any, arguments: tuple[Any, ...], field: FieldInfo | None) -> str:
    bounded = field if field and field.metadata else None
    if origin in {Union, UnionType}:
        return _any_of(_value(kind, bounded) for kind in arguments if kind is not NoneType)
    if bounded is not None:
        raise _Unknown
    if origin is Literal:
        return _any_of(f'"{re.escape(word)}"' for word in arguments)
    if origin is tuple and len(arguments) == 2 and arguments[1] is ...:
        item = _value(arguments[0])
        return rf"\[(?:{item}(?:,{item})*)?\]"
    if origin is dict:
        item = f"{_key(arguments[0])}:{_value(arguments[1])}"
        return rf"\{{(?:{item}(?:,{item})*)?\}}"
    raise _Unknown


def _class(kind: type, field: FieldInfo | None) -> str:
    if kind is bool:
        return "(?:true|false)"
    if kind is UUID:
        return _UUID
    if kind is str and not (field and field.metadata):
        return _text(times="*")
    if kind is int:
        return _integer(field.metadata if field else ())
    if issubclass(kind, Enum):
        return _any_of(f'"{re.escape(str(word.value))}"' for word in kind)
    if issubclass(kind, BaseModel):
        members = _members(kind)
        # A value whose first field may be absent has several shapes; the model is asked.
        return _object(members)
    raise _Unknown


@cache
def _checked_types() -> tuple[tuple[Any, str], ...]:
    """The patterns of the types that check more than their annotation says."""
    kinds = [*(f'"{kind}"' for kind in values.ENGAGEMENTS), '"x-[a-z0-9][a-z0-9_-]*"']
    return (
        (values.Moment, _INSTANT),
        (values.Text, _text()),
        (values.Currency, _any_of(f'"{code}"' for code in sorted(values.currencies()))),
        (values.EngagementKind, _any_of(kinds)),
        (values.ExternalIdText, r'"[A-Za-z0-9_.-]{1,100}:[A-Za-z0-9_.:/@+=-]+"'),
        (values.SalesTypeField, _any_of(f'"{kind.value}"' for kind in values.SalesType)),
    )


def _annotated(kind: Any, metadata: tuple[Any, ...]) -> str:
    flat = [part for item in metadata for part in _parts(item)]
    if kind is int:
        return _integer(flat)
    if flat:
        raise _Unknown
    return _value(kind)


def _parts(item: Any) -> Iterable[Any]:
    return item.metadata if isinstance(item, FieldInfo) else (item,)


def _bounds(metadata: Iterable[Any]) -> tuple[int | None, int | None] | None:
    """Least and greatest; None where the metadata says anything else."""
    least = most = None
    for part in metadata:
        if isinstance(part, Ge) and isinstance(part.ge, int):
            least = part.ge
        elif isinstance(part, Le) and isinstance(part.le, int):
            most = part.le
        else:
            return None
    return least, most


def _integer(metadata: Iterable[Any]) -> str:
    """Whole numbers well within the bounds; the model is asked about those near them."""
    bounds = _bounds(metadata)
    if bounds is None:
        raise _Unknown
    least, most = bounds
    digits = 18 if most is None else len(str(most)) - 1
    positive = rf"[1-9]\d{{0,{digits - 1}}}"
    if least is None or least < 0:
        below = 18 if least is None else len(str(-least)) - 1
        return rf"(?:0|{positive}|-[1-9]\d{{0,{below - 1}}})"
    return positive if least == 1 else rf"(?:0|{positive})" if least == 0 else _never()


def _never() -> str:
    raise _Unknown


def _key(kind: Any) -> str:
    return _text(times="*") if kind is str else _value(kind)


def _any_of(patterns: Iterable[str]) -> str:
    return f"(?:{'|'.join(patterns)})"
