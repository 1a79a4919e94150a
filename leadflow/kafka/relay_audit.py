"""`kafka relay --verify`: the topic compared with the log, event by event."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from leadflow.kafka import client
from leadflow.kafka.client import Consumer, Record, partitions_of
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import kafka_errors
from leadflow.kafka.relay_topics import (
    RelayMismatch,
    Topics,
    last_position,
    position_of,
    read_reached,
    read_tails,
    wait_for,
)
from leadflow.persistence.store import Store

_SLICE: Final = 5_000

Progress = Callable[[int, int], object]
"""Told how many records are read, and how many there are about."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """The topic holds what it should."""

    first: int
    """The first position that was looked for."""
    position: int
    """The last position published."""
    behind: int
    """Events of the log that are not published yet."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first position at which the topic is not what the log has."""

    position: int
    kind: str
    """missing, doubled, out_of_order, beyond what the relay wrote down, or foreign: not of this
    log."""
    what: str


def verify_relay(
    store: Store,
    connection: Connection,
    topics: Topics,
    *,
    from_position: int = 1,
    progress: Progress = lambda _done, _of: None,
) -> Agreed | Fault:
    """Read the whole topic as a consumer of committed records does, and compare it with the log
    up to the position that its relay wrote down.

    Every event must be there once, in its lead's partition, behind those before it. What
    retention has removed from the beginning of a partition is not missed.

    Raises:
        TopicMissing, BrokerTimeout, BrokerUnreachable, KafkaDenied: it cannot be read.
    """
    reader = client.consumer(connection)
    try:
        tails = read_tails(reader, topics)
        reached = read_reached(reader, topics)
        last = last_position(tails)
        end = reached.position if reached else last
        audit = _Audit(store, from_position, end)
        with kafka_errors(f"reading {topics.events}"):
            audit.read(reader, topics.events, progress)
    except RelayMismatch as foreign:
        return Fault(0, "foreign", foreign.message)
    finally:
        reader.close()
    if last > end:
        return Fault(end + 1, "beyond", f"position {last} is there, and the relay came to {end}")
    head = store.head().position
    audit.compare_with_log(head)
    return audit.first_fault() or Agreed(from_position, end, head - end)


class _Audit:
    """What was read: for each position of the log, the partition that holds it."""

    def __init__(self, store: Store, first: int, end: int) -> None:
        self._store = store
        self._first, self._end = first, end
        self._holder = array("H", bytes(2 * (end + 1)))
        """By position: 1 + the number of its partition, or 0."""
        self._begin: dict[int, int] = {}
        """By partition: the first position that retention has left in it."""
        self._partitions = 0
        self._wanted: dict[str, int] = {}
        """By lead: the partition that murmur2 gives it."""
        self._faults: list[Fault] = []

    def first_fault(self) -> Fault | None:
        return min(self._faults, key=lambda fault: fault.position, default=None)

    def read(self, reader: Consumer, topic: str, progress: Progress) -> None:
        partitions = partitions_of(reader, topic)
        self._partitions = len(partitions)
        begins, ends = reader.beginning_offsets(partitions), reader.end_offsets(partitions)
        of, done = sum(ends[one] - begins[one] for one in partitions), 0
        for partition in partitions:
            reader.assign([partition])
            reader.seek(partition, begins[partition])
            if begins[partition]:
                self._begin[partition.partition] = self._end + 1
            before = 0
            for record in wait_for(reader, partition, ends[partition]):
                before = self._take(record, before)
                done += 1
                if done % _SLICE == 0:
                    progress(done, of)

    def _take(self, record: Record, before: int) -> int:
        """Note a record; returns the greatest position of its partition so far."""
        position = position_of(record)
        if before == 0 and record.partition in self._begin:
            self._begin[record.partition] = position
        if self._first <= position <= self._end:
            where = f"in partition {record.partition} at offset {record.offset}"
            if self._holder[position]:
                self._fault(position, "doubled", f"stands twice, the second time {where}")
            elif position < before:
                self._fault(position, "out_of_order", f"stands behind {before}, {where}")
            self._holder[position] = record.partition + 1
        return max(before, position)

    def compare_with_log(self, head: int) -> None:
        """Look for events that are missing, or in another partition than their lead's."""
        position = self._first - 1
        while position < min(self._end, head):
            limit = min(_SLICE, self._end - position)
            for event in self._store.page(after=position, limit=limit).events:
                position = event.position
                wanted = self._partition_of(str(event.originator_id))
                found = self._holder[position] - 1
                if found < 0 and position >= self._begin.get(wanted, 0):
                    self._fault(position, "missing", "is missing")
                elif found not in (-1, wanted):
                    what = f"is in partition {found}, and its lead's events are in {wanted}"
                    self._fault(position, "out_of_order", what)
            if self._faults:
                return
        if self._end > head:
            self._fault(head + 1, "foreign", f"was published, and the log ends at {head}")

    def _partition_of(self, key: str) -> int:
        if key not in self._wanted:
            self._wanted[key] = client.partition_of(key.encode("ascii"), self._partitions)
        return self._wanted[key]

    def _fault(self, position: int, kind: str, what: str) -> None:
        self._faults.append(Fault(position, kind, f"position {position} {what}"))
