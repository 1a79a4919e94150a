"""The wire format: an event as a CloudEvents 1.0 document, and back.

The same on topics and in JSON lines. What a sender gives stands in `data`, the envelope
in CloudEvents attributes; stamps come from the log alone, so a sender's are refused.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, cast
from urllib.parse import quote
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from leadflow.domain import events as e
from leadflow.domain.identity import message_id
from leadflow.domain.upcasters import upcast
from leadflow.domain.validation import one_sentence
from leadflow.domain.values import ExternalId, TimeBasis
from leadflow.errors import InvalidInput

SPEC_VERSION: Final = "1.0"
JSON_TYPE: Final = "application/json"

URI_CHARACTERS: Final = ":/?#[]@!$&'()*+,;=%"
"""What may stand in a URI beside letters, digits and `-._~`; `source` has to be one."""
_RFC3339: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})"
)
_SCHEMA: Final = re.compile(
    r"(?:.*?(?P<topic>[a-z]+\.[a-z_]+)[:/#.])?(?:.*[:/#])?v?(?P<number>\d+)"
)


@dataclass(frozen=True, slots=True)
class Message:
    """An event as another system sent it; `source` and `id` identify it for ever."""

    source: str
    id: str
    topic: str
    subject: str
    """The lead, as a UUID or as SYSTEM:EXTERNAL-ID; empty where the topic is no lead's."""
    time: datetime | None
    """When it happened; None when the sender did not say."""
    time_basis: TimeBasis
    fields: dict[str, Any]
    """The event's own fields, validated."""
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None

    @property
    def command_id(self) -> UUID:
        """The id under which the log remembers it: sent twice, it is recorded once."""
        return message_id(self.source, self.id)


def encode(event: e.LogEvent, *, personal: bool = False) -> dict[str, Any]:
    """The event as a CloudEvents document, without personal data unless asked for.

    Beside the event's own fields it carries, as extension attributes, its place in the
    log and the stage moves that the log stamped, for those who read and do not fold.
    """
    document: dict[str, Any] = {
        "specversion": SPEC_VERSION,
        "id": str(event.event_id),
        "source": quote(event.producer or "leadflow", safe=URI_CHARACTERS),
        "type": event.topic,
        "subject": str(event.originator_id),
        "time": _rfc3339(event.occurred_at),
        "datacontenttype": JSON_TYPE,
    }
    if event.schema_version > 1:
        document["dataschema"] = f"urn:leadflow:{event.topic}:{event.schema_version}"
    if event.time_basis is not TimeBasis.EXACT:
        document["timebasis"] = event.time_basis.value
    # Extension attributes, whose names may hold no underscore.
    extensions = {
        "actor": event.actor,
        "correlationid": event.correlation_id,
        "causationid": event.causation_id,
    }
    document |= {name: value for name, value in extensions.items() if value is not None}
    document |= _place(event)
    document["data"] = _data(event, personal=personal)
    return document


def decode(document: object) -> Message:
    """Read and validate a CloudEvents document that another system sent.

    Raises:
        InvalidInput: naming the first attribute or field that is wrong.
    """
    if not isinstance(document, dict):
        raise InvalidInput("a CloudEvents document is a JSON object, and this is none")
    given = cast("dict[str, object]", document)
    version = given.get("specversion")
    if version != SPEC_VERSION:
        said = "is missing" if version is None else f"{version!r} is not known"
        raise InvalidInput(f'specversion: {said}; this program reads "{SPEC_VERSION}"')
    event = _event_class(_text(given, "type"))
    source, identity = _text(given, "source"), _text(given, "id")
    _check_content(given)
    return Message(
        source=source,
        id=identity,
        topic=event.topic,
        subject=_subject(given, event),
        time=_time(given),
        time_basis=_time_basis(given),
        fields=_fields(given, event),
        actor=_optional(given, "actor"),
        correlation_id=_optional(given, "correlationid"),
        causation_id=_optional(given, "causationid"),
    )


def decode_line(line: bytes | str) -> Message:
    """Read one JSON line; see `decode`.

    Raises:
        InvalidInput: when it is no JSON, or no valid message.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"no JSON: {error}") from error
    return decode(document)


def _rfc3339(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _place(event: e.LogEvent) -> dict[str, Any]:
    place: dict[str, Any] = {"leadversion": event.originator_version}
    if event.position is not None:
        place["position"] = event.position
    if event.recorded_at is not None:
        place["recordedat"] = _rfc3339(event.recorded_at)
    if isinstance(event, e.LeadEvent):
        place["cycle"] = event.cycle
        if event.entered is not None:
            place["entered"] = event.entered.value
        if event.left is not None:
            place["left"] = event.left.value
        if event.irregular:
            place["irregular"] = ",".join(event.irregular)
    return place


def _data(event: e.LogEvent, *, personal: bool) -> dict[str, Any]:
    wanted = set(e.own_fields(type(event)))
    if not personal:
        wanted.discard("personal")
    given = event.model_dump(mode="json", include=wanted, exclude_none=True)
    if "personal" in given:
        given["personal"] = _filled(given["personal"])
    return _filled(given)


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ({}, [])}


def _text(given: Mapping[str, object], attribute: str) -> str:
    value = given.get(attribute)
    if value is None:
        raise InvalidInput(f"{attribute}: is missing")
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{attribute}: must be a text that is not empty")
    if not value.isprintable():
        raise InvalidInput(f"{attribute}: holds a control character")
    return value


def _optional(given: Mapping[str, object], attribute: str) -> str | None:
    return None if given.get(attribute) is None else _text(given, attribute)


def _event_class(topic: str) -> type[e.LogEvent]:
    event = e.BY_TOPIC.get(topic)
    if event is None:
        near = difflib.get_close_matches(topic, e.BY_TOPIC, 1)
        advice = f"did you mean {near[0]}?" if near else "see docs/reference/lifecycle.md"
        raise InvalidInput(f"type: unknown event {topic!r}; {advice}")
    return event


def _check_content(given: Mapping[str, object]) -> None:
    if given.get("datacontenttype") is not None:
        content = _text(given, "datacontenttype").partition(";")[0].strip().lower()
        if content != JSON_TYPE and not content.endswith("+json"):
            raise InvalidInput(f"datacontenttype: {content!r} is not read; send {JSON_TYPE}")
    if given.get("data_base64") is not None:
        raise InvalidInput("data_base64: is not read; send the fields as an object in data")


def _version(given: Mapping[str, object], event: type[e.LogEvent]) -> int:
    """Which version of the event's fields the sender wrote; 1 where it does not say."""
    if given.get("dataschema") is None:
        return 1
    schema = _text(given, "dataschema")
    match = _SCHEMA.fullmatch(schema)
    if match is None:
        raise InvalidInput(
            f"dataschema: {schema!r} names no version; "
            f"write urn:leadflow:{event.topic}:{event.schema_version}"
        )
    topic, number = match["topic"], int(match["number"])
    if topic in e.BY_TOPIC and topic != event.topic:
        raise InvalidInput(f"dataschema: {schema!r} is of another type than {event.topic}")
    if not 1 <= number <= event.schema_version:
        raise InvalidInput(
            f"dataschema: version {number} of {event.topic} is not known; "
            f"this program reads version {event.schema_version}"
        )
    return number


def _subject(given: Mapping[str, object], event: type[e.LogEvent]) -> str:
    if not issubclass(event, e.LeadEvent):
        return "" if given.get("subject") is None else _text(given, "subject")
    subject = _text(given, "subject")
    if ":" not in subject:
        try:
            return str(UUID(subject))
        except ValueError as error:
            raise InvalidInput(
                f"subject: {subject!r} is neither a lead's UUID nor SYSTEM:EXTERNAL-ID"
            ) from error
    try:
        return str(ExternalId.parse(subject))
    except ValueError as error:
        raise InvalidInput(f"subject: {error}") from error


def _time(given: Mapping[str, object]) -> datetime | None:
    if given.get("time") is None:
        return None
    text = _text(given, "time")
    if not _RFC3339.fullmatch(text):
        raise InvalidInput(
            f"time: {text!r} is no moment; write one with its zone, such as 2026-03-01T09:30:00Z"
        )
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise InvalidInput(f"time: {text!r} is no moment: {error}") from error


def _time_basis(given: Mapping[str, object]) -> TimeBasis:
    if given.get("timebasis") is None:
        return TimeBasis.EXACT
    text = _text(given, "timebasis")
    try:
        return TimeBasis(text)
    except ValueError as error:
        raise InvalidInput(f"timebasis: {text!r} is not one of {', '.join(TimeBasis)}") from error


def _fields(given: Mapping[str, object], event: type[e.LogEvent]) -> dict[str, Any]:
    data = given.get("data")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InvalidInput("data: must be an object with the event's own fields")
    fields = cast("dict[str, object]", data)
    stamped = e.STAMPS & fields.keys()
    if stamped:
        raise InvalidInput(f"data.{min(stamped)}: is stamped by the log; no sender may set it")
    envelope = e.LogEvent.model_fields.keys() & fields.keys()
    if envelope:
        raise InvalidInput(f"data.{min(envelope)}: belongs to the attributes beside data")
    return validated_fields(event, _upcast(event, fields, _version(given, event)))


def _upcast(event: type[e.LogEvent], fields: dict[str, object], version: int) -> dict[str, object]:
    if version == event.schema_version:
        return fields
    document: dict[str, Any] = {**fields, "schema_version": version}
    try:
        upcast(event.topic, document, to_version=event.schema_version)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise InvalidInput(f"data: is no version {version} of {event.topic}: {error}") from error
    return document


def validated_fields(event: type[e.LogEvent], fields: Mapping[str, object]) -> dict[str, Any]:
    """The event's own fields, checked as strictly as JSON allows: 1.6 is no 2, "3" no 3.

    Raises:
        InvalidInput: naming the first field that is wrong.
    """
    try:
        checked = own_model(event).model_validate_json(orjson.dumps(fields))
    except ValidationError as error:
        raise InvalidInput(
            f"data.{one_sentence(error)}", hint=f"{event.topic} has {_names(event)}"
        ) from error
    except TypeError as error:
        raise InvalidInput(f"data: {error}") from error
    given = checked.model_fields_set
    return {name: getattr(checked, name) for name in e.own_fields(event) if name in given}


def _names(event: type[e.LogEvent]) -> str:
    return ", ".join(own_model(event).model_fields) or "no fields"


@cache
def own_model(event: type[e.LogEvent]) -> type[BaseModel]:
    """A strict model of what a sender gives: the event's own fields, as it declares them."""
    declared = event.model_fields
    fields: dict[str, Any] = {
        name: (declared[name].annotation, declared[name]) for name in e.own_fields(event)
    }
    config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    return create_model(f"{event.__name__}Data", __config__=config, **fields)
