"""From where a worker reads a partition: from where the database says, whatever Kafka says."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from leadflow.persistence.inbox import OffsetMove
from leadflow.persistence.inbox_tables import claim, offsets, skip_to
from leadflow.persistence.store import Store

log = logging.getLogger("leadflow.kafka")


@dataclass(slots=True)
class Claim:
    """A partition that a worker reads, and how far it is."""

    partition: int
    topic_id: UUID
    next_offset: int
    """Of the first message that is not recorded."""
    read_offset: int
    """Of the first message that is not read."""
    live: bool = True
    """Whether the worker still has it under this claim."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What there is of a partition."""

    topic_id: UUID
    first: int
    """The offset of the first message that is kept."""
    after: int
    """The offset after the last one."""


def claim_partition(store: Store, topic: str, partition: int, bounds: Bounds, holder: str) -> Claim:
    """Become the holder of a partition; whoever held it can record nothing of it any more.

    Raises:
        InboxTaken: another worker claimed it at the same moment; claim it again.
    """
    before = next((r for r in offsets(store, topic) if r.partition == partition), None)
    if before is not None and before.topic_id != bounds.topic_id:
        log.warning(
            "topic %s was deleted and made again: partition %d is read from its beginning, offset"
            " %d; of the earlier topic it was read up to offset %d",
            *(topic, partition, bounds.first, before.next_offset),
        )
    move = OffsetMove(topic, partition, bounds.topic_id, holder, 0, bounds.first)
    offset = claim(store, move).next_offset
    wanted = _readable(topic, partition, offset, bounds)
    if wanted != offset:
        skip_to(store, OffsetMove(topic, partition, bounds.topic_id, holder, offset, wanted))
    return Claim(partition, bounds.topic_id, wanted, wanted)


def _readable(topic: str, partition: int, offset: int, bounds: Bounds) -> int:
    if offset < bounds.first:
        log.warning(
            "the messages %d to %d of %s partition %d were deleted by its retention before they"
            " were ingested: they are lost",
            *(offset, bounds.first - 1, topic, partition),
        )
        return bounds.first
    if offset > bounds.after:
        log.warning(
            "%s partition %d ends at offset %d and was ingested up to %d: the broker has lost"
            " messages; what it has is read again, and recorded where it is new",
            *(topic, partition, bounds.after, offset),
        )
        return bounds.first
    return offset
