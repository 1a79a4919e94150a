"""What a column takes from an event: a value, of which topics, under which conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

Literal = str | int | bool


class Type(StrEnum):
    """What a column holds. Instants are microseconds since the epoch, in UTC."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    INSTANT = "instant"
    ENTRY = "entry"
    """An instant with its time basis: four times the instant plus the basis' number."""
    UUID = "uuid"
    LEVEL = "level"
    """One of ordered words, kept as its place among them; the greatest wins."""
    TOTALS = "totals"
    """A map from a text to a sum."""
    TEXTS = "texts"
    """A map from a text to the last text given for it."""


@dataclass(frozen=True, slots=True)
class Value:
    """What is read from an event: a field of its state by path, or a part of its envelope."""

    path: str
    type: Type
    envelope: bool = False
    levels: tuple[str, ...] = ()
    stamped: bool = False
    """An instant that is unknown to a reading as of an earlier moment."""
    money: bool = False
    """An amount as a text, such as `1999 EUR` in minor units, or `?` where none is given."""
    member: str | None = None
    """The key whose value is read, where the field is a map of texts."""
    compute: Callable[[Any], object] | None = None
    """Makes the value of the whole event, where no field holds it; see `computed`."""


OCCURRED_AT: Final = Value("occurred_at", Type.INSTANT, envelope=True)
RECORDED_AT: Final = Value("recorded_at", Type.INSTANT, envelope=True)
POSITION: Final = Value("position", Type.INTEGER, envelope=True)
TOPIC: Final = Value("topic", Type.TEXT, envelope=True)
LEAD_ID: Final = Value("lead_id", Type.UUID, envelope=True)
STREAM_ID: Final = Value("stream_id", Type.UUID, envelope=True)
"""The id of the event's stream, whatever it is of; LEAD_ID makes a table of leads."""
CYCLE: Final = Value("cycle", Type.INTEGER, envelope=True)
ENTRY: Final = Value("entry", Type.ENTRY, envelope=True)
"""When it happened, with how well that is known."""
DAY: Final = Value("day", Type.TEXT, envelope=True)
"""The whole days since 1970-01-01 at which it happened, in UTC, as a map's key."""
NOTHING: Final = Value("nothing", Type.TEXT, envelope=True)
TRUE: Final = Value("true", Type.BOOLEAN, envelope=True)


def text(path: str) -> Value:
    """A text of the event's state, such as `source` or `amount.currency`."""
    return Value(path, Type.TEXT)


def integer(path: str) -> Value:
    """A whole number of the event's state."""
    return Value(path, Type.INTEGER)


def instant(path: str, *, stamped: bool = False) -> Value:
    """An instant of the event's state, other than when it occurred."""
    return Value(path, Type.INSTANT, stamped=stamped)


def flag(path: str) -> Value:
    """A yes or no of the event's state."""
    return Value(path, Type.BOOLEAN)


def uuid(path: str) -> Value:
    """A UUID of the event's state."""
    return Value(path, Type.UUID)


def level(path: str, levels: Iterable[str]) -> Value:
    """A word of the event's state out of an ascending list; other words count as none."""
    return Value(path, Type.LEVEL, levels=tuple(levels))


def money(path: str) -> Value:
    """An amount of the event's state as a text, such as `1999 EUR`; `?` where it is unknown."""
    return Value(path, Type.TEXT, money=True)


def member(path: str, key: str) -> Value:
    """One value of a map of texts in the event's state, such as a dimension."""
    return Value(path, Type.TEXT, member=key)


COMPUTED_TYPES: Final = frozenset({Type.TEXT, Type.INTEGER, Type.BOOLEAN, Type.INSTANT, Type.UUID})


def computed(kind: Type, name: str, function: Callable[[Any], object]) -> Value:
    """What a function makes of an event: Python for each event, where a field will not do.

    The function is given the event's model without its personal part (a `ForeignEvent` for
    events that are not leadflow's), and must depend on nothing else. It returns a value of
    the type, instants as aware datetimes, or None for unknown. It is asked about events of
    the topics that its columns take, and no others.

    Args:
        kind: text, integer, boolean, instant or uuid.
        name: what errors call it; one name stands for one function.
        function: makes the value.
    """
    if kind not in COMPUTED_TYPES:
        raise ValueError(f"{name}: a function gives {', '.join(sorted(COMPUTED_TYPES))}, no {kind}")
    return Value(f"python.{name}", kind, compute=function)


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a field: it is given, absent, or has one value."""

    path: str
    equals: Literal | None = None
    absent: bool = False

    @property
    def value(self) -> Value:
        """The field that must be read to decide."""
        if self.path == IRREGULAR.path:
            return IRREGULAR
        return flag(self.path) if isinstance(self.equals, bool) else text(self.path)


IRREGULAR: Final = Value("irregular", Type.BOOLEAN)
"""Whether the event broke any rule; the rules' names are not read."""


def given(path: str) -> Condition:
    """The field is there."""
    return Condition(path)


def equal(path: str, value: Literal) -> Condition:
    """The field has this value."""
    return Condition(path, value)


def absent(path: str) -> Condition:
    """The field is not there."""
    return Condition(path, absent=True)


@dataclass(frozen=True, slots=True)
class Take:
    """One value from the events of some topics under some conditions."""

    value: Value
    topics: tuple[str, ...] = ()
    """No topic: every event."""
    when: tuple[Condition, ...] = ()
    blank: bool = False
    """Whether an event that leaves the value out is taken all the same, as none."""
    negative: bool = False


def take(
    value: Value,
    *topics: str,
    when: Condition | Sequence[Condition] = (),
    blank: bool = False,
    negative: bool = False,
) -> Take:
    """Take a value from the events of these topics (none named: from every event)."""
    conditions = (when,) if isinstance(when, Condition) else tuple(when)
    return Take(value, tuple(sorted(topics)), conditions, blank, negative)


def nothing(*topics: str, when: Condition | Sequence[Condition] = ()) -> Take:
    """These events make the column unknown again."""
    return take(NOTHING, *topics, when=when, blank=True)
