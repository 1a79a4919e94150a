"""The relay: every event once and in order, and never of another log or after another relay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import orjson
import pytest

from leadflow import Leadflow
from leadflow.domain import wire
from leadflow.kafka import client
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import TopicMissing
from leadflow.kafka.relay import COMMITTED, COMMITTING, Limits, Relay, RelaySuperseded
from leadflow.kafka.relay_audit import Agreed, Fault, verify_relay
from leadflow.kafka.relay_documents import POSITION
from leadflow.kafka.relay_topics import RelayMismatch, Topics
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.runtime import rebuild
from tests.integration.kafka.relays import check, make_topics, read_all
from tests.integration.projections.many import record_many

LEADS = 300


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = open_store(f"sqlite:///{tmp_path}/leads.db", create=True)
    record_many(made, LEADS)
    return made


@pytest.fixture
def topics(kafka_broker: str, unique: Callable[[str], str]) -> Topics:
    return make_topics(kafka_broker, unique("events"))


def test_every_event_once_and_in_order(store: Store, kafka_broker: str, topics: Topics) -> None:
    connection = Connection(kafka_broker)
    first = Relay(store, connection, topics=topics, limits=Limits(events=500)).run(once=True)
    assert (first.position, first.events) == (LEADS * 4, LEADS * 4)
    assert first.transactions == 3
    record_many(store, 10, since=LEADS)
    again = Relay(store, connection, topics=topics).run(once=True)
    assert (again.events, again.position) == (40, LEADS * 4 + 40)
    check(store, read_all(kafka_broker, topics.events, again.position))
    assert verify_relay(store, connection, topics) == Agreed(1, again.position, 0)


def test_a_record_is_the_document_that_an_export_writes(
    store: Store, kafka_broker: str, topics: Topics
) -> None:
    leads = Leadflow(store)
    leads.capture(
        "shop:1", source="paid_search", personal={"name": "Ada Example"}, causation_id="7f3a"
    )
    connection = Connection(kafka_broker)
    position = Relay(store, connection, topics=topics, personal=True).run(once=True).position
    reader = client.consumer(connection)
    found: dict[int, client.Record] = {}
    partitions = client.partitions_of(reader, topics.events)
    reader.assign(partitions)
    while len(found) < position:
        for records in reader.poll(timeout_ms=200).values():
            found |= {orjson.loads(record.value or b"")["position"]: record for record in records}
    reader.close()
    for stored in store.page(after=0, limit=10_000).events:
        record = found[stored.position]
        event = store.mapper.to_domain_event(stored)
        assert orjson.loads(record.value or b"") == wire.encode(event, personal=True)  # type: ignore[arg-type]
        headers = dict(record.headers)
        assert headers[POSITION] == str(stored.position).encode()
        assert (headers["content-type"] or b"").startswith(b"application/cloudevents+json")
        key = str(stored.originator_id).encode()
        assert record.key == key
        assert record.partition == client.partition_of(key, len(partitions))
    last = orjson.loads(found[position].value or b"")
    assert (last["data"]["personal"]["name"], last["causationid"]) == ("Ada Example", "7f3a")


def test_a_rebuild_publishes_nothing(store: Store, kafka_broker: str, topics: Topics) -> None:
    connection = Connection(kafka_broker)
    Relay(store, connection, topics=topics).run(once=True)
    before = _ends(connection, topics)
    rebuild(store, None)
    assert Relay(store, connection, topics=topics).run(once=True).events == 0
    assert _ends(connection, topics) == before


def test_told_to_stop_it_ends_what_it_has_begun(
    store: Store, kafka_broker: str, topics: Topics
) -> None:
    from threading import Event

    stop = Event()
    relay = Relay(
        store,
        Connection(kafka_broker),
        topics=topics,
        limits=Limits(events=200),
        stop=stop,
        watcher=lambda step: stop.set() if step == COMMITTING else None,
    )
    assert relay.run().position == 200
    assert Relay(store, Connection(kafka_broker), topics=topics).published() == 200


def test_of_two_relays_one_gives_way(store: Store, kafka_broker: str, topics: Topics) -> None:
    connection = Connection(kafka_broker)
    others: list[int] = []

    def overtake(step: str) -> None:
        if step == COMMITTED and not others:
            record_many(store, 10, since=LEADS)
            others.append(Relay(store, connection, topics=topics).run(once=True).position)
            record_many(store, 10, since=LEADS + 10)

    with pytest.raises(RelaySuperseded, match="it has come to position 1240"):
        Relay(store, connection, topics=topics, watcher=overtake).run()
    Relay(store, connection, topics=topics).run(once=True)
    check(store, read_all(kafka_broker, topics.events, store.head().position))


def test_another_log_is_refused(
    store: Store, kafka_broker: str, topics: Topics, tmp_path: Path
) -> None:
    connection = Connection(kafka_broker)
    Relay(store, connection, topics=topics).run(once=True)
    with open_store(f"sqlite:///{tmp_path}/other.db", create=True) as other:
        record_many(other, LEADS - 1, since=LEADS)
        with pytest.raises(RelayMismatch, match="and the log ends at 1196"):
            Relay(other, connection, topics=topics).run(once=True)
        record_many(other, 1)
        with pytest.raises(RelayMismatch, match="from another log"):
            Relay(other, connection, topics=topics).run(once=True)


def test_without_topics_it_says_so(store: Store, kafka_broker: str) -> None:
    with pytest.raises(TopicMissing, match="there is no topic none"):
        Relay(store, Connection(kafka_broker), topics=Topics("none")).run(once=True)


def test_the_first_missing_position_is_named(
    store: Store, kafka_broker: str, topics: Topics
) -> None:
    connection = Connection(kafka_broker)
    Relay(store, connection, topics=topics).run(once=True)
    record_many(store, 2, since=LEADS)
    Relay(store, connection, topics=topics).run(once=True, from_position=1_206)
    missing = Fault(1_201, "missing", "position 1201 is missing")
    assert verify_relay(store, connection, topics) == missing
    assert verify_relay(store, connection, topics, from_position=1_206) == Agreed(1_206, 1_208, 0)


def test_a_record_that_came_twice_is_named(store: Store, kafka_broker: str, topics: Topics) -> None:
    connection = Connection(kafka_broker)
    Relay(store, connection, topics=topics).run(once=True)
    for position in (9, 7):
        _send_again(connection, topics, position)
    outcome = verify_relay(store, connection, topics)
    assert isinstance(outcome, Fault)
    assert (outcome.position, outcome.kind) == (7, "doubled")
    with pytest.raises(RelayMismatch, match=r"has position (7|9) out of order"):
        Relay(store, connection, topics=topics).run(once=True)


def test_what_is_published_again_on_purpose_does_not_stop_it(
    store: Store, kafka_broker: str, topics: Topics
) -> None:
    connection = Connection(kafka_broker)
    Relay(store, connection, topics=topics).run(once=True)
    Relay(store, connection, topics=topics).run(once=True, from_position=1_101)
    record_many(store, 10, since=LEADS)
    assert Relay(store, connection, topics=topics).run(once=True).events == 40
    outcome = verify_relay(store, connection, topics)
    assert isinstance(outcome, Fault)
    assert (outcome.position, outcome.kind) == (1_101, "doubled")


def test_a_topic_made_again_is_noticed(store: Store, kafka_broker: str, topics: Topics) -> None:
    connection = Connection(kafka_broker)
    Relay(store, connection, topics=topics).run(once=True)
    admin = client.admin(connection)
    admin.delete_topics([topics.events])
    admin.close()
    until = datetime.now(UTC).timestamp() + 30
    while topics.events in _names(connection):
        assert datetime.now(UTC).timestamp() < until
    make_topics(kafka_broker, topics.events)
    with pytest.raises(RelayMismatch, match="lacks position 1 of the 1200"):
        Relay(store, connection, topics=topics).run(once=True)


def test_follows_the_log(store: Store, kafka_broker: str, topics: Topics) -> None:
    from threading import Event

    stop = Event()
    relay = Relay(store, Connection(kafka_broker), topics=topics, stop=stop)
    thread = Thread(target=relay.run)
    thread.start()
    record_many(store, 5, since=LEADS)
    seen = read_all(kafka_broker, topics.events, store.head().position)
    stop.set()
    thread.join()
    check(store, seen)


def _send_again(connection: Connection, topics: Topics, position: int) -> None:
    reader = client.consumer(connection)
    reader.assign(client.partitions_of(reader, topics.events))
    found = None
    while found is None:
        for records in reader.poll(timeout_ms=200).values():
            for record in records:
                if dict(record.headers)[POSITION] == str(position).encode():
                    found = record
    reader.close()
    producer = client.producer(connection)
    headers = [(name, value or b"") for name, value in found.headers]
    sending = producer.send(
        topics.events, found.value, found.key, headers, partition=found.partition
    )
    sending.get(timeout=30)
    producer.close()


def _ends(connection: Connection, topics: Topics) -> dict[tuple[str, int], int]:
    reader = client.consumer(connection)
    names = (topics.events, topics.positions)
    partitions = [one for name in names for one in client.partitions_of(reader, name)]
    ends = {(one.topic, one.partition): end for one, end in reader.end_offsets(partitions).items()}
    reader.close()
    return ends


def _names(connection: Connection) -> list[str]:
    admin = client.admin(connection)
    names = admin.list_topics()
    admin.close()
    return names
