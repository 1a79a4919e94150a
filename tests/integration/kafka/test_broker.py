"""The broker that the tests run against is a real one, and tests of one run share it."""

from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

from leadflow.kafka import client, topics
from leadflow.kafka.connection import Connection
from tests.broker.server import KafkaBroker


def test_keeps_and_gives_back(kafka_broker: str, unique: Callable[[str], str]) -> None:
    topic = unique("any")
    assert _sent_and_read(kafka_broker, topic) == [b"0", b"1"]


def test_survives_a_kill(kafka_folder: Path) -> None:
    broker = KafkaBroker(kafka_folder)
    broker.start()
    assert _sent_and_read(broker.address, "any") == [b"0", b"1"]
    broker.stop(SIGKILL)
    broker.start()
    assert _read(broker.address, "any") == [b"0", b"1"]
    broker.stop()


def _sent_and_read(address: str, topic: str) -> list[bytes]:
    connection = Connection(address)
    topics.create(connection, [topics.Wanted(topic, "anything", 1)], replicas=1)
    producer = client.producer(connection)
    for number in range(2):
        producer.send(topic, str(number).encode()).get(timeout=30)
    producer.close()
    return _read(address, topic)


def _read(address: str, topic: str) -> list[bytes]:
    consumer = client.consumer(Connection(address))
    partitions = client.partitions_of(consumer, topic)
    consumer.assign(partitions)
    end = sum(consumer.end_offsets(partitions).values())
    values: list[bytes] = []
    while len(values) < end:
        fetched = consumer.poll(timeout_ms=1000).values()
        values += [record.value or b"" for records in fetched for record in records]
    consumer.close()
    return values
