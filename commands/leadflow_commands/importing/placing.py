"""Drafts put into the log: those of new leads as they are, the others decided on anew.

A draft holds where its lead has no events and none of its messages came before. All else
goes the way that every fact goes, with the lead's state from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        ids = [UUID(bytes=command[0]) for _, draft in drafts for command in draft.commands]
        known = self._store.commands(ids)
        held, others = self._parted(drafts, known)
        placed = self._append(held)
        if placed is None:
            others = list(drafts)
            known = self._store.commands(ids)
            placed = {}
        placed.update(self._decided(others, known, statements_of))
        return placed

    def _parted(
        self, drafts: Sequence[tuple[int, Drafted]], known: dict[UUID, CommandRow]
    ) -> tuple[list[tuple[int, Drafted]], list[tuple[int, Drafted]]]:
        """The drafts that hold, and those that do not; a lead's drafts all together."""
        names = {draft.lead for _, draft in drafts}
        seen = {row.command_id.bytes for row in known.values()}
        begun = {lead.bytes for lead in self._store.begun(_ids(drafts))}
        elsewhere = self._store.leads_by_aliases([name for name in names if ":" in name])
        doubtful = {draft.lead_id for _, draft in drafts if draft.lead in elsewhere} | begun
        if not names.isdisjoint(alias for _, draft in drafts for alias in draft.aliases):
            return [], list(drafts)  # one row names the lead of another: only in order
        held: list[tuple[int, Drafted]] = []
        others: list[tuple[int, Drafted]] = []
        within: set[bytes] = set()
        for index, draft in drafts:
            messages = {command[0] for command in draft.commands}
            if (
                draft.events is None
                or draft.lead_id in doubtful
                or not seen.isdisjoint(messages)
                or not within.isdisjoint(messages)
            ):
                doubtful.add(draft.lead_id)
                others.append((index, draft))
            else:
                within |= messages
                held.append((index, draft))
        return held, others

    def _append(self, drafts: Sequence[tuple[int, Drafted]]) -> dict[int, Placed] | None:
        """Record drafts as they are; None where that was too late for one of them."""
        if not any(draft.events for _, draft in drafts):
            return {index: Placed() for index, _ in drafts}
        head = self._store.head()
        if self._leads.policy().hash != self._policy_hash:
            return None
        try:
            self._store.append(_as_append(drafts, head.policy_position, self._store))
        except (Conflict, ConnectionLost):
            return None
        return {
            index: Placed(
                events=len(draft.events or ()),
                leads=sum(version == 1 for version, _, _ in draft.events or ()),
                irregular=draft.irregular,
            )
            for index, draft in drafts
        }

    def _decided(
        self,
        drafts: Sequence[tuple[int, Drafted]],
        known: dict[UUID, CommandRow],
        statements_of: StatementsOf,
    ) -> dict[int, Placed]:
        placed: dict[int, Placed] = {}
        waiting: list[_Waiting] = []
        for index, draft in drafts:
            if all(_same(known.get(UUID(bytes=c[0])), c[1]) for c in draft.commands):
                placed[index] = Placed()
            else:
                waiting.append(_Waiting(index, draft, statements_of(index)))
        if waiting:
            placed.update(self._recorded(waiting, known))
        return placed

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


def _ids(drafts: Iterable[tuple[int, Drafted]]) -> list[UUID]:
    return [UUID(bytes=draft.lead_id) for _, draft in drafts if draft.lead_id]


def _same(row: CommandRow | None, digest: bytes) -> bool:
    return row is not None and row.fingerprint == digest


def _as_append(drafts: Sequence[tuple[int, Drafted]], policy_position: int, store: Store) -> Append:
    encoded: list[Encoded] = []
    commands: list[NewCommand] = []
    keys: dict[UUID, bytes] = {}
    aliases: list[tuple[str, UUID]] = []
    addresses: list[tuple[bytes, UUID]] = []
    for _, draft in drafts:
        lead_id = UUID(bytes=draft.lead_id)
        first = len(encoded)
        encoded += [Encoded(lead_id, *event) for event in draft.events or ()]
        for message_id, digest, count in draft.commands:
            commands.append(NewCommand(UUID(bytes=message_id), digest, first, count))
            first += count
        if draft.key is not None:
            keys[lead_id] = draft.key
        aliases += [(alias, lead_id) for alias in draft.aliases]
        addresses += [(digest, lead_id) for digest in draft.addresses]
    genesis = () if policy_position else (first_policy_event(store.now()),)
    return Append(
        encoded=encoded,
        encoded_keys=keys,
        commands=commands,
        genesis=genesis,
        expect_policy=policy_position,
        aliases=aliases,
        addresses=addresses,
    )


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
