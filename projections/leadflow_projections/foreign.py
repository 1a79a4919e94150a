"""Events of other applications of the eventsourcing library, in a log of leadflow's.

Their topics are not leadflow's, so no model of leadflow's speaks for them. What the
library's transcoder wrapped is unwrapped, and the columns of a projection that takes them
say of which types their fields must be. Tables keyed by lead leave them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID

import orjson

from leadflow.errors import LogCorrupt
from leadflow_projections.moments import moment
from leadflow_projections.taking import Type

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow.persistence.store import RecordedEvent

_OURS: Final = ("lead.", "policy.", "spend.")
_MOST: Final = 2**63
_RESERVED: Final = ("cycle", "time_basis", "irregular")
"""Stamps of leadflow's own events, which another's must not be taken for."""


def is_foreign(topic: str) -> bool:
    """Whether a topic is of another application's events."""
    return not topic.startswith(_OURS)


@dataclass(frozen=True, slots=True)
class ForeignEvent:
    """An event of another application, as a function of a projection gets it."""

    topic: str
    stream_id: UUID
    version: int
    position: int
    occurred_at: datetime
    recorded_at: datetime
    data: Mapping[str, Any]
    """Its fields as JSON has them; instants in UTC, decimals and UUIDs as texts."""


def foreign_event(event: RecordedEvent) -> ForeignEvent:
    """A stored event of another application.

    Raises:
        LogCorrupt: when its state is no JSON object.
    """
    data = orjson.loads(foreign_state(event))
    return ForeignEvent(
        topic=event.topic,
        stream_id=UUID(str(event.originator_id)),
        version=event.originator_version,
        position=event.position,
        occurred_at=datetime.fromisoformat(data["occurred_at"]),
        recorded_at=moment(event.recorded_at),
        data=data,
    )


def foreign_state(event: RecordedEvent) -> bytes:
    """The state with plain values, and when it happened: its `timestamp`, else when recorded.

    Raises:
        LogCorrupt: when it is no JSON object, such as one that is compressed or encrypted.
    """
    try:
        document: object = orjson.loads(event.state)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise LogCorrupt(
            f"the event at position {event.position}, {event.topic}, cannot be read: its state "
            "is no JSON object",
            position=event.position,
            hint="an application that compresses or encrypts its events must copy them in plain",
        )
    plain = {name: _plain(value) for name, value in cast("dict[str, Any]", document).items()}
    for stamp in _RESERVED:
        plain.pop(stamp, None)
    at = _instant(plain.get("timestamp")) or _instant(plain.get("occurred_at"))
    plain["occurred_at"] = at or moment(event.recorded_at)
    return orjson.dumps(plain, option=orjson.OPT_UTC_Z)


def check_fields(chunk: pa.Table, fields_of_topic: Mapping[str, Mapping[str, Type]]) -> None:
    """See that other applications' events among trusted rows have the fields as declared.

    Args:
        chunk: the rows.
        fields_of_topic: what is read of the events of each of their topics.

    Raises:
        LogCorrupt: naming the first position where one has another type.
    """
    for row in chunk.select(["position", "topic", "state"]).to_pylist():
        if fields := fields_of_topic.get(row["topic"]):
            document = orjson.loads(row["state"])
            for path, kind in fields.items():
                value = _at(document, path)
                if value is not None and not _is(value, kind):
                    raise LogCorrupt(
                        f"the event at position {row['position']}, {row['topic']}, cannot be "
                        f"folded: {path} is {value!r}, which is no {kind}",
                        position=int(row["position"]),
                        hint="declare the column's value as what the events have",
                    )


def _at(document: object, path: str) -> object:
    for name in path.split("."):
        if not isinstance(document, dict):
            return None
        document = cast("dict[str, object]", document).get(name)
    return document


def _is(value: object, kind: Type) -> bool:
    if kind is Type.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool) and -_MOST <= value < _MOST
    if kind is Type.BOOLEAN:
        return isinstance(value, bool)
    if kind is Type.INSTANT:
        return _instant(value) is not None
    if kind is Type.UUID:
        return isinstance(value, str) and _is_uuid(value)
    return isinstance(value, dict if kind is Type.TEXTS else str)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _plain(value: object) -> object:
    """A value without what the library's transcoder wraps around other than JSON's types."""
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, object]", value)
    if fields.keys() == {"_type_", "_data_"}:
        data = _plain(fields["_data_"])
        if fields["_type_"] == "uuid_hex":
            return str(UUID(str(data)))
        return _instant(data) or data if fields["_type_"] == "datetime_iso" else data
    return {name: _plain(item) for name, item in fields.items()}


def _instant(value: object) -> datetime | None:
    """An aware instant in UTC; None where the value is none."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    return value.astimezone(UTC)
