"""The broker that the tests run against is a real one, and tests of one run share it."""

from collections.abc import Callable
from pathlib import Path
from signal import SIGKILL

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

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
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=address)
    for number in range(2):
        producer.send(topic, str(number).encode()).get(timeout=30)
    producer.close()
    return _read(address, topic)


def _read(address: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    values: list[bytes] = []
    while len(values) < end:
        values += [r.value for rs in consumer.poll(1000).values() for r in rs]
    consumer.close()
    return values
