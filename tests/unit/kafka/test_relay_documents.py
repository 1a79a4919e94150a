"""The quick way from a stored state to a published document is the model's way."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadflow.domain import wire
from leadflow.domain.events import BY_TOPIC
from leadflow.kafka.relay_documents import document_of
from leadflow.persistence.codec import LeadMapper, to_moment
from leadflow.persistence.keys import Keys
from leadflow.persistence.store import RecordedEvent
from tests.contract.corpus import events

LEAD = UUID("7d444840-9dc0-4e5c-8a5a-8b8a1a0f0c11")
MAPPER = LeadMapper(Keys(bytes(32), lambda leads: {}))


@pytest.mark.parametrize("topic", sorted(BY_TOPIC))
@settings(max_examples=20)  # for each of 28 classes
@given(data=st.data())
def test_every_event_is_published_as_an_export_writes_it(topic: str, data: st.DataObject) -> None:
    event = data.draw(events(topic))
    stored = MAPPER.to_stored_event(event)
    recorded = RecordedEvent(
        originator_id=stored.originator_id,
        originator_version=stored.originator_version,
        topic=stored.topic,
        state=stored.state,
        id=data.draw(st.integers(1, 2**40)),
        recorded_at=data.draw(st.integers(0, 4_000_000_000_000_000)),
    )
    document = document_of(recorded)
    assert document is not None
    placed = {"position": recorded.position, "recorded_at": to_moment(recorded.recorded_at)}
    assert document == wire.encode(event.model_copy(update=placed))


def test_an_event_of_another_version_goes_by_its_model() -> None:
    state = b'{"event_id":"7d444840-9dc0-4e5c-8a5a-8b8a1a0f0c11","schema_version":2}'
    recorded = RecordedEvent(
        originator_id=LEAD,
        originator_version=1,
        topic="lead.lost",
        state=state,
        id=1,
        recorded_at=0,
    )
    assert document_of(recorded) is None
