"""Operations decided on leads in memory, then appended in one transaction.

After a conflict, or where it is unknown whether a commit arrived, everything is looked
up by command id and decided anew; so nothing is lost and nothing is recorded twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypedDict, cast
from uuid import UUID, uuid4

import orjson
from pydantic import BaseModel

from leadflow.domain import events as e
from leadflow.domain.identity import POLICY_STREAM, normal_address
from leadflow.domain.policy import default_policy
from leadflow.domain.values import Personal, TimeBasis
from leadflow.errors import (
    CommandReused,
    Conflict,
    ConnectionLost,
    LeadflowError,
)
from leadflow.naming import LeadNames, LeadRef
from leadflow.persistence.inbox import InboxChanges
from leadflow.persistence.keys import Keys
from leadflow.persistence.store import Append, CommandRow, NewCommand, Store
from leadflow.unit_of_work import PolicyReader, UnitOfWork

_ATTEMPTS = 20
_CONFLICTS_ONE_BY_ONE = 3
"""With more of them in one batch, all its leads are read again and not each by itself."""


class Given(TypedDict, total=False):
    """What every command may be given beside its own fields."""

    command_id: UUID | str | None
    """Unique in the log: sent again it returns what was recorded the first time."""
    occurred_at: datetime | None
    """When it happened; without it, now by the store's clock."""
    time_basis: TimeBasis
    actor: str | None
    correlation_id: str | None
    causation_id: str | None
    connection: object
    """A psycopg connection in whose open transaction the events are recorded: they are
    committed with what else it does. Only for stores in PostgreSQL."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a command or fact recorded."""

    lead_id: UUID
    version: int
    """The lead's version afterwards; 0 where nothing was recorded."""
    events: tuple[e.LogEvent, ...]
    repeated: bool = False
    """Whether this command id had come before; the events are those of the first time."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One command or fact, kept so that it can be decided again after a conflict."""

    decide: Callable[[UnitOfWork], UUID]
    """Makes its events in the unit of work, and names the lead or stream concerned."""
    leads: tuple[LeadRef, ...] = ()
    """The leads it will ask for, so that a batch can read them all at once."""
    command_id: UUID | None = None
    command_name: str = ""
    """The command id as the caller wrote it, for errors."""
    fingerprint: bytes = b""
    connection: object = None
    """The caller's connection, in whose transaction it is to be recorded."""


Outcome = Recorded | LeadflowError
"""What became of an operation; errors only where a batch collects them."""


class Intake(Protocol):
    """Where a batch comes from a topic: what else is recorded in its transaction."""

    def begin(self, unit: UnitOfWork) -> None:
        """Called before anything is decided, and again before it is decided anew."""
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> InboxChanges:
        """What becomes of the messages, from the outcomes of their operations."""
        ...


class Recorder:
    """Runs operations against a store, in one transaction."""

    def __init__(self, store: Store, names: LeadNames) -> None:
        self.store = store
        self.names = names
        self.policies = PolicyReader(store)

    def run(
        self,
        operations: Sequence[Operation],
        *,
        unit_id: UUID | None = None,
        errors: Literal["raise", "collect"] = "raise",
        dry_run: bool = False,
        intake: Intake | None = None,
    ) -> list[Outcome]:
        """Decide and append all operations, or none; with `dry_run` only decide.

        With `errors="collect"` an operation that is refused or invalid is left out, its
        error stands in the results, and the others are recorded.

        Raises:
            Conflict: when other writers were faster too many times in a row.
            InboxTaken: what `intake` settles was settled by another process.
            LeadflowError: what an operation raised, with `errors="raise"`.
        """
        if len(operations) == 1 and operations[0].command_id is not None:
            unit_id = operations[0].command_id
        collect = errors == "collect"
        attempt = _Attempt(self, operations, unit_id or uuid4(), collect=collect, dry_run=dry_run)
        attempt.intake = intake
        failure = ""
        for _ in range(_ATTEMPTS):
            try:
                return attempt.run()
            except (Conflict, ConnectionLost) as error:
                failure = error.message
                attempt.forget(error)
        raise Conflict(
            f"given up after {_ATTEMPTS} attempts: {failure}",
            hint="send the same command id again: it is recorded once, whatever happened",
        )


class _Attempt:
    """Operations on their way into the log, tried until it is known what became of them."""

    def __init__(
        self,
        recorder: Recorder,
        operations: Sequence[Operation],
        unit_id: UUID,
        *,
        collect: bool,
        dry_run: bool,
    ) -> None:
        self.recorder = recorder
        self.store = recorder.store
        self.operations = operations
        self.unit_id = unit_id
        self.collect = collect
        self.dry_run = dry_run
        self.intake: Intake | None = None
        self.sent: list[Outcome] | None = None
        """What the last append held, whose acknowledgement may have been lost."""
        self._read: dict[UUID, list[e.LogEvent]] = {}
        """The leads' events as they were read, for the next attempt."""
        self._conflicts = 0

    def forget(self, error: LeadflowError) -> None:
        """Read again what an attempt has failed by: one lead, or, in doubt, all of them."""
        self._conflicts += 1
        lead_id = error.lead_id if isinstance(error, Conflict) else None
        if lead_id is None or self._conflicts > _CONFLICTS_ONE_BY_ONE:
            self._read.clear()
        else:
            self._read.pop(lead_id, None)

    def run(self) -> list[Outcome]:
        ids = {op.command_id for op in self.operations if op.command_id is not None}
        known = self.store.commands({*ids, self.unit_id})
        if self.unit_id in known and self.sent is not None:
            return self.sent
        unit = UnitOfWork(self.store, self.recorder.names, *self.recorder.policies.in_force())
        if self.unit_id in known:
            return [self._repeated(op, unit, known) for op in self.operations]
        if len(self.operations) > 1:
            unit.prefetch((ref for op in self.operations for ref in op.leads), self._read)
        if self.intake is not None:
            self.intake.begin(unit)
        commands: list[NewCommand] = []
        outcomes = [self._outcome(op, unit, known, commands) for op in self.operations]
        if self.unit_id not in ids:
            commands.append(NewCommand(self.unit_id, b"unit", 0, len(unit.events)))
        if not self.dry_run:
            self.sent = outcomes
            settled = InboxChanges() if self.intake is None else self.intake.settle(outcomes)
            append_unit(unit, commands, settled)
        return outcomes

    def _repeated(self, op: Operation, unit: UnitOfWork, known: dict[UUID, CommandRow]) -> Outcome:
        """What an operation of a unit that came before recorded, as far as it had an id."""
        if op.command_id is not None and op.command_id in known:
            return self._outcome(op, unit, known, [])
        stream = unit.names.resolve(op.leads[0]) if op.leads else UUID(int=0)
        return Recorded(stream, 0, (), repeated=True)

    def _outcome(
        self,
        op: Operation,
        unit: UnitOfWork,
        known: dict[UUID, CommandRow],
        commands: list[NewCommand],
    ) -> Outcome:
        first = len(unit.events)
        unit.touched.clear()
        try:
            return self._decide(op, unit, known, commands)
        except LeadflowError as error:
            if not self.collect or isinstance(error, (Conflict, ConnectionLost)):
                raise
            unit.undo(first)
            return error

    def _decide(
        self,
        op: Operation,
        unit: UnitOfWork,
        known: dict[UUID, CommandRow],
        commands: list[NewCommand],
    ) -> Recorded:
        row = known.get(op.command_id) if op.command_id is not None else None
        if row is not None and row.fingerprint != op.fingerprint:
            raise CommandReused(
                f"command id {op.command_name} was used before with other content; "
                "nothing was recorded",
                hint="give each new command an id of its own",
            )
        if row is not None:
            return read_again(self.store, unit, row)
        first = len(unit.events)
        stream = op.decide(unit)
        made = unit.events[first:]
        if op.command_id is not None:
            commands.append(NewCommand(op.command_id, op.fingerprint, first, len(made)))
            known[op.command_id] = CommandRow(op.command_id, op.fingerprint, -first, len(made))
        return _recorded(stream, made, repeated=False)


def read_again(store: Store, unit: UnitOfWork, row: CommandRow) -> Recorded:
    """What a command recorded the first time, in the log or earlier in this unit."""
    if row.first_position <= 0:
        made = unit.events[-row.first_position : -row.first_position + row.count]
    else:
        stored = store.events_at(row.first_position, row.count) if row.count else []
        made = [e.as_log_event(store.mapper.to_domain_event(s)) for s in stored]
    stream = made[-1].originator_id if made else UUID(int=0)
    return _recorded(stream, made, repeated=True)


def _recorded(stream: UUID, made: Sequence[e.LogEvent], *, repeated: bool) -> Recorded:
    version = next((x.originator_version for x in reversed(made) if x.originator_id == stream), 0)
    return Recorded(stream, version, tuple(made), repeated)


def append_unit(
    unit: UnitOfWork, commands: Sequence[NewCommand], inbox: InboxChanges | None = None
) -> None:
    """Append what a unit of work made, in one transaction; nothing when it made nothing."""
    store = unit.store
    aliases: list[tuple[str, UUID]] = []
    addresses: list[tuple[bytes, UUID]] = []
    erased: list[UUID] = []
    for event in unit.events:
        if not isinstance(event, e.LeadEvent):
            continue
        if isinstance(event, (e.Captured, e.Engaged, e.Enriched)):
            aliases.extend((external, event.originator_id) for external in event.external_ids)
        if isinstance(event, e.Erased):
            erased.append(event.originator_id)
        if event.personal is not None:
            addresses.extend(_addresses(store, event.personal, event.originator_id))
    store.append(
        Append(
            events=unit.events,
            commands=commands,
            genesis=() if unit.policy_position else (first_policy_event(unit.now),),
            expect_policy=unit.policy_position,
            aliases=aliases,
            addresses=addresses,
            destroy_keys=erased,
            inbox=inbox or InboxChanges(),
        )
    )


def _addresses(store: Store, personal: Personal, lead_id: UUID) -> list[tuple[bytes, UUID]]:
    texts = [normal_address(text) for text in (personal.email, personal.phone) if text]
    return [(store.keys.address_digest(text), lead_id) for text in texts if text]


def first_policy_event(now: datetime) -> e.PolicyActivated:
    """What stands first in a new log: the policy in force from its beginning."""
    policy = default_policy()
    return e.PolicyActivated(
        originator_id=POLICY_STREAM,
        originator_version=1,
        event_id=uuid4(),
        occurred_at=now,
        actor="leadflow",
        policy=policy.as_data(),
        policy_hash=policy.hash,
    )


def fingerprint(store: Store, content: Mapping[str, Any]) -> bytes:
    """What a command said, as a keyed digest, since it may hold personal data."""
    return content_digest(store.keys, content)


def content_digest(keys: Keys, content: Mapping[str, Any]) -> bytes:
    """The same by a store's keys alone, for a process that has no store."""
    return keys.digest(orjson.dumps(content, default=_plain, option=orjson.OPT_SORT_KEYS))


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, tuple):
        return list(cast("tuple[object, ...]", value))
    return str(value)
