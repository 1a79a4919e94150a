"""The relay, against kafka-python's own producer sending the same messages."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.kafka import client, topics
from leadflow.kafka.connection import Connection
from leadflow.kafka.relay import Relay
from leadflow.kafka.relay_documents import publisher
from leadflow.kafka.relay_topics import Topics
from leadflow.persistence.codec import to_moment
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Store
from tests.benchmarks.figures import Figure
from tests.broker.server import KafkaBroker

EVENTS = 60_000
MESSAGE = 1_000
"""Bytes of a message, about."""
EVENTS_PER_LEAD = 20
ALONE = 20
PLAIN = "kafka-python, idempotent, without transactions"


def measure(folder: Path) -> list[Figure]:
    """Publish a log of messages of 1 KB; then events that come alone."""
    with tempfile.TemporaryDirectory(prefix="leadflow-bench-broker-") as name:
        broker = KafkaBroker(Path(name))
        broker.start()
        try:
            with open_store(f"sqlite:///{folder}/relay.db", create=True) as store:
                return _measured(store, Connection(broker.address))
        finally:
            broker.stop()


def _measured(store: Store, connection: Connection) -> list[Figure]:
    for first in range(0, EVENTS, 10_000):
        store.append(Append(events=[_event(number) for number in range(first, first + 10_000)]))
    relayed, plain = Topics("bench.relayed"), "bench.plain"
    topics.create(connection, topics.wanted_topics(events=relayed.events)[2:], replicas=1)
    topics.create(connection, [topics.Wanted(plain, "the same", 6)], replicas=1)
    # Alternating, so that both meet the same neighbours.
    sent = _produce(store, connection, plain)
    began = time.perf_counter()
    done = Relay(store, connection, topics=relayed).run(once=True)
    ours = EVENTS / (time.perf_counter() - began)
    again = _produce(store, connection, plain)
    peer = (sent + again) / 2
    alone = sorted(_alone(store, connection, relayed))
    return [
        Figure(
            "relay, with transactions",
            ours,
            "events/s",
            PLAIN,
            peer,
            f"{done.transactions} transactions; at least 0.6 is asked for",
        ),
        Figure("bare consume", _consume(connection, plain), "messages/s"),
        Figure(
            "an idle event, recorded to readable",
            alone[len(alone) // 2] * 1000,
            "ms",
            "asked for, at most",
            200,
            f"median of {ALONE}; the slowest {alone[-1] * 1000:.0f} ms",
        ),
    ]


def _event(number: int) -> e.Captured:
    lead, version = divmod(number, EVENTS_PER_LEAD)
    return e.Captured(
        originator_id=UUID(int=(lead * 2_654_435_761 % 2**32) << 96 | 0x4000 << 64 | 0x8 << 60),
        originator_version=version + 1,
        event_id=UUID(int=number),
        occurred_at=to_moment(1_767_225_600_000_000 + number),
        cycle=1,
        entered=Stage.CAPTURED,
        visit=1,
        source="paid_search",
        landing_page="/" + "x" * (MESSAGE - 520),
    )


def _produce(store: Store, connection: Connection, topic: str) -> float:
    publish = publisher(store, personal=False)
    messages = [publish(event) for event in store.page(after=0, limit=EVENTS).events]
    producer = client.producer(connection)
    began = time.perf_counter()
    for message in messages:
        producer.send(topic, message.value, message.key, message.headers)
    producer.flush()
    seconds = time.perf_counter() - began
    producer.close()
    return len(messages) / seconds


def _consume(connection: Connection, topic: str) -> float:
    reader = client.consumer(connection, max_poll_records=5_000)
    partitions = client.partitions_of(reader, topic)
    reader.assign(partitions)
    ends = reader.end_offsets(partitions)
    began, count = time.perf_counter(), 0
    while count < sum(ends.values()):
        count += sum(len(records) for records in reader.poll(timeout_ms=500).values())
    seconds = time.perf_counter() - began
    reader.close()
    return count / seconds


def _alone(store: Store, connection: Connection, relayed: Topics) -> list[float]:
    """Seconds from the record of one event to a reader of committed records having it."""
    stop = Event()
    thread = Thread(target=Relay(store, connection, topics=relayed, stop=stop).run)
    reader = client.consumer(connection)
    partitions = client.partitions_of(reader, relayed.events)
    reader.assign(partitions)
    for partition, end in reader.end_offsets(partitions).items():
        reader.seek(partition, end)
    thread.start()
    seconds: list[float] = []
    for number in range(ALONE + 2):
        time.sleep(0.3)
        began = time.perf_counter()
        store.append(Append(events=[_event(EVENTS + number)]))
        while not reader.poll(timeout_ms=500):
            pass
        seconds.append(time.perf_counter() - began)
    stop.set()
    thread.join()
    reader.close()
    return seconds[2:]
