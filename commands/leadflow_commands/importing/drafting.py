"""Drafts: entries read, decided and encoded as if their leads were new.

That is most of an import's work, and needs nothing of the log; so other processes can do
it. Whether the leads are new, and so whether a draft holds, is seen when it is placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, Protocol, cast
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.deciding import Decider, Envelope
from leadflow.domain.identity import lead_id_for, normal_address
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy
from leadflow.errors import LeadflowError
from leadflow.operations import content_of
from leadflow.persistence.codec import encode
from leadflow.persistence.keys import Keys, LeadKey
from leadflow.recording import content_digest
from leadflow_commands.importing.statements import Entry, Refusal, Statement, may_follow

_BEARS_IDS: Final = (e.Captured, e.Enriched, e.Engaged)


class Drafted(NamedTuple):
    """One entry drafted, in plain values that another process takes over."""

    lead: str
    lead_id: bytes
    record: str
    commands: tuple[tuple[bytes, bytes, int], ...]
    """Of each statement: message id, digest of its content, events that it made."""
    events: tuple[tuple[int, str, bytes], ...] | None
    """Version, topic and state of each; None where it is for the log to decide on."""
    key: bytes | None
    """The new key that personal data is sealed with."""
    aliases: tuple[str, ...]
    addresses: tuple[bytes, ...]
    irregular: int
    held_back: int
    revisions: tuple[bytes, ...] = ()
    """The ids under which what may be said anew would have been, if it was."""


class Reads(Protocol):
    """Reads the raw entries of a source: the rows of a table, the lines of a file."""

    def read(self, raw: Any) -> Entry | Refusal: ...


class Drafter:
    """Drafts the entries of one batch after the other."""

    def __init__(
        self, keys: Keys, policy: Policy, *, score: bool, queue: bool, seal: bool = True
    ) -> None:
        self._keys = keys
        self._seal = seal
        self._policy = policy
        self._score = score
        self._queue = queue
        self._leads: dict[str, Lead | None] = {}
        """The leads of the present batch; None where one cannot be taken for new."""

    def draft(self, reads: Reads, batch: Sequence[Any]) -> list[Drafted | Refusal]:
        """Every raw entry of a batch, in order."""
        now = datetime.now(UTC)
        drafts: list[Drafted | Refusal] = []
        for raw in batch:
            entry = reads.read(raw)
            drafts.append(entry if isinstance(entry, Refusal) else self._drafted(entry, now))
        # The drafts hold their keys; a later batch finds the lead's in the store.
        self._keys.recorded([lead.id for lead in self._leads.values() if lead is not None])
        self._leads.clear()
        return drafts

    def _drafted(self, entry: Entry, now: datetime) -> Drafted:
        name = entry.lead
        lead = self._leads.get(name) or self._begin(name)
        commands: list[tuple[bytes, bytes, int]] = []
        made: list[e.LeadEvent] | None = []
        for statement in entry.statements:
            before = len(made) if made is not None else 0
            if lead is not None and not self._decide(lead, statement, now):
                lead = self._leads[name] = None
            made = None if lead is None else cast("list[e.LeadEvent]", lead.pending_events)
            count = len(made) - before if made is not None else 0
            commands.append((statement.message_id.bytes, self._digest(statement), count))
        draft = self._encoded(entry, lead, commands, made)
        revisions = tuple(
            s.revised(1).bytes for s in entry.statements if may_follow(s) and s.revised
        )
        return draft._replace(revisions=revisions) if revisions else draft

    def _begin(self, name: str) -> Lead | None:
        if name in self._leads:
            return None
        try:
            lead_id = lead_id_for(name) if ":" in name else UUID(name)
        except ValueError:
            return None
        lead = self._leads[name] = Lead.unknown(lead_id)
        return lead

    def _decide(self, lead: Lead, statement: Statement, now: datetime) -> bool:
        """Let the lead take a fact; False where only the log can say what becomes of it."""
        event = e.BY_TOPIC[statement.topic]
        if (
            statement.must_exist
            or statement.occurred_at is None
            or not issubclass(event, e.LeadEvent)
        ):
            return False
        envelope = Envelope(
            statement.occurred_at,
            statement.time_basis,
            statement.producer,
            statement.actor,
            statement.correlation_id,
            statement.causation_id or str(statement.message_id),
        )
        decider = Decider(lead, self._policy, now)
        try:
            decider.fact(event, statement.fields, envelope, score=self._score, queue=self._queue)
        except LeadflowError:
            return False
        return True

    def _digest(self, statement: Statement) -> bytes:
        lead, fields = statement.lead, statement.fields
        content = content_of(statement.topic, (lead,), fields, statement.occurred_at)
        return content_digest(self._keys, content)

    def _encoded(
        self,
        entry: Entry,
        lead: Lead | None,
        commands: list[tuple[bytes, bytes, int]],
        made: list[e.LeadEvent] | None,
    ) -> Drafted:
        name, record, held = entry.lead, entry.record, entry.held_back
        if lead is None or made is None:
            lead_id = _id_of(name)
            return Drafted(name, lead_id, record, tuple(commands), None, None, (), (), 0, held)
        key: LeadKey | None = None
        addresses: list[bytes] = []
        aliases: list[str] = []
        events: list[tuple[int, str, bytes]] = []
        irregular = 0
        for event in made:
            personal = event.personal if self._seal else None
            if personal is not None:
                key = key or self._keys.to_seal(lead.id, begins=True)
                texts = [normal_address(text) for text in (personal.email, personal.phone) if text]
                addresses += [self._keys.address_digest(text) for text in texts if text]
            state = encode(event, key if personal is not None else None)
            events.append((event.originator_version, event.topic, state))
            irregular += bool(event.irregular)
            if isinstance(event, _BEARS_IDS):
                aliases += event.external_ids
        made.clear()
        return Drafted(
            name,
            lead.id.bytes,
            record,
            tuple(commands),
            tuple(events),
            key.wrapped if key is not None else None,
            tuple(aliases),
            tuple(addresses),
            irregular,
            held,
        )


def _id_of(name: str) -> bytes:
    try:
        return (lead_id_for(name) if ":" in name else UUID(name)).bytes
    except ValueError:
        return b""
