"""An event of the log as the record that the relay publishes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast
from urllib.parse import quote

import orjson

from leadflow.domain import wire
from leadflow.domain.events import BY_TOPIC, LeadEvent, LogEvent, own_fields
from leadflow.kafka.client import partition_of
from leadflow.persistence.codec import to_moment
from leadflow.persistence.store import RecordedEvent, Store

CONTENT_TYPE: Final = "content-type"
STRUCTURED: Final = b"application/cloudevents+json; charset=UTF-8"
POSITION: Final = "leadflow-position"
"""The header with the event's place in the log, in decimal digits."""


class Published(NamedTuple):
    """What is sent of an event."""

    position: int
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


Publish = Callable[[RecordedEvent], Published]


def publisher(store: Store, *, personal: bool) -> Publish:
    """What makes records of events: the document that `log export` writes, keyed by lead.

    Events of a policy or of spend have the id of their own stream as key.
    """
    if personal:
        return lambda stored: _published(stored, _by_the_model(store, stored, personal=True))

    def publish(stored: RecordedEvent) -> Published:
        document = document_of(stored)
        if document is None:
            document = _by_the_model(store, stored, personal=False)
        return _published(stored, document)

    return publish


@lru_cache(maxsize=1)
def partitioner(partitions: int) -> Callable[[bytes], int]:
    """The partition of a lead's key by murmur2, as Java's producers choose it; remembered,
    since the client's own is written in Python and costs a quarter of a send."""

    @lru_cache(maxsize=200_000)
    def partition(key: bytes) -> int:
        return partition_of(key, partitions)

    return partition


def _published(stored: RecordedEvent, document: dict[str, Any]) -> Published:
    position = b"%d" % stored.position
    return Published(
        stored.position,
        str(stored.originator_id).encode("ascii"),
        orjson.dumps(document),
        [(CONTENT_TYPE, STRUCTURED), (POSITION, position)],
    )


def _by_the_model(store: Store, stored: RecordedEvent, *, personal: bool) -> dict[str, Any]:
    event = store.mapper.to_domain_event(stored)
    return wire.encode(cast("LogEvent", event), personal=personal)


class _Own(NamedTuple):
    names: tuple[str, ...]
    of_a_lead: bool


_OWN: Final = {
    topic: _Own(
        tuple(name for name in own_fields(event) if name != "personal"),
        issubclass(event, LeadEvent),
    )
    for topic, event in BY_TOPIC.items()
    if event.schema_version == 1
}


def document_of(stored: RecordedEvent) -> dict[str, Any] | None:
    """The same document as `wire.encode` makes, from the stored JSON: a fifth of the time.

    The personal part stays sealed and is left out. None for what must go by the model: events
    of an older or a later schema version.
    """
    own = _OWN.get(stored.topic)
    if own is None or b'"schema_version"' in stored.state:
        return None
    state: dict[str, Any] = orjson.loads(stored.state)
    document: dict[str, Any] = {
        "specversion": wire.SPEC_VERSION,
        "id": state["event_id"],
        "source": _source(state.get("producer")),
        "type": stored.topic,
        "subject": str(stored.originator_id),
        "time": state["occurred_at"],
        "datacontenttype": wire.JSON_TYPE,
    }
    if state["time_basis"] != "exact":
        document["timebasis"] = state["time_basis"]
    for name, attribute in _ATTRIBUTES:
        if name in state:
            document[attribute] = state[name]
    document["leadversion"] = stored.originator_version
    document["position"] = stored.position
    document["recordedat"] = _recorded_at(stored.recorded_at)
    if own.of_a_lead:
        document["cycle"] = state["cycle"]
        for name in ("entered", "left"):
            if name in state:
                document[name] = state[name]
        if state["irregular"]:
            document["irregular"] = ",".join(state["irregular"])
    document["data"] = {
        name: state[name]
        for name in own.names
        if name in state and state[name] != {} and state[name] != []
    }
    return document


_ATTRIBUTES: Final = (
    ("actor", "actor"),
    ("correlation_id", "correlationid"),
    ("causation_id", "causationid"),
)


@lru_cache(maxsize=1_000)  # many events are recorded at one moment
def _recorded_at(microseconds: int) -> str:
    return to_moment(microseconds).isoformat().replace("+00:00", "Z")


@lru_cache(maxsize=1_000)
def _source(producer: str | None) -> str:
    return quote(producer or "leadflow", safe=wire.URI_CHARACTERS)
