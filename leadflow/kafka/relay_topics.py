"""The topics of a relay: events, and beside them how far they go.

Every transaction of the relay writes its events and, to a compacted topic of one partition,
the position of the last of them: both are there, or neither. What the two topics say is
compared whenever a relay starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from leadflow.kafka.client import Consumer, Record, TopicPartition, partitions_of, topic_partition
from leadflow.kafka.errors import BrokerTimeout, KafkaError, TopicMissing, kafka_errors
from leadflow.kafka.relay_documents import POSITION

EVENTS: Final = "leadflow.events"
_COMPARED: Final = 200
"""Records at the end of each partition that a start looks at."""
_READ_SECONDS: Final = 60.0


class RelayMismatch(KafkaError):
    """The topic does not hold what the relay wrote there, or not of this log."""

    code = "relay_mismatch"


@dataclass(frozen=True, slots=True)
class Topics:
    """The names of a relay's topics, and of the relay: one relay for each topic of events."""

    events: str = EVENTS

    @property
    def positions(self) -> str:
        return f"{self.events}.position"

    @property
    def transactional_id(self) -> str:
        return f"leadflow.relay.{self.events}"


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a relay has come, as it wrote it down."""

    position: int
    hash: bytes
    """Of the log's chain at that position: says that it is the same log."""

    def to_record(self) -> bytes:
        return orjson.dumps({"position": self.position, "hash": self.hash.hex()})


@dataclass(frozen=True, slots=True)
class Tail:
    """The last records of one partition."""

    partition: TopicPartition
    positions: list[int]
    whole: bool
    """Whether these are all that the partition ever held."""


def position_of(record: Record) -> int:
    """The place in the log of a record that a relay published.

    Raises:
        RelayMismatch: when it has none: somebody else wrote it.
    """
    value = dict(record.headers).get(POSITION)
    if value is None or not value.isdigit():
        raise RelayMismatch(
            f"{record.topic} partition {record.partition} offset {record.offset} is no event of"
            f" the log: it has no header {POSITION}",
            hint="let nothing but the relay write to this topic",
        )
    return int(value)


def read_reached(consumer: Consumer, topics: Topics) -> Reached | None:
    """What the relay wrote down last; None when it never did.

    Raises:
        TopicMissing, BrokerTimeout: the topic cannot be read.
    """
    _existing(consumer, topics.positions)
    records, _ = _last(consumer, topic_partition(topics.positions, 0), 1)
    if not records or records[-1].value is None:
        return None
    document: dict[str, Any] = orjson.loads(records[-1].value)
    return Reached(int(document["position"]), bytes.fromhex(document["hash"]))


def read_tails(consumer: Consumer, topics: Topics) -> list[Tail]:
    """The ends of the partitions of the events' topic, committed records alone."""
    tails: list[Tail] = []
    for partition in _existing(consumer, topics.events):
        records, whole = _last(consumer, partition, _COMPARED)
        tails.append(Tail(partition, [position_of(record) for record in records], whole))
    return tails


def compare(tails: Sequence[Tail], reached: int, events: str) -> None:
    """See that the topic ends where the relay says it ends, whole and in order.

    Raises:
        RelayMismatch: naming the first position that is missing, doubled or out of order
            among those at the topic's end.
    """
    seen: set[int] = set()
    floor = 0
    for tail in tails:
        if not tail.whole:
            floor = max(floor, tail.positions[0] if tail.positions else reached)
        for before, position in zip([0, *tail.positions], tail.positions, strict=False):
            if position <= before:
                what = "twice" if position in seen else "out of order"
                raise _mismatch(events, f"has position {position} {what}")
            seen.add(position)
    beyond = [position for position in seen if position > reached]
    if beyond:
        raise _mismatch(
            events, f"holds position {max(beyond)}, and its relay wrote down {reached} as the last"
        )
    missing = next((p for p in range(floor + 1, reached + 1) if p not in seen), None)
    if missing is not None:
        raise _mismatch(events, f"lacks position {missing} of the {reached} that were relayed")


def wait_for(consumer: Consumer, partition: TopicPartition, end: int) -> Iterable[Record]:
    """The records up to an offset, from where the consumer stands; it reads this one alone.

    Raises:
        BrokerTimeout: when nothing comes any more before that offset.
    """
    until = time.monotonic() + _READ_SECONDS
    while (consumer.position(partition) or 0) < end:
        fetched = consumer.poll(timeout_ms=200)
        for records in fetched.values():
            yield from (record for record in records if record.offset < end)
            until = time.monotonic() + _READ_SECONDS
        if time.monotonic() > until:
            raise BrokerTimeout(
                f"{partition.topic} partition {partition.partition} gives nothing up to offset"
                f" {end} for {_READ_SECONDS:.0f} s",
                hint="see that its broker runs: `leadflow kafka topics check`",
            )


def _last(consumer: Consumer, partition: TopicPartition, least: int) -> tuple[list[Record], bool]:
    """The last committed records of a partition, and whether there never were others.

    Records of aborted transactions and their ends have offsets, too: the search goes further
    back until enough are found.
    """
    with kafka_errors(f"reading {partition.topic}"):
        consumer.assign([partition])
        begin = consumer.beginning_offsets([partition])[partition]
        end = consumer.end_offsets([partition])[partition]
        span = least + 2
        while True:
            start = max(begin, end - span)
            consumer.seek(partition, start)
            records = list(wait_for(consumer, partition, end))
            if len(records) >= least or start == begin:
                return records[-least:], start == 0 and len(records) <= least
            span *= 8


def _existing(consumer: Consumer, topic: str) -> list[TopicPartition]:
    with kafka_errors(f"the topic {topic}"):
        partitions = partitions_of(consumer, topic)
    if not partitions:
        raise TopicMissing(
            f"there is no topic {topic}",
            hint="`leadflow kafka topics create` makes the topics that leadflow uses",
        )
    return partitions


def _mismatch(events: str, what: str) -> RelayMismatch:
    return RelayMismatch(
        f"{events} {what}",
        hint="`leadflow kafka relay --verify` compares all of it; --from-position says where to"
        " go on",
    )
