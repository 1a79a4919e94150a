"""How far ingest and relay are behind: partition by partition, and in seconds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from leadflow.kafka import client
from leadflow.kafka.client import Consumer, TopicPartition, partitions_of
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import kafka_errors
from leadflow.kafka.relay_topics import Topics, read_reached
from leadflow.persistence.inbox_tables import offsets
from leadflow.persistence.store import Store

_PEEK_MS = 2_000


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far one partition of the inbox has been recorded."""

    topic: str
    partition: int
    current_offset: int
    """Of the first message that is not recorded yet, by the store; 0 where none ever was."""
    log_end_offset: int
    lag: int
    """Offsets between them; ends of a producer's transactions are counted among them."""
    records_per_second: float
    """Recorded, while it was watched."""
    seconds_behind: float
    """How long the first message that is not recorded has been in the topic."""


@dataclass(frozen=True, slots=True)
class RelayLag:
    """How far the log has been published."""

    topic: str
    position: int
    log_position: int
    lag: int
    events_per_second: float
    seconds_behind: float


@dataclass(frozen=True, slots=True)
class Lag:
    """Both, at one moment."""

    inbox: list[PartitionLag]
    relay: RelayLag | None
    """None where there is no topic for it."""

    def as_data(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "partitions": [asdict(row) for row in self.inbox],
            "relay": None if self.relay is None else asdict(self.relay),
        }

    @property
    def greatest(self) -> int:
        """The greatest lag of all partitions and of the relay."""
        lags = [row.lag for row in self.inbox]
        return max([*lags, self.relay.lag if self.relay else 0])

    @property
    def seconds(self) -> float:
        """The longest that anything waits."""
        waits = [row.seconds_behind for row in self.inbox]
        return max([*waits, self.relay.seconds_behind if self.relay else 0.0])


def measure(
    store: Store,
    connection: Connection,
    *,
    inbox: str,
    events: str,
    watched_seconds: float = 1.0,
) -> Lag:
    """Look twice, so many seconds apart, and say how far each is behind and how fast it is.

    Raises:
        BrokerUnreachable, KafkaDenied, TopicMissing: it cannot be told.
    """
    reader = client.consumer(connection)
    topics = Topics(events)
    try:
        with kafka_errors("reading how far the topics go"):
            partitions = partitions_of(reader, inbox)
            published = bool(partitions_of(reader, topics.positions))
            before = _recorded(store, inbox)
            relayed = _relayed(reader, topics) if published else 0
            began = time.monotonic()
            time.sleep(watched_seconds)
            passed = time.monotonic() - began
            now = _recorded(store, inbox)
            rows = _inbox(reader, partitions, before, now, passed)
            relay = _relay(store, reader, topics, relayed, passed) if published else None
    finally:
        reader.close()
    return Lag(rows, relay)


def _recorded(store: Store, topic: str) -> dict[int, int]:
    return {row.partition: row.next_offset for row in offsets(store, topic)}


def _relayed(reader: Consumer, topics: Topics) -> int:
    reached = read_reached(reader, topics)
    return reached.position if reached else 0


def _inbox(
    reader: Consumer,
    partitions: Sequence[TopicPartition],
    before: dict[int, int],
    now: dict[int, int],
    passed: float,
) -> list[PartitionLag]:
    begins, ends = reader.beginning_offsets(partitions), reader.end_offsets(partitions)
    rows: list[PartitionLag] = []
    for one in partitions:
        current = max(now.get(one.partition, 0), begins[one])
        moved = current - max(before.get(one.partition, 0), begins[one])
        waiting = _waiting(reader, one, current) if current < ends[one] else 0.0
        rows.append(
            PartitionLag(
                one.topic,
                one.partition,
                current,
                ends[one],
                max(0, ends[one] - current),
                round(moved / passed, 1),
                round(waiting, 1),
            )
        )
    return rows


def _waiting(reader: Consumer, partition: TopicPartition, offset: int) -> float:
    """Seconds since the first message that is not recorded came into the topic."""
    reader.assign([partition])
    reader.seek(partition, offset)
    for records in reader.poll(timeout_ms=_PEEK_MS, max_records=1).values():
        return max(0.0, time.time() - records[0].timestamp / 1000)
    return 0.0


def _relay(store: Store, reader: Consumer, topics: Topics, before: int, passed: float) -> RelayLag:
    position = _relayed(reader, topics)
    head = store.head().position
    waiting = 0.0
    if position < head:
        recorded_at = store.events_at(position + 1, 1)[0].recorded_at / 1_000_000
        waiting = max(0.0, store.now().timestamp() - recorded_at)
    return RelayLag(
        topics.events,
        position,
        head,
        max(0, head - position),
        round((position - before) / passed, 1),
        round(waiting, 1),
    )
