"""What ingesting a topic leaves in the store, in the append that records its messages.

How far each partition was read, the messages that could not be recorded, and those that
wait for an event before them. See `Append.inbox`; `inbox_tables` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5


@dataclass(frozen=True, slots=True)
class OffsetRow:
    """How far a partition of a topic was read, and by whom."""

    topic: str
    partition: int
    topic_id: UUID
    """Which topic of that name: one that was deleted and made again has another."""
    next_offset: int
    """Of the first message that is not recorded yet."""
    holder: str
    """The worker that claimed it last."""
    moved_at: int
    """Microseconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True)
class OffsetMove:
    """An offset to be moved on, from where its holder last put it."""

    topic: str
    partition: int
    topic_id: UUID
    holder: str
    expected: int
    next_offset: int


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message stands in Kafka."""

    topic: str
    topic_id: UUID
    partition: int
    offset: int

    @property
    def message_key(self) -> UUID:
        """The same for this message for ever, and for no other."""
        return uuid5(self.topic_id, f"{self.partition}:{self.offset}")


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A message that could not be recorded. Instants are microseconds since the epoch."""

    letter_id: UUID
    origin: Origin
    lead_id: UUID | None
    """Whose it is, where that could be told; erasing the lead removes it."""
    source: str | None
    """The system that sent it, as far as the message could be read."""
    type: str | None
    reason: str
    """A stable word: invalid, not_accepted, refused, reused, predecessor_missing."""
    attempt: int
    """How often recording it was tried."""
    failed_at: int
    expires_at: int
    published: bool
    """Whether the topic of dead letters has it."""
    sealed: bytes
    """Key, value, headers and the sentence of the error, sealed (see `Keys.seal_apart`)."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A fact that waits for one before it, or behind one that does."""

    held_id: UUID
    origin: Origin
    lead_id: UUID
    lead_version: int
    """The lead's version when it was last tried: with another version it is tried again."""
    subject: str
    """The lead as the message names it, without its key."""
    source: str
    type: str
    held_at: int
    held_until: int
    """When it is given up, in microseconds since the epoch."""
    sealed: bytes


@dataclass(frozen=True, slots=True)
class InboxChanges:
    """What becomes of messages, in the transaction that records the others."""

    offsets: Sequence[OffsetMove] = ()
    dead: Sequence[DeadLetterRow] = ()
    """An earlier row of the same message is replaced."""
    held: Sequence[HeldRow] = ()
    """An earlier row of the same message is replaced."""
    settled_held: Sequence[UUID] = ()
    """Held facts that wait no more: all of them are there, or nothing is recorded."""
    settled_letters: Sequence[UUID] = ()
    """Dead letters that are recorded now: all of them are there, or nothing is recorded."""

    def __bool__(self) -> bool:
        return bool(
            self.offsets or self.dead or self.held or self.settled_held or self.settled_letters
        )
