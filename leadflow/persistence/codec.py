"""The codec: events to stored events and back, personal data sealed and opened.

A stored state is the event's JSON without what has a column of its own. Reading puts those
columns and the opened personal part back into the JSON text and lets the event's model
read all of it at once: no document is built in between, unless it has to be upcast.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from uuid import UUID

import orjson
from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent
from pydantic import ValidationError

from leadflow.domain.events import BY_TOPIC, LogEvent
from leadflow.domain.upcasters import upcast
from leadflow.errors import InvalidInput, KeyUnavailable, LogCorrupt
from leadflow.persistence.keys import Keys, LeadKey, seal
from leadflow.persistence.store import RecordedEvent

if TYPE_CHECKING:
    from eventsourcing.domain import DomainEventProtocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_IN_STATE: Final = {
    "originator_id",
    "originator_version",
    "position",
    "recorded_at",
    "personal",
}
_PERSONAL: Final = b',"personal":"'
_PREFIX: Final = b'{"event_id":"'
# The event's id follows, 36 characters, a quote and a comma; then the schema version, if not 1.
_ID_AT: Final = slice(13, 49)
_VERSION_AT: Final = 51


def to_moment(microseconds: int) -> datetime:
    """An instant of the log, from microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    return (moment - EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True)
class SealedEvent(StoredEvent):
    """A stored event on its way into the store, with its lead's key if that is new."""

    new_key: bytes | None = None


class Stored(NamedTuple):
    """One event as a store's row gives it."""

    position: int | None
    lead_id: UUID
    version: int
    topic: str
    state: bytes
    recorded_at: int | None


class LeadMapper(Mapper[UUID]):
    """The eventsourcing library's mapper, for leadflow's events and topics."""

    def __init__(self, keys: Keys) -> None:
        super().__init__(transcoder=JSONTranscoder())
        self._keys = keys

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> SealedEvent:
        """Encode an event; a new lead's key comes with it."""
        event = checked(domain_event)
        key = None
        if has_personal(event):
            key = self._keys.to_seal(event.originator_id, begins=event.originator_version == 1)
        return SealedEvent(
            originator_id=event.originator_id,
            originator_version=event.originator_version,
            topic=event.topic,
            state=encode(event, key),
            new_key=key.wrapped if key and key.new else None,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> LogEvent:
        """Decode an event; personal data of an erased lead reads as None."""
        position = recorded_at = wrapped = None
        if isinstance(stored_event, RecordedEvent):
            position, recorded_at = stored_event.position, stored_event.recorded_at
            wrapped = stored_event.wrapped_key
        lead_id = stored_event.originator_id
        stored = Stored(
            position,
            lead_id if isinstance(lead_id, UUID) else UUID(lead_id),
            stored_event.originator_version,
            stored_event.topic,
            stored_event.state,
            recorded_at,
        )
        return self.decode(stored, wrapped)

    def decode(self, stored: Stored, wrapped: bytes | None = None) -> LogEvent:
        """Decode a stored event, with the lead's wrapped key where it is at hand.

        Raises:
            LogCorrupt: when it is not what this leadflow, or an older one, recorded.
            KeyUnavailable: when its personal data cannot be opened for want of a key.
        """
        event_class = BY_TOPIC.get(stored.topic)
        if event_class is None:
            raise _corrupt(stored, f"its topic {stored.topic!r} is none that leadflow knows")
        try:
            text = self._whole(event_class, stored, wrapped)
            event = event_class.__pydantic_validator__.validate_json(text)
        except ValidationError as error:
            raise _corrupt(stored, _first_error(error)) from None
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise _corrupt(stored, str(error)) from None
        except KeyUnavailable as error:
            raise _named(error, stored) from None
        values = event.__dict__
        values["position"] = stored.position
        if stored.recorded_at is not None:
            values["recorded_at"] = to_moment(stored.recorded_at)
        return event  # type: ignore[no-any-return]

    def _whole(self, event_class: type[LogEvent], stored: Stored, wrapped: bytes | None) -> bytes:
        """The event's JSON with its personal data, its id and its version put back."""
        state = stored.state
        if not _as_encoded(event_class, state):
            return self._rebuilt(event_class, stored, wrapped)
        at = state.rfind(_PERSONAL)
        personal = b""
        if at < 0:
            body = state[:-1]
        else:
            body, sealed = state[:at], state[at + len(_PERSONAL) : -2]
            if state[-2:] != b'"}' or b'"' in sealed:
                return self._rebuilt(event_class, stored, wrapped)
            event_id = UUID(state[_ID_AT].decode("ascii")).bytes
            opened = self._open(stored, event_id, sealed, wrapped)
            if opened is not None:
                personal = b',"personal":' + opened
        if event_class.schema_version > 1:
            body = body[:_VERSION_AT] + body[_VERSION_AT + len(_marker(event_class)) :]
        return b'%b%b,"originator_id":"%b","originator_version":%d}' % (
            body,
            personal,
            str(stored.lead_id).encode(),
            stored.version,
        )

    def _rebuilt(self, event_class: type[LogEvent], stored: Stored, wrapped: bytes | None) -> bytes:
        """The same by way of a document: for older versions, and texts of another hand."""
        document = _document(stored.state)
        sealed = document.pop("personal", None)
        if sealed is not None:
            event_id = UUID(str(document.get("event_id"))).bytes
            opened = self._open(stored, event_id, str(sealed).encode(), wrapped)
            document["personal"] = None if opened is None else orjson.loads(opened)
        upcast(stored.topic, document, to_version=event_class.schema_version)
        document["originator_id"] = str(stored.lead_id)
        document["originator_version"] = stored.version
        return orjson.dumps(document)

    def _open(
        self, stored: Stored, event_id: bytes, sealed: bytes, wrapped: bytes | None
    ) -> bytes | None:
        if wrapped is None:
            wrapped = self._keys.to_open(stored.lead_id)
        if wrapped is None:
            return None
        return self._keys.open(wrapped, stored.lead_id.bytes, event_id, sealed)


def encode(event: LogEvent, key: LeadKey | None) -> bytes:
    """An event's stored state; `key` seals its personal part, where it has one."""
    try:
        state = event.__pydantic_serializer__.to_json(
            event, exclude=_NOT_IN_STATE, exclude_none=True
        )
        if event.schema_version > 1:
            state = state[:_VERSION_AT] + _marker(type(event)) + state[_VERSION_AT:]
        if key is None:
            return state
        personal = event.__dict__["personal"]
        text = personal.__pydantic_serializer__.to_json(personal, exclude_none=True)
    except ValueError as error:
        raise InvalidInput(f"{event.topic} cannot be written as JSON: {error}") from None
    sealed = seal(key.cipher, event.originator_id.bytes, event.event_id.bytes, text)
    return b'%b%b%b"}' % (state[:-1], _PERSONAL, sealed)


def has_personal(event: LogEvent) -> bool:
    """Whether there is something to seal."""
    return event.__dict__.get("personal") is not None


def checked(event: LogEvent | DomainEventProtocol[UUID]) -> LogEvent:
    """The event, if it is one that can be read again.

    Raises:
        InvalidInput: when its class is not the one that its topic stands for.
    """
    if isinstance(event, LogEvent) and type(event) is BY_TOPIC.get(event.topic):
        return event
    raise InvalidInput(f"{type(event).__qualname__} is no event that leadflow knows")


def _marker(event_class: type[LogEvent]) -> bytes:
    return b'"schema_version":%d,' % event_class.schema_version


def _as_encoded(event_class: type[LogEvent], state: bytes) -> bool:
    """Whether a state looks as `encode` leaves it, at the present schema version."""
    if state[:13] != _PREFIX or state[-1:] != b"}":
        return False
    if event_class.schema_version == 1:
        return b'"schema_version"' not in state
    return state.startswith(_marker(event_class), _VERSION_AT)


def _document(state: bytes) -> dict[str, Any]:
    document: object = orjson.loads(state)
    if isinstance(document, dict):
        return cast("dict[str, Any]", document)
    raise ValueError("its state is no JSON object")


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]


def _name(stored: Stored) -> str:
    place = f"the event at position {stored.position}" if stored.position else "an event"
    return f"{place} (version {stored.version} of {stored.lead_id})"


def _corrupt(stored: Stored, why: str) -> LogCorrupt:
    return LogCorrupt(
        f"{_name(stored)} cannot be read: {why}",
        position=stored.position or 0,
        hint="Run `leadflow log verify` to see whether the log was altered.",
    )


def _named(error: KeyUnavailable, stored: Stored) -> KeyUnavailable:
    return KeyUnavailable(f"{_name(stored)} cannot be read: {error.message}", hint=error.hint)
