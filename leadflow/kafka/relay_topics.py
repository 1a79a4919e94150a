"""The topics of a relay: events, and beside them how far they go.

Every transaction of the relay writes its events and, to a compacted topic of one partition,
the position of the last of them: both are there, or neither. What the two topics say is
compared whenever a relay starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    first: int = 1
    """Where it was told to begin, the last time it was."""
    began: Mapping[int, int] = field(default_factory=dict[int, int])
    """By partition of the events: the offset from which on it has written since then."""

    def to_record(self) -> bytes:
        document = {"position": self.position, "hash": self.hash.hex(), "first": self.first}
        return orjson.dumps(document | {"began": self.began}, option=orjson.OPT_NON_STR_KEYS)

    @classmethod
    def from_record(cls, value: bytes) -> Reached:
        """Read what `to_record` wrote."""
        document: dict[str, Any] = orjson.loads(value)
        return cls(
            int(document["position"]),
            bytes.fromhex(document["hash"]),
            int(document["first"]),
            {int(partition): offset for partition, offset in document["began"].items()},
        )


@dataclass(frozen=True, slots=True)
class Tail:
    """The last records of one partition."""

    partition: TopicPartition
    positions: list[int]
    whole: bool
    """Whether these are all that was ever there."""


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
    return Reached.from_record(records[-1].value)


def read_tails(
    consumer: Consumer, topics: Topics, began: Mapping[int, int] | None = None
) -> list[Tail]:
    """The ends of the partitions of the events' topic, committed records alone; where `began`
    says so, only those from an offset on."""
    tails: list[Tail] = []
    for partition in _existing(consumer, topics.events):
        since = (began or {}).get(partition.partition, 0)
        records, whole = _last(consumer, partition, _COMPARED, since)
        tails.append(Tail(partition, [position_of(record) for record in records], whole))
    return tails


def end_offsets(consumer: Consumer, topics: Topics) -> dict[int, int]:
    """By partition of the events: the offset that comes next."""
    ends = consumer.end_offsets(_existing(consumer, topics.events))
    return {partition.partition: offset for partition, offset in ends.items()}


def last_position(tails: Sequence[Tail]) -> int:
    """The greatest position that a topic holds; 0 where it holds none."""
    return max((tail.positions[-1] for tail in tails if tail.positions), default=0)


def compare(tails: Sequence[Tail], reached: int, events: str, *, first: int = 1) -> None:
    """See that the topic ends where the relay says it ends, whole and in order.

    Raises:
        RelayMismatch: naming the first position that is missing, doubled or out of order
            among those at the topic's end.
    """
    seen: set[int] = set()
    floor = first - 1
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


def _last(
    consumer: Consumer, partition: TopicPartition, least: int, since: int = 0
) -> tuple[list[Record], bool]:
    """The last committed records of a partition, and whether there never were others.

    Records of aborted transactions and their ends have offsets, too: the search goes further
    back until enough are found.
    """
    with kafka_errors(f"reading {partition.topic}"):
        consumer.assign([partition])
        kept = consumer.beginning_offsets([partition])[partition]
        end = consumer.end_offsets([partition])[partition]
        begin, span = max(kept, since), least + 2
        while True:
            start = min(end, max(begin, end - span))
            consumer.seek(partition, start)
            records = list(wait_for(consumer, partition, end))
            if len(records) >= least or start in (begin, end):
                whole = start <= since and len(records) <= least
                return records[-least:], whole
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
