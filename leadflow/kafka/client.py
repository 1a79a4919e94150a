"""The port to Kafka: kafka-python behind types, since it has none of its own.

Protocols name what leadflow uses of its clients; factories make them from a `Connection`,
with the settings that matter decided here, once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, Protocol, cast

from leadflow.kafka.connecting import connect
from leadflow.kafka.connection import Connection


class TopicPartition(NamedTuple):
    """A partition of a topic. Equal to kafka-python's, both being tuples."""

    topic: str
    partition: int


class Record(Protocol):
    """A record as a consumer gives it."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch; -1 where it has none."""
        ...

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Acknowledged(Protocol):
    """Where a record came to lie."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...


class Sending(Protocol):
    """A record on its way."""

    def get(self, timeout: float | None = None) -> Acknowledged:
        """Wait for the broker's word; seconds."""
        ...

    def failed(self) -> bool: ...

    @property
    def exception(self) -> Exception | None: ...


class Producer(Protocol):
    """What leadflow uses of KafkaProducer. Safe to share between threads."""

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: list[tuple[str, bytes]] | None = None,
        *,
        partition: int | None = None,
    ) -> Sending: ...
    def flush(self, timeout: float | None = None) -> None: ...
    def close(self, timeout: float | None = None) -> None: ...
    def partitions_for(self, topic: str) -> set[int]: ...
    def init_transactions(self) -> None: ...
    def begin_transaction(self) -> None: ...
    def commit_transaction(self) -> None: ...
    def abort_transaction(self) -> None: ...


class RebalanceListener(Protocol):
    """Told by a consumer's `poll` which partitions it loses and gains."""

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None: ...
    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None: ...
    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None: ...


class Consumer(Protocol):
    """What leadflow uses of KafkaConsumer. Not to be shared between threads."""

    def assign(self, partitions: Collection[TopicPartition]) -> None: ...
    def subscribe(
        self, topics: Collection[str], *, listener: RebalanceListener | None = None
    ) -> None: ...
    def assignment(self) -> set[TopicPartition]: ...
    def poll(
        self, timeout_ms: int = 0, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[Record]]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def position(self, partition: TopicPartition, timeout_ms: int | None = None) -> int | None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    def paused(self) -> set[TopicPartition]: ...
    def commit(
        self, offsets: Mapping[TopicPartition, object] | None = None, timeout_ms: int | None = None
    ) -> None: ...
    def commit_async(self, offsets: Mapping[TopicPartition, object] | None = None) -> object: ...
    def committed(self, partition: TopicPartition) -> int | None: ...
    def partitions_for_topic(self, topic: str) -> set[int] | None: ...
    def beginning_offsets(
        self, partitions: Collection[TopicPartition]
    ) -> dict[TopicPartition, int]: ...
    def end_offsets(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Of a read_committed consumer: where it can read to, open transactions not included."""
        ...

    def close(self, autocommit: bool = True, timeout_ms: int | None = None) -> None: ...


class Admin(Protocol):
    """What leadflow uses of KafkaAdminClient."""

    def list_topics(self) -> list[str]: ...
    def describe_topics(self, topics: Sequence[str] | None = None) -> list[dict[str, Any]]: ...
    def create_topics(self, new_topics: Mapping[str, Mapping[str, Any]]) -> Any: ...
    def wait_for_topics(self, topic_names: Sequence[str], timeout_ms: int = ...) -> Any: ...
    def delete_topics(self, topics: Sequence[str]) -> Any: ...
    def describe_configs(self, config_resources: Any, config_filter: str = ...) -> Any: ...
    def list_group_offsets(self, group_specs: Any) -> Any: ...
    def close(self) -> None: ...


def topic_partition(topic: str, partition: int) -> TopicPartition:
    """A partition as kafka-python wants it: its code asks for attributes and for its class."""
    return cast("TopicPartition", import_module("kafka").TopicPartition(topic, partition))


def offset_and_metadata(offset: int, metadata: str = "") -> object:
    """An offset to commit, as kafka-python wants it."""
    return import_module("kafka").OffsetAndMetadata(offset, metadata, -1)


def producer(
    connection: Connection, *, transactional_id: str | None = None, **more: Any
) -> Producer:
    """An idempotent producer that waits for all replicas; keys go by murmur2, as in Java."""
    options = {
        "acks": "all",
        "enable_idempotence": True,
        "linger_ms": 5,
        "batch_size": 256 * 1024,
        "allow_auto_create_topics": False,
        "client_id": "leadflow",
    }
    if transactional_id is not None:
        options["transactional_id"] = transactional_id
    return cast("Producer", connect("KafkaProducer", connection, **options | more))


def consumer(connection: Connection, *, group: str | None = None, **more: Any) -> Consumer:
    """A consumer of committed records that commits no offset by itself."""
    options = {
        "group_id": group,
        "enable_auto_commit": False,
        "isolation_level": "read_committed",
        "auto_offset_reset": "earliest",
        "allow_auto_create_topics": False,
        "client_id": "leadflow",
    }
    return cast("Consumer", connect("KafkaConsumer", connection, **options | more))


def admin(connection: Connection, **more: Any) -> Admin:
    """A client that makes and describes topics and groups."""
    options = {"client_id": "leadflow"}
    return cast("Admin", connect("KafkaAdminClient", connection, **options | more))


def partitions_of(consumer: Consumer, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, in order; none where there is no such topic."""
    return [topic_partition(topic, n) for n in sorted(consumer.partitions_for_topic(topic) or ())]


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key by murmur2, as Java's producers and ours choose it."""
    hashed: int = import_module("kafka.partitioner.default").murmur2(key)
    return (hashed & 0x7FFF_FFFF) % partitions
