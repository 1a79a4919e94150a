"""A batch of messages becomes events, held facts and dead letters, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from leadflow.batch import Batch
from leadflow.domain import events as e
from leadflow.domain import wire
from leadflow.domain.identity import lead_id_for
from leadflow.domain.policy import parse_policy
from leadflow.errors import (
    AmbiguousLead,
    CommandReused,
    InvalidInput,
    LeadflowError,
    LeadNotFound,
    LogCorrupt,
    MustWait,
    Refused,
)
from leadflow.kafka import cloud_events
from leadflow.kafka.acceptance import Acceptance, NotAccepted
from leadflow.kafka.records import MOST_SAID, Received, seal
from leadflow.persistence.codec import to_microseconds
from leadflow.persistence.inbox import DeadLetterRow, HeldRow, InboxChanges, OffsetMove
from leadflow.persistence.inbox_tables import count_held, held_leads
from leadflow.persistence.store import Store
from leadflow.recording import Outcome, Recorded
from leadflow.service import Leadflow
from leadflow.unit_of_work import UnitOfWork


class Unexpected(LeadflowError):
    """A message brought a mistake of leadflow to light; it stands aside until that is mended."""

    code = "unexpected_message"


PREDECESSOR_MISSING: Final = "predecessor_missing"
REASONS: Final[dict[type[LeadflowError], str]] = {
    NotAccepted: "not_accepted",
    CommandReused: "reused",
    Refused: "refused",
    LeadNotFound: "refused",
    AmbiguousLead: "invalid",
    InvalidInput: "invalid",
    MustWait: PREDECESSOR_MISSING,
    LogCorrupt: "unreadable_lead",
    Unexpected: "unexpected",
}
"""Why a message becomes a dead letter. Any other error is not the message's fault."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How messages are taken."""

    acceptance: Acceptance = field(default_factory=Acceptance)
    score: bool = True
    """Whether the scoring policy answers, as it does to commands."""
    hold: timedelta = timedelta(minutes=5)
    """How long a fact may wait for one that has to come before it."""
    keep: timedelta = timedelta(days=30)
    """How long the store keeps a dead letter."""


@dataclass(slots=True)
class Taken:
    """What became of messages."""

    recorded: int = 0
    repeated: int = 0
    """Messages that were recorded before."""
    irregular: int = 0
    held: int = 0
    buried: int = 0
    """Messages that became dead letters."""
    dead: list[DeadLetterRow] = field(default_factory=list[DeadLetterRow])
    said: dict[UUID, str] = field(default_factory=dict[UUID, str])
    """The sentences of the errors, by letter."""

    def add(self, other: Taken) -> None:
        """Count what became of further messages."""
        self.recorded += other.recorded
        self.repeated += other.repeated
        self.irregular += other.irregular
        self.held += other.held
        self.buried += other.buried
        self.dead += other.dead
        self.said |= other.said


def take(
    leads: Leadflow,
    messages: Sequence[Received],
    terms: Terms,
    *,
    moves: Sequence[OffsetMove] = (),
    heed_held: bool = True,
    failure: Unexpected | None = None,
) -> Taken:
    """Record messages, or hold or bury them, and move the offsets, in one transaction.

    `heed_held` keeps what is new behind what is held; what is held itself does without.
    A `failure` buries all of them for that reason, unread.

    Raises:
        InboxTaken: another worker was first; nothing was recorded.
        StoreError: the store cannot be written; nothing was recorded.
    """
    intake = _Intake(leads.store, terms, messages, moves, heed_held=heed_held)
    intake.failure = failure
    with leads.batch(errors="collect", intake=intake) as batch:
        intake.fill(batch)
    return intake.taken


class _Intake:
    """See `leadflow.recording.Intake`."""

    def __init__(
        self,
        store: Store,
        terms: Terms,
        messages: Sequence[Received],
        moves: Sequence[OffsetMove],
        *,
        heed_held: bool,
    ) -> None:
        self.taken = Taken()
        self.failure: Unexpected | None = None
        self._store = store
        self._terms = terms
        self._messages = messages
        self._moves = moves
        self._heed_held = heed_held
        self._now = to_microseconds(store.now())
        self._read: list[wire.Message | LeadflowError] = []
        self._index: list[int | None] = []

    def fill(self, batch: Batch) -> None:
        """Read the messages and queue what they ask for."""
        for message in self._messages:
            index = None
            read: wire.Message | LeadflowError
            try:
                if self.failure is not None:
                    raise self.failure
                read = cloud_events.decode(message.value, message.headers)
                self._terms.acceptance.check(read)
                index = _queue(batch, read, self._terms, due=self._due(message))
            except (InvalidInput, NotAccepted, Unexpected) as error:
                read = error
            self._read.append(read)
            self._index.append(index)

    def _due(self, message: Received) -> bool:
        """Whether it can wait no longer: a held fact whose time is up, or a dead letter."""
        held = message.held
        return message.letter is not None or (held is not None and held.held_until <= self._now)

    def begin(self, unit: UnitOfWork) -> None:
        if self._heed_held and count_held(self._store):
            unit.waiting |= held_leads(self._store, set(self._subjects(unit)))

    def _subjects(self, unit: UnitOfWork) -> Iterator[UUID]:
        """The leads that the messages speak of; one that means none is refused later."""
        for read in self._read:
            if isinstance(read, wire.Message) and read.subject:
                with suppress(LeadNotFound, AmbiguousLead, InvalidInput):
                    yield unit.lead(read.subject).id

    def settle(self, outcomes: Sequence[Outcome]) -> InboxChanges:
        settling = _Settling(self._store, self._terms, self._now)
        for message, read, index in zip(self._messages, self._read, self._index, strict=True):
            settling.settle(message, read, None if index is None else outcomes[index])
        self.taken = settling.taken
        return InboxChanges(
            offsets=self._moves,
            dead=settling.taken.dead,
            held=settling.held,
            settled_held=settling.settled_held,
            settled_letters=settling.settled_letters,
        )


class _Settling:
    """What becomes of each message, for one attempt at recording them."""

    def __init__(self, store: Store, terms: Terms, now: int) -> None:
        self.taken = Taken()
        self.held: list[HeldRow] = []
        self.settled_held: list[UUID] = []
        self.settled_letters: list[UUID] = []
        self._store = store
        self._terms = terms
        self._now = now

    def settle(
        self, message: Received, read: wire.Message | LeadflowError, outcome: Outcome | None
    ) -> None:
        if isinstance(read, LeadflowError):
            self._bury(message, read)
        elif isinstance(outcome, Recorded):
            self._recorded(message, outcome)
        elif isinstance(outcome, MustWait) and self._may_wait(message):
            self._hold(message, read, outcome)
        elif outcome is not None:
            self._bury(message, outcome)

    def _recorded(self, message: Received, outcome: Recorded) -> None:
        self.taken.recorded += not outcome.repeated
        self.taken.repeated += outcome.repeated
        self.taken.irregular += any(
            isinstance(event, e.LeadEvent) and event.irregular for event in outcome.events
        )
        self._leave_rows(message)

    def _leave_rows(self, message: Received) -> None:
        if message.held is not None:
            self.settled_held.append(message.held.held_id)
        if message.letter is not None:
            self.settled_letters.append(message.letter.letter_id)

    def _may_wait(self, message: Received) -> bool:
        held = message.held
        return message.letter is None and (held is None or held.held_until > self._now)

    def _hold(self, message: Received, read: wire.Message, error: MustWait) -> None:
        self.taken.held += message.held is None
        earlier = message.held
        held_id = message.origin.message_key
        until = self._now + self._terms.hold // timedelta(microseconds=1)
        self.held.append(
            HeldRow(
                held_id=held_id,
                origin=message.origin,
                lead_id=error.lead_id,
                lead_version=error.lead_version,
                subject=read.subject,
                source=read.source,
                type=read.topic,
                held_at=self._now if earlier is None else earlier.held_at,
                held_until=until if earlier is None else earlier.held_until,
                sealed=seal(self._store.keys, held_id, message)
                if earlier is None
                else earlier.sealed,
            )
        )

    def _bury(self, message: Received, error: LeadflowError) -> None:
        reason = next((r for kind, r in REASONS.items() if isinstance(error, kind)), None)
        if reason is None:
            raise error
        if message.held is not None:
            self.settled_held.append(message.held.held_id)
        letter_id = message.origin.message_key
        says = cloud_events.sketch(message.value, message.headers)
        said = error.message[:MOST_SAID]
        keep = self._terms.keep // timedelta(microseconds=1)
        self.taken.buried += 1
        self.taken.said[letter_id] = said
        self.taken.dead.append(
            DeadLetterRow(
                letter_id=letter_id,
                origin=message.origin,
                lead_id=_lead_of(error, says.subject),
                source=says.source,
                type=says.type,
                reason=reason,
                attempt=1 if message.letter is None else message.letter.attempt + 1,
                failed_at=self._now,
                expires_at=self._now + keep
                if message.letter is None
                else message.letter.expires_at,
                published=message.letter is not None and message.letter.published,
                sealed=seal(self._store.keys, letter_id, message, said),
            )
        )


def _lead_of(error: LeadflowError, subject: str | None) -> UUID | None:
    if isinstance(error, MustWait):
        return error.lead_id
    try:
        return None if subject is None else _named(subject)
    except ValueError:
        return None


def _named(subject: str) -> UUID:
    return lead_id_for(subject) if ":" in subject else UUID(subject)


def _queue(batch: Batch, message: wire.Message, terms: Terms, *, due: bool) -> int:
    """Put what a message asks for into a batch; its index there."""
    special = _SPECIAL.get(message.topic)
    if special is not None:
        return special(batch, message)
    return batch.record_fact(
        message.topic,
        message.subject,
        message.fields,
        message_id=message.command_id,
        producer=message.source,
        score=terms.score,
        in_order="now" if due else True,
        time_basis=message.time_basis,
        **_envelope(message),
    )


def _envelope(message: wire.Message) -> Any:
    """The envelope: the message itself is the cause of what is recorded for it."""
    return {
        "occurred_at": message.time,
        "actor": message.actor,
        "correlation_id": message.correlation_id or message.causation_id,
        "causation_id": message.id,
    }


def _merge(batch: Batch, message: wire.Message) -> int:
    other = message.fields["other"]
    keep = message.subject if message.fields["survivor"] else other
    return batch.merge(
        message.subject, other, keep=keep, command_id=message.command_id, **_envelope(message)
    )


def _unmerge(batch: Batch, message: wire.Message) -> int:
    loser = message.fields["other"] if message.fields["survivor"] else message.subject
    return batch.unmerge(loser, command_id=message.command_id, **_envelope(message))


def _erase(batch: Batch, message: wire.Message) -> int:
    return batch.erase(
        message.subject,
        request_id=message.fields.get("request_id"),
        command_id=message.command_id,
        **_envelope(message),
    )


def _activate(batch: Batch, message: wire.Message) -> int:
    policy = parse_policy(message.fields["policy"], "data.policy")
    return batch.activate_policy(policy, command_id=message.command_id, **_envelope(message))


def _spend(batch: Batch, message: wire.Message) -> int:
    return batch.record_spend(**message.fields, command_id=message.command_id, **_envelope(message))


_SPECIAL: Final[dict[str, Callable[[Batch, wire.Message], int]]] = {
    e.Merged.topic: _merge,
    e.Unmerged.topic: _unmerge,
    e.Erased.topic: _erase,
    e.PolicyActivated.topic: _activate,
    e.SpendRecorded.topic: _spend,
}
"""What concerns more than one lead's past, or no lead: carried out as the command for it."""
