"""The eventsourcing library over a store: a plain event store obeys every rule of the log."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from eventsourcing.application import Repository
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import (
    DatetimeAsISO,
    EventStore,
    IntegrityError,
    JSONTranscoder,
    Mapper,
    Notification,
    StoredEvent,
    UUIDAsHex,
)

from leadflow.persistence.store import Append, RecordedEvent, Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import captured, engaged, history, positions, record


def test_a_plain_event_store_takes_the_same_append(store: Store) -> None:
    events = EventStore(store.mapper, store.recorder)
    lead, other = uuid4(), uuid4()
    recordings = events.put(history(lead, 3))
    assert [recording.notification.id for recording in recordings] == [1, 2, 3]
    with pytest.raises(IntegrityError, match="version 3 already"):
        events.put([captured(other), engaged(lead, 3)])
    events.put([captured(other), engaged(lead, 4)])
    assert events.put([]) == []
    assert positions(store) == [1, 2, 3, 4, 5]
    assert list(events.get(lead)) == store.load(lead)
    assert list(events.get(lead, gt=1, lte=3, desc=True)) == store.load(lead)[2:0:-1]
    assert list(events.get(lead, limit=2)) == store.load(lead)[:2]
    assert store.load(other)[0].personal is not None  # type: ignore[attr-defined]
    assert isinstance(verify_log(store), Verified)


def test_a_new_key_is_used_for_all_of_a_leads_events_in_one_put(store: Store) -> None:
    events = EventStore(store.mapper, store.recorder)
    lead = uuid4()
    events.put([captured(lead), captured(lead, 2)])
    events.put([captured(lead, 3)])
    read = [one.personal.email for one in store.load(lead)]  # type: ignore[attr-defined]
    assert read == ["ada@example.org"] * 3


def test_notifications_are_the_log(store: Store) -> None:
    lead = uuid4()
    record(store, *history(lead, 6))
    recorder = store.recorder
    assert recorder.max_notification_id() == 6

    def ids(*args: int | None, **kwargs: object) -> list[int]:
        found = recorder.select_notifications(*args, **kwargs)  # type: ignore[arg-type]
        assert all(isinstance(one, Notification) for one in found)
        return [one.id for one in found]

    assert ids(None, 10) == [1, 2, 3, 4, 5, 6]
    assert ids(3, 2) == [3, 4]
    assert ids(3, 10, 5) == [3, 4, 5]
    assert ids(3, 10, inclusive_of_start=False) == [4, 5, 6]
    assert ids(None, 10, topics=["lead.captured"]) == [1]
    assert ids(2, 10, topics=["lead.captured"]) == []


def test_events_of_another_mapper_join_the_chain(store: Store) -> None:
    stored = StoredEvent(uuid4(), 1, "thing.happened", b'{"plain":"json"}')
    assert list(store.recorder.insert_events([stored]) or ()) == [1]
    found = store.events_at(1, 1)[0]
    assert isinstance(found, RecordedEvent)
    assert (found.topic, found.state) == (stored.topic, stored.state)
    assert isinstance(verify_log(store), Verified)


def test_a_recorder_has_no_tables_to_make(store: Store) -> None:
    store.append(Append(events=[captured(uuid4())]))
    store.recorder.create_table()  # type: ignore[attr-defined]
    assert store.head().position == 1


class Counter(Aggregate):
    """An aggregate of the library's own, whose events leadflow knows nothing of."""

    def __init__(self) -> None:
        self.count = 0

    @event("Counted")
    def up(self, by: int) -> None:
        self.count += by


def test_aggregates_of_the_library_over_a_store(store: Store) -> None:
    events: EventStore[UUID] = EventStore(Mapper(JSONTranscoder()), store.recorder)
    events.mapper.transcoder.register(UUIDAsHex())  # type: ignore[attr-defined]
    events.mapper.transcoder.register(DatetimeAsISO())  # type: ignore[attr-defined]
    counters = Repository(events)
    counter = Counter()
    counter.up(by=3)
    events.put(counter.collect_events())
    stale: Counter = counters.get(counter.id)
    counter.up(by=4)
    events.put(counter.collect_events())
    stale.up(by=5)
    with pytest.raises(IntegrityError):
        events.put(stale.collect_events())
    found: Counter = counters.get(counter.id)
    assert found.count == 7
    assert positions(store) == [1, 2, 3]
    assert isinstance(verify_log(store), Verified)
