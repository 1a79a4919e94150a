"""Events to record, made short."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from leadflow.domain import events as e
from leadflow.domain.events import LogEvent
from leadflow.domain.values import Personal
from leadflow.persistence.store import Append, Appended, Head, NewCommand, Store

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
ADA = Personal(name="Ada Ünïcode Example", email="ada@example.org", phone="+49301234567")


def _envelope(lead: UUID, version: int) -> dict[str, Any]:
    return {
        "originator_id": lead,
        "originator_version": version,
        "event_id": uuid4(),
        "occurred_at": NOON,
        "producer": "test",
    }


def captured(lead: UUID, version: int = 1, personal: Personal | None = ADA) -> e.Captured:
    return e.Captured.model_validate(
        {**_envelope(lead, version), "cycle": 1, "entered": "captured", "visit": 1}
        | {"personal": personal, "channel": "web", "source": "fair"}
    )


def engaged(lead: UUID, version: int) -> e.Engaged:
    return e.Engaged.model_validate({**_envelope(lead, version), "cycle": 1, "kind": "visit"})


def erased(lead: UUID, version: int) -> e.Erased:
    return e.Erased.model_validate({**_envelope(lead, version), "cycle": 1})


def activated(version: int = 1) -> e.PolicyActivated:
    stream = UUID("00000000-0000-4000-8000-000000000001")
    content = {"policy": {"thresholds": {"hot": 70}}, "policy_hash": "abc"}
    return e.PolicyActivated.model_validate({**_envelope(stream, version), **content})


def history(lead: UUID, count: int) -> list[LogEvent]:
    """A lead's first events: captured, then engaged."""
    return [captured(lead), *(engaged(lead, version) for version in range(2, count + 1))]


def record(store: Store, *events: LogEvent) -> Appended:
    return store.append(Append(events=events))


def record_histories(store: Store, leads: int, count: int = 3) -> list[UUID]:
    """Several leads, each in a transaction of its own."""
    ids = [uuid4() for _ in range(leads)]
    for lead in ids:
        store.append(Append(events=history(lead, count)))
    return ids


def command(fingerprint: bytes = b"what was said", first: int = 0, count: int = 1) -> NewCommand:
    return NewCommand(uuid4(), fingerprint, first, count)


def positions(store: Store) -> list[int]:
    """All positions, as an open reader's SQL sees them."""
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT position FROM stored_events ORDER BY position")
        return [row[0] for row in cursor.fetchall()]


def as_recorded(events: Sequence[LogEvent], first: int, head: Head) -> list[LogEvent]:
    """What reading should give: the events, with place and moment of one transaction."""
    from leadflow.persistence.codec import to_moment

    moment = to_moment(head.recorded_at)
    return [
        event.model_copy(update={"position": first + i, "recorded_at": moment})
        for i, event in enumerate(events)
    ]
