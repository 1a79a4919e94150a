"""The leads that operations have touched, and the events they made, before an append."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.deciding import Decider
from leadflow.domain.identity import lead_id_for
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy, default_policy, parse_policy
from leadflow.domain.waiting import AWAITED, PREDECESSORS, missing_predecessor
from leadflow.errors import LeadNotFound, MustWait
from leadflow.naming import LeadNames, LeadRef
from leadflow.persistence.store import Store


class PolicyReader:
    """The policies of a log; the one in force is read once for each activation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: tuple[int, Policy] = (0, default_policy())

    def in_force(self) -> tuple[int, Policy]:
        """The position of the last activation, and its policy; 0 while the log is empty."""
        position = self._store.head().policy_position
        if position != self._known[0]:
            stored = self._store.events_at(position, 1)[0]
            activated = self._store.mapper.to_domain_event(stored)
            assert isinstance(activated, e.PolicyActivated)
            self._known = position, parse_policy(activated.policy, f"policy at {position}")
        return self._known


@dataclass
class UnitOfWork:
    """The leads that operations have touched so far, and the events they made."""

    store: Store
    names: LeadNames
    policy_position: int
    policy: Policy
    leads: dict[UUID, Lead] = field(default_factory=dict[UUID, Lead])
    streams: dict[UUID, int] = field(default_factory=dict[UUID, int])
    """Versions of streams that are no leads: policy, spend."""
    events: list[e.LogEvent] = field(default_factory=list[e.LogEvent])

    resolved: dict[LeadRef, UUID] = field(default_factory=dict[LeadRef, UUID])
    """Names that were looked up for all operations at once."""
    touched: set[UUID] = field(default_factory=set[UUID])
    """The leads that the present operation asked for."""
    waiting: set[UUID] = field(default_factory=set[UUID])
    """The leads that facts are held for: what comes later waits behind those."""

    def __post_init__(self) -> None:
        self.now = self.store.now()

    def prefetch(self, refs: Iterable[LeadRef], read: dict[UUID, list[e.LogEvent]]) -> None:
        """Read all these leads in a few queries instead of one each.

        `read` holds the events that an earlier attempt has read, and takes those read now.
        """
        self.resolved = self.names.resolve_many(refs)
        ids = set(self.resolved.values()) - self.leads.keys()
        missing = ids - read.keys()
        found = self.store.load_many(missing) if missing else {}
        read |= {lead_id: found.get(lead_id, []) for lead_id in missing}
        for lead_id in ids:
            stored = read[lead_id]
            self.leads[lead_id] = self._replay(lead_id, stored) if stored else Lead.unknown(lead_id)

    def lead(self, ref: LeadRef, *, follow_merges: bool = True) -> Lead:
        """The lead as it stands with this unit's events, or the one it was merged into."""
        lead_id = self.resolved.get(ref) or self.names.resolve(ref)
        self.touched.add(lead_id)
        lead = self.leads.get(lead_id)
        if lead is None:
            lead = self.leads[lead_id] = self._replay(lead_id, self.store.load(lead_id))
        while follow_merges and lead.merged_into is not None:
            lead = self.lead(lead.merged_into, follow_merges=False)
        return lead

    def known_lead(self, ref: LeadRef, *, follow_merges: bool = True) -> Lead:
        """The lead, which must have events already.

        Raises:
            LeadNotFound: when it has none.
        """
        lead = self.lead(ref, follow_merges=follow_merges)
        if lead.version == 0:
            raise LeadNotFound(
                f"no lead {ref}", hint="`leadflow lead find` searches; `lead capture` makes one"
            )
        return lead

    def decider(self, lead: Lead) -> Decider:
        return Decider(lead, self.policy, self.now)

    def check_turn(
        self,
        event: type[e.LeadEvent],
        fields: Mapping[str, Any],
        lead: Lead,
        *,
        patient: bool = True,
    ) -> None:
        """Refuse a fact whose predecessor is missing, and what comes behind one such.

        One that is not `patient` waits behind none, and none waits behind it.

        Raises:
            MustWait: saying for what.
        """
        rule = missing_predecessor(event, fields, lead)
        if rule is None and patient and lead.id in self.waiting and event not in PREDECESSORS:
            rule = "behind"
        if rule is None:
            return
        if patient:
            self.waiting.add(lead.id)
        why = AWAITED.get(rule, "an earlier fact of the lead is waiting")
        raise MustWait(
            f"{event.topic} of lead {lead.id} has to wait: {why}",
            rule=rule,
            lead_id=lead.id,
            lead_version=lead.version,
        )

    def collect(self, *leads: Lead) -> None:
        """Take over what the leads have pending, in order."""
        for lead in leads:
            # The library's collect_events pops from the front, quadratic for long lists.
            made = cast("list[e.LeadEvent]", lead.pending_events)
            for event in made:
                if isinstance(event, (e.Captured, e.Enriched, e.Engaged)):
                    self._learn_aliases(event.external_ids, lead.id)
            self.events.extend(made)
            made.clear()

    def _learn_aliases(self, external_ids: Iterable[str], lead_id: UUID) -> None:
        """Let later operations use an alias before it is recorded; the first lead keeps it."""
        for external_id in external_ids:
            if self.names.resolve(external_id) == lead_id_for(external_id):
                self.resolved[external_id] = lead_id

    def stream_version(self, stream: UUID) -> int:
        """The version of a stream that is no lead's."""
        if stream not in self.streams:
            self.streams[stream] = len(self.store.lead_events(stream))
        return self.streams[stream]

    def add(self, event: e.LogEvent) -> None:
        """Take in an event of a stream that is no lead's."""
        self.streams[event.originator_id] = event.originator_version
        self.events.append(event)

    def undo(self, since: int) -> None:
        """Drop the present operation's events, and read its leads again when asked for."""
        del self.events[since:]
        for lead_id in self.touched:
            self.leads.pop(lead_id, None)
        self.streams.clear()

    def _replay(self, lead_id: UUID, stored: Iterable[e.LogEvent]) -> Lead:
        lead = Lead.unknown(lead_id)
        for event in stored:
            if isinstance(event, e.LeadEvent):
                lead.evolve(event)
        for event in self.events:
            if event.originator_id == lead_id and isinstance(event, e.LeadEvent):
                lead.evolve(event)
        return lead
