"""Values that a projection's own Python functions make of events: one more column of a chunk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

from leadflow.errors import LogCorrupt
from leadflow.persistence.store import RecordedEvent
from leadflow_projections.algebra import Table, Type
from leadflow_projections.foreign import foreign_event, is_foreign
from leadflow_projections.judging import decoded
from leadflow_projections.moments import microseconds
from leadflow_projections.taking import Value

if TYPE_CHECKING:
    import pyarrow as pa

_PYTHON: Final[Mapping[Type, type]] = {
    Type.TEXT: str,
    Type.INTEGER: int,
    Type.BOOLEAN: bool,
    Type.INSTANT: datetime,
    Type.UUID: UUID,
}
_MOST: Final = 2**63


@dataclass
class Computed:
    """A function that columns take a value from, and the topics whose events it is given."""

    value: Value
    topics: set[str] = field(default_factory=set[str])
    """None: those of every event."""


def computed_of(tables: Iterable[Table]) -> dict[str, Computed]:
    """The functions that these tables' columns need, by the paths of their values.

    Raises:
        ValueError: when one name stands for two functions.
    """
    found: dict[str, Computed] = {}
    of_all: set[str] = set()
    for value, topics in _taken(tables):
        if value.compute is None:
            continue
        known = found.setdefault(value.path, Computed(value))
        if known.value != value:
            raise ValueError(f"{value.path} stands for two functions")
        known.topics.update(topics)
        if not topics:
            of_all.add(value.path)
    for path in of_all:
        found[path].topics.clear()
    return found


def _taken(tables: Iterable[Table]) -> Iterable[tuple[Value, tuple[str, ...]]]:
    for table in tables:
        yield from ((value, ()) for value in table.key.values())
        for column in table.columns.values():
            for part in column.takes:
                yield part.value, part.topics
                if column.by is not None:
                    yield column.by, part.topics


def with_computed(chunk: pa.Table, functions: Mapping[str, Computed]) -> pa.Table:
    """The chunk of trusted log rows with a column more for each function.

    Raises:
        LogCorrupt: naming the position of an event that a function fails on, and why.
    """
    import pyarrow as pa

    topics = cast("list[str]", chunk["topic"].to_pylist())
    for path, function in functions.items():
        wanted = [not function.topics or topic in function.topics for topic in topics]
        rows = iter(chunk.filter(pa.array(wanted)).to_pylist())
        values = [_value(function.value, next(rows)) if want else None for want in wanted]
        chunk = chunk.append_column(path, pa.array(values, _arrow_type(function.value.type)))
    return chunk


def _value(value: Value, row: Mapping[str, Any]) -> object:
    assert value.compute is not None
    position = int(row["position"])
    try:
        made = value.compute(_event(row))
    except LogCorrupt:
        raise
    except Exception as error:
        raise _failed(value, position, f"{type(error).__name__}: {error}") from error
    if made is None:
        return None
    kind = _PYTHON[value.type]
    if not isinstance(made, kind) or (kind is int and isinstance(made, bool)):
        raise _failed(value, position, f"it gave {made!r}, which is no {value.type}")
    if isinstance(made, datetime):
        if made.tzinfo is None:
            raise _failed(value, position, f"it gave {made!r}, which has no time zone")
        return microseconds(made)
    if value.type is Type.INTEGER and not -_MOST <= int(str(made)) < _MOST:
        raise _failed(value, position, "it gave a number beyond 64 bits")
    return str(made) if isinstance(made, UUID) else made


def _event(row: Mapping[str, Any]) -> object:
    recorded = RecordedEvent(
        id=int(row["position"]),
        originator_id=UUID(row["originator_id"]),
        originator_version=row["originator_version"],
        topic=row["topic"],
        state=str(row["state"]).encode(),
        recorded_at=row["recorded_at"],
    )
    return foreign_event(recorded) if is_foreign(recorded.topic) else decoded(recorded)


def _failed(value: Value, position: int, why: str) -> LogCorrupt:
    name = value.path.removeprefix("python.")
    return LogCorrupt(
        f"the event at position {position} cannot be folded: the projection's function "
        f"{name} failed on it: {why}",
        position=position,
        hint="mend the function, or take it out of the projection",
    )


def _arrow_type(kind: Type) -> pa.DataType:
    import pyarrow as pa

    if kind is Type.BOOLEAN:
        return pa.bool_()
    return pa.int64() if kind in {Type.INTEGER, Type.INSTANT} else pa.string()
