"""A lead at a moment: what its events make it, and what only a moment can tell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadflow.domain import temperature as heat
from leadflow.domain.events import LeadEvent
from leadflow.domain.lead import Lead
from leadflow.domain.values import Personal, Temperature
from leadflow_commands.moments import iso

if TYPE_CHECKING:
    from uuid import UUID

    from leadflow import Leadflow
    from leadflow.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class LeadState:
    """The aggregate, the person's latest details, and the readings of a moment."""

    lead: Lead
    personal: Personal | None
    moment: datetime
    policy: Policy

    @property
    def temperature(self) -> Temperature:
        return heat.temperature(
            self.lead.points_by_day,
            self.moment,
            self.policy,
            confirmed=self.lead.confirmed_at is not None,
        )

    @property
    def score_now(self) -> float:
        """The score as it still counts at the moment, by the policy's half-life."""
        return heat.decayed_score(self.lead.points_by_day, self.moment, self.policy.half_life_days)

    @property
    def lease_until(self) -> datetime | None:
        """The end of a claim that still holds."""
        until = self.lead.lease_until
        return until if until is not None and until > self.moment else None

    @property
    def owner(self) -> str | None:
        """Whose the lead is; a claim whose lease has ended gives nobody the lead."""
        claim_ended = self.lead.claimed_by is not None and self.lease_until is None
        return None if claim_ended else self.lead.owner

    def document(self) -> dict[str, Any]:
        """The documented shape of `lead show`."""
        lead = self.lead
        personal = self.personal and self.personal.model_dump(exclude_defaults=True)
        return {
            "lead_id": lead.id,
            "version": lead.version,
            "stage": lead.stage,
            "furthest_stage": lead.furthest_stage,
            "cycle": lead.cycle,
            "phase": lead.phase,
            "temperature": self.temperature,
            "tier": lead.tier,
            "target": lead.target,
            "score": lead.points,
            "score_now": self.score_now,
            "lifetime_score": lead.lifetime_points,
            "owner": self.owner,
            "lease_until": iso(self.lease_until),
            "stage_since": iso(lead.stage_since),
            "captured_at": iso(lead.captured_at),
            "ready_since": iso(lead.ready_since),
            "response_due": iso(lead.response_due),
            "last_contact_at": iso(lead.last_contact_at),
            "source": lead.source,
            "campaign": lead.campaign,
            "channel": lead.channel,
            "landing_page": lead.landing_page,
            "sales_type": lead.sales_type,
            "revenue": lead.revenue,
            "permissions": {c.value: p.value for c, p in lead.permissions.items()},
            "fields": lead.fields,
            "dimensions": lead.dimensions,
            "irregular": list(dict.fromkeys(lead.irregular)),
            "merged_into": lead.merged_into,
            "absorbed": sorted(lead.absorbed),
            "erased": lead.erased,
            "personal": personal,
        }


def read_state(
    leads: Leadflow,
    lead: UUID | str,
    *,
    version: int | None = None,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
) -> LeadState:
    """Read a lead as it is, or as it was at a version or moment."""
    found = leads.get(lead, version=version, as_of=as_of, known_at=known_at)
    known = (
        event
        for event in leads.history(found.id)
        if (version is None or event.originator_version <= version)
        and (as_of is None or event.occurred_at <= as_of)
        and (known_at is None or event.recorded_at is None or event.recorded_at <= known_at)
    )
    moment = as_of or known_at or leads.store.now()
    return LeadState(found, latest_personal(known), moment, leads.policy(moment))


def latest_personal(history: Iterable[LeadEvent]) -> Personal | None:
    """Each detail as it was last given; None where none was, or the lead is erased."""
    details: dict[str, Any] = {}
    for event in history:
        if event.personal is not None:
            details |= event.personal.model_dump(exclude_defaults=True)
    return Personal(**details) if details else None


def person_history(leads: Leadflow, lead_id: UUID) -> list[LeadEvent]:
    """All events of a lead and of those that are merged into it, in the order of the log.

    Raises:
        LeadNotFound: when it has none.
    """
    events: list[LeadEvent] = []
    waiting, seen = [lead_id], {lead_id}
    while waiting:
        history = leads.history(waiting.pop())
        events += history
        absorbed = Lead.replay(history[0].lead_id, history).absorbed - seen
        waiting += sorted(absorbed)
        seen |= absorbed
    return sorted(events, key=lambda event: event.position or 0)


def latest_name(leads: Leadflow, lead_id: UUID) -> str:
    """What to call the lead in a list: its name, company or address; empty once erased."""
    events = leads.store.load(lead_id)
    personal = latest_personal(event for event in events if isinstance(event, LeadEvent))
    if personal is None:
        return ""
    return personal.name or personal.company or personal.email or personal.phone or ""
