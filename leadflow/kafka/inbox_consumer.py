"""The consumer of an inbox, behind a typed port: kafka-python has no type hints.

One thread uses it. The group decides which partitions it reads, the database from where.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from threading import Lock
from typing import Final
from uuid import UUID

from leadflow.kafka import client
from leadflow.kafka.client import Record, TopicPartition
from leadflow.kafka.connection import Connection

_FETCH_BYTES: Final = 4 * 1024 * 1024
"""Of one partition at once; a larger message comes alone."""
_RECONNECT_MS: Final = 1_000
"""A broker that comes back is noticed within so long."""


@dataclass(slots=True)
class Changes:
    """What the group has given and taken since it was last asked."""

    assigned: set[int] = field(default_factory=set[int])
    revoked: set[int] = field(default_factory=set[int])


class InboxConsumer:
    """A member of a consumer group that reads one topic."""

    def __init__(
        self,
        connection: Connection,
        topic: str,
        group: str,
        *,
        instance: str | None = None,
        session_seconds: float = 10,
        most: int = 1_000,
    ) -> None:
        sticky = import_module("kafka.coordinator.assignors.cooperative_sticky")
        import_module("kafka").ConsumerRebalanceListener.register(_Listener)
        self.topic = topic
        self._lock = Lock()
        self._changes = Changes()
        self._most = most
        session = round(session_seconds * 1000)
        self._consumer = client.consumer(
            connection,
            group=group,
            group_instance_id=instance,
            partition_assignment_strategy=[sticky.CooperativeStickyAssignor],
            session_timeout_ms=session,
            heartbeat_interval_ms=session // 4,
            max_partition_fetch_bytes=_FETCH_BYTES,
            metadata_max_age_ms=5_000,
            reconnect_backoff_max_ms=_RECONNECT_MS,
            metrics_enabled=False,
        )
        self._consumer.subscribe([topic], listener=_Listener(self))

    def poll(self, seconds: float) -> dict[int, Sequence[Record]]:
        """The next messages by partition, and whatever the group asks of its members."""
        found = self._consumer.poll(timeout_ms=round(seconds * 1000), max_records=self._most)
        return {partition.partition: records for partition, records in found.items()}

    def changes(self) -> Changes:
        """What was assigned and revoked since the last call; what is assigned stands still."""
        with self._lock:
            changes, self._changes = self._changes, Changes()
        return changes

    def start_at(self, partition: int, offset: int) -> None:
        """Read an assigned partition from an offset on."""
        here = self._partition(partition)
        if here in self._consumer.assignment():
            self._consumer.seek(here, offset)
            self._consumer.resume(here)

    def pause(self, partitions: Collection[int]) -> None:
        """Let these partitions stand still; the group goes on."""
        self._each(self._consumer.pause, partitions)

    def resume(self, partitions: Collection[int]) -> None:
        """Read these partitions on."""
        self._each(self._consumer.resume, partitions)

    def _each(self, act: Callable[..., None], partitions: Collection[int]) -> None:
        held = self._consumer.assignment()
        act(*(p for p in map(self._partition, partitions) if p in held))

    def bounds(self, partitions: Collection[int]) -> dict[int, tuple[int, int]]:
        """The first offset of each partition, and the one after the last."""
        wanted = [self._partition(partition) for partition in partitions]
        first = self._consumer.beginning_offsets(wanted)
        after = self._consumer.end_offsets(wanted)
        return {p.partition: (first[p], after[p]) for p in wanted}

    def position(self, partition: int) -> int:
        """The offset that is read next, which may lie beyond the last message's."""
        found = self._consumer.position(self._partition(partition), timeout_ms=1_000)
        return -1 if found is None else found

    def commit(self, offsets: Mapping[int, int], *, wait: bool = False) -> None:
        """Tell Kafka how far the database is, for those who watch the group there."""
        told = {
            self._partition(partition): client.offset_and_metadata(offset)
            for partition, offset in offsets.items()
        }
        if not told:
            return
        if wait:
            self._consumer.commit(told, timeout_ms=3_000)
        else:
            self._consumer.commit_async(told)

    def close(self) -> None:
        """Leave the group, unless as a static member, which comes back to its partitions."""
        self._consumer.close(autocommit=False, timeout_ms=3_000)

    def _partition(self, number: int) -> TopicPartition:
        return client.topic_partition(self.topic, number)

    def given(self, partitions: Collection[TopicPartition]) -> None:
        """The group has assigned these; called in kafka-python's own thread."""
        with self._lock:
            for partition in partitions:
                # Until the database has said from where, nothing of it is fetched.
                self._consumer.pause(partition)
                self._changes.assigned.add(partition.partition)
                self._changes.revoked.discard(partition.partition)

    def taken_away(self, partitions: Collection[TopicPartition]) -> None:
        """The group has taken these away; called in kafka-python's own thread."""
        with self._lock:
            for partition in partitions:
                self._changes.revoked.add(partition.partition)
                self._changes.assigned.discard(partition.partition)


class _Listener:
    """What kafka-python calls when the group assigns anew."""

    def __init__(self, consumer: InboxConsumer) -> None:
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._consumer.given(assigned)

    def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        self._consumer.taken_away(revoked)

    def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        self._consumer.taken_away(lost)


class TopicWatch:
    """Tells which topic of a name there is now."""

    def __init__(self, connection: Connection, topic: str) -> None:
        self._topic = topic
        self._admin = client.admin(connection, reconnect_backoff_max_ms=_RECONNECT_MS)

    def topic_id(self) -> UUID | None:
        """The id of the topic; None while there is none."""
        for described in self._admin.describe_topics([self._topic]):
            if not described.get("error_code") and described["name"] == self._topic:
                return UUID(str(described["topic_id"]))
        return None

    def close(self) -> None:
        """End its connection."""
        self._admin.close()
