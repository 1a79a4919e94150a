"""Drafts put into the log: those of new leads as they are, the others decided on anew.

A draft holds where its lead has no events and none of its messages came before. All else
goes the way that every fact goes, with the lead's state from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from leadflow import CommandReused, Leadflow, Recorded
from leadflow.domain.events import LeadEvent
from leadflow.errors import Conflict, ConnectionLost, LeadflowError
from leadflow.persistence.store import Append, CommandRow, Encoded, NewCommand, Store
from leadflow.recording import first_policy_event
from leadflow_commands.importing.changes import Change, Revisions
from leadflow_commands.importing.drafting import Drafted
from leadflow_commands.importing.statements import Statement


class Placed(NamedTuple):
    """What became of an entry."""

    events: int = 0
    """Recorded now; 0 where all of it was in the log already."""
    leads: int = 0
    irregular: int = 0
    refused: str | None = None
    changes: tuple[Change, ...] = ()


StatementsOf = Callable[[int], Sequence[Statement]]
"""The statements of an entry, read again by its index in the batch."""


class _Ready(NamedTuple):
    """A draft with its ids as the store takes them."""

    place: int
    """The entry's index in the batch."""
    draft: Drafted
    lead_id: UUID | None
    """None where the lead's name is no new one's."""
    messages: list[UUID]

    @classmethod
    def of(cls, index: int, draft: Drafted) -> _Ready:
        lead_id = UUID(bytes=draft.lead_id) if draft.lead_id else None
        return cls(index, draft, lead_id, [UUID(bytes=c[0]) for c in draft.commands])


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An entry for the log to decide on."""

    index: int
    draft: Drafted
    statements: Sequence[Statement]


class Placing:
    """Places one batch after the other, each in a transaction or two."""

    def __init__(self, leads: Leadflow, *, score: bool = False, queue: bool = False) -> None:
        self._leads = leads
        self._store: Store = leads.store
        self._score = score
        self._queue = queue
        self._policy_hash = leads.policy().hash

    def place(
        self, drafts: Sequence[tuple[int, Drafted]], statements_of: StatementsOf
    ) -> dict[int, Placed]:
        """Record the drafts of a batch; what became of each, by its index."""
        ready = [_Ready.of(index, draft) for index, draft in drafts]
        ids = [message for one in ready for message in one.messages]
        known = self._store.commands(ids)
        held, others = self._parted(ready, known)
        placed = self._append(held)
        if placed is None:
            others = ready
            known = self._store.commands(ids)
            placed = {}
        placed.update(self._decided(others, known, statements_of))
        return placed

    def _parted(
        self, ready: list[_Ready], known: dict[UUID, CommandRow]
    ) -> tuple[list[_Ready], list[_Ready]]:
        """The drafts that hold, and those that do not; a lead's drafts all together."""
        names = {one.draft.lead for one in ready}
        if not names.isdisjoint(alias for one in ready for alias in one.draft.aliases):
            return [], ready  # one row names the lead of another: only in order
        leads = [one.lead_id for one in ready if one.lead_id is not None]
        doubtful: set[UUID | None] = {None, *self._store.begun(leads)}
        elsewhere = self._store.leads_by_aliases([name for name in names if ":" in name])
        if elsewhere:
            doubtful |= {one.lead_id for one in ready if one.draft.lead in elsewhere}
        held: list[_Ready] = []
        others: list[_Ready] = []
        taken: set[UUID] = set(known)
        for one in ready:
            holds = (
                one.draft.events is not None
                and one.lead_id not in doubtful
                and taken.isdisjoint(one.messages)
            )
            if holds:
                taken.update(one.messages)
                held.append(one)
            else:
                doubtful.add(one.lead_id)
                others.append(one)
        return held, others

    def _append(self, ready: Sequence[_Ready]) -> dict[int, Placed] | None:
        """Record drafts as they are; None where that was too late for one of them."""
        if not any(one.draft.events for one in ready):
            return {one.place: Placed() for one in ready}
        head = self._store.head()
        if self._leads.policy().hash != self._policy_hash:
            return None
        try:
            self._store.append(_as_append(ready, head.policy_position, self._store))
        except (Conflict, ConnectionLost):
            return None
        return {one.place: _as_drafted(one.draft) for one in ready}

    def _decided(
        self,
        ready: Sequence[_Ready],
        known: dict[UUID, CommandRow],
        statements_of: StatementsOf,
    ) -> dict[int, Placed]:
        placed: dict[int, Placed] = {}
        waiting: list[_Waiting] = []
        said_anew = self._said_anew(ready)
        for one in ready:
            digests = (command[1] for command in one.draft.commands)
            same = all(map(_same, map(known.get, one.messages), digests))
            if same and said_anew.isdisjoint(one.draft.revisions):
                placed[one.place] = Placed()
            else:
                waiting.append(_Waiting(one.place, one.draft, statements_of(one.place)))
        if waiting:
            placed.update(self._recorded(waiting, known))
        return placed

    def _said_anew(self, ready: Sequence[_Ready]) -> set[bytes]:
        """Those revisions that are recorded: what came first is not the latest there."""
        ids = [UUID(bytes=revision) for one in ready for revision in one.draft.revisions]
        return {command_id.bytes for command_id in self._store.commands(ids)} if ids else set()

    def _recorded(
        self, waiting: Sequence[_Waiting], known: dict[UUID, CommandRow]
    ) -> dict[int, Placed]:
        revisions = Revisions(self._store)
        for entry in waiting:
            for statement, (_, digest, _) in zip(
                entry.statements, entry.draft.commands, strict=True
            ):
                row = known.get(statement.message_id)
                if row is not None:
                    revisions.add(statement, row, digest)
        revisions.look_up()
        with self._leads.batch(errors="collect") as batch:
            indexes = [
                [
                    batch.record_fact(
                        statement.topic,
                        statement.lead,
                        statement.fields,
                        message_id=message_id,
                        must_exist=statement.must_exist,
                        score=self._score,
                        queue=self._queue,
                        producer=statement.producer,
                        occurred_at=statement.occurred_at,
                        time_basis=statement.time_basis,
                        actor=statement.actor,
                        correlation_id=statement.correlation_id,
                        causation_id=statement.causation_id,
                    )
                    for statement in entry.statements
                    if (message_id := revisions.id_for(statement)) is not None
                ]
                for entry in waiting
            ]
        return {
            entry.index: _outcome(
                [batch.results[i] for i in some], revisions.changes(entry.statements)
            )
            for entry, some in zip(waiting, indexes, strict=True)
        }


def _same(row: CommandRow | None, digest: bytes) -> bool:
    return row is not None and row.fingerprint == digest


def _as_append(ready: Sequence[_Ready], policy_position: int, store: Store) -> Append:
    encoded: list[Encoded] = []
    commands: list[NewCommand] = []
    keys: dict[UUID, bytes] = {}
    aliases: list[tuple[str, UUID]] = []
    addresses: list[tuple[bytes, UUID]] = []
    for one in ready:
        draft, lead_id = one.draft, one.lead_id
        assert lead_id is not None  # else it would not hold
        first = len(encoded)
        encoded += [Encoded(lead_id, *event) for event in draft.events or ()]
        for message, (_, digest, count) in zip(one.messages, draft.commands, strict=True):
            commands.append(NewCommand(message, digest, first, count))
            first += count
        if draft.key is not None:
            keys[lead_id] = draft.key
        aliases += [(alias, lead_id) for alias in draft.aliases]
        addresses += [(digest, lead_id) for digest in draft.addresses]
    return Append(
        encoded=encoded,
        encoded_keys=keys,
        commands=commands,
        genesis=() if policy_position else (first_policy_event(store.now()),),
        expect_policy=policy_position,
        aliases=aliases,
        addresses=addresses,
    )


def _as_drafted(draft: Drafted) -> Placed:
    events = draft.events or ()
    new = any(version == 1 for version, _, _ in events)
    return Placed(events=len(events), leads=int(new), irregular=draft.irregular)


def _outcome(outcomes: Sequence[Recorded | LeadflowError], changes: tuple[Change, ...]) -> Placed:
    refused = next((o for o in outcomes if isinstance(o, LeadflowError)), None)
    made = [
        event
        for outcome in outcomes
        if isinstance(outcome, Recorded) and not outcome.repeated
        for event in outcome.events
    ]
    return Placed(
        events=len(made),
        leads=sum(isinstance(x, LeadEvent) and x.originator_version == 1 for x in made),
        irregular=sum(isinstance(x, LeadEvent) and bool(x.irregular) for x in made),
        refused=None if refused is None else reason_of(refused),
        changes=changes,
    )


def reason_of(error: LeadflowError) -> str:
    """Why an entry was refused, for its reader."""
    if isinstance(error, CommandReused):
        return "it was imported before with other content, which stays as it is"
    return error.message
