"""The events of a lead: one frozen pydantic model each, with a fixed topic.

An event has three parts: its own fields (what a sender gives), the *envelope* (who,
when, why) and the *stamps* (what depends on the lead's past, written down when the
event is recorded, so that a projection needs no window over that past).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from leadflow.domain.stages import Stage
from leadflow.domain.values import (
    Amount,
    Consent,
    ContactChannel,
    EngagementKind,
    ExternalIdText,
    FieldValue,
    Moment,
    Money,
    Permission,
    Personal,
    Phase,
    SalesTypeField,
    Text,
    Tier,
    TimeBasis,
    Value,
)

if TYPE_CHECKING:
    from datetime import datetime

    from leadflow.domain.lead import Lead

Count = Annotated[int, Field(ge=1, le=1_000_000_000)]


class LogEvent(BaseModel):
    """What every event of the log has: its place, and its envelope."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    topic: ClassVar[str]
    schema_version: ClassVar[int] = 1

    originator_id: UUID
    originator_version: int = Field(ge=1)
    position: int | None = None
    """The event's place in the log; given by the log."""
    recorded_at: Moment | None = None
    """When the log learnt of it; given by the log."""

    event_id: UUID
    occurred_at: Moment
    """When it happened."""
    time_basis: TimeBasis = TimeBasis.EXACT
    producer: Text | None = None
    """The system that sent it; `source` always means the marketing source."""
    actor: Text | None = None
    correlation_id: Text | None = None
    causation_id: Text | None = None

    @property
    def timestamp(self) -> datetime:
        """The moment as the eventsourcing library names it."""
        return self.occurred_at


class LeadEvent(LogEvent):
    """An event of one lead, with its stamps."""

    cycle: int = Field(ge=1)
    entered: Stage | None = None
    """The stage that this event entered."""
    visit: int | None = None
    """Which visit of that stage in this cycle it began, from 1."""
    left: Stage | None = None
    """The stage that was left for it, in this or, on reopening, the former cycle."""
    left_visit: int | None = None
    irregular: tuple[str, ...] = ()
    """The rules that this fact broke."""
    permissions: dict[ContactChannel, Permission] = Field(
        default_factory=dict[ContactChannel, Permission]
    )
    """Where consent changed: what now holds for each channel concerned."""

    personal: Personal | None = None
    """Personal data; None too once the lead was erased."""

    @property
    def lead_id(self) -> UUID:
        return self.originator_id

    def mutate(self, aggregate: Lead | None) -> Lead:
        """Evolve the lead by this event (the eventsourcing library's projection step)."""
        from leadflow.domain.lead import Lead

        lead = aggregate if aggregate is not None else Lead.unknown(self.originator_id)
        lead.evolve(self)
        return lead


class _Touch(LeadEvent):
    """Where a touch came from, in the marketing sense."""

    channel: Text | None = None
    source: Text | None = None
    campaign: Text | None = None
    utm: dict[str, str] = Field(default_factory=dict)
    landing_page: Text | None = None
    interest: Text | None = None
    external_ids: tuple[ExternalIdText, ...] = ()
    consents: tuple[Consent, ...] = ()


class Captured(_Touch):
    """The lead became known: it left contact details. Opens cycle 1."""

    topic = "lead.captured"
    sales_type: SalesTypeField | None = None


class Enriched(LeadEvent):
    """Facts about the lead were added, by research or from another system."""

    topic = "lead.enriched"
    fields: dict[str, FieldValue] = Field(default_factory=dict)
    dimensions: dict[str, str] = Field(default_factory=dict)
    """What figures may be grouped by: industry, region, product line, …"""
    external_ids: tuple[ExternalIdText, ...] = ()
    known_after_outcome: tuple[str, ...] = ()
    """Names of fields that were known only once the outcome was; never scored."""


class Engaged(_Touch):
    """The lead did something; may lie before capture, for touches known only later."""

    topic = "lead.engaged"
    kind: EngagementKind
    count: Count = 1
    asset: Text | None = None
    phase: Phase | None = None
    """Stamp: the buying phase that the policy gives this kind."""
    confirms: bool = False
    """Stamp: with this action, interest was confirmed by repeated actions."""


class Scored(LeadEvent):
    """Points were given or taken; the score is always the plain sum of its points."""

    topic = "lead.scored"
    points: int = Field(ge=-1_000_000, le=1_000_000)
    reason: Text
    rule: Text | None = None
    policy: Text | None = None
    """Hash of the policy whose rule gave the points."""
    dimension: Text = "engagement"
    cause: UUID | None = None
    """The event that the points were given for."""


class Qualified(LeadEvent):
    """The tier was set; with `target` true the lead is qualified."""

    topic = "lead.qualified"
    tier: Tier | None = None
    target: bool | None = None
    criteria: Text | None = None


class Disqualified(LeadEvent):
    """The lead is out: not in the target group, a duplicate, a test, spam, …"""

    topic = "lead.disqualified"
    reason: Text | None = None


class Nurtured(LeadEvent):
    """A nurturing programme reached the lead with a piece of content."""

    topic = "lead.nurtured"
    programme: Text | None = None
    content: Text | None = None
    channel: Text | None = None


class BecameSalesReady(LeadEvent):
    """The lead may be called by sales: it enters the queue."""

    topic = "lead.became_sales_ready"
    trigger: Text | None = None
    """score, confirmed_interest, or by hand."""
    score: int | None = None
    response_due: Moment | None = None
    """Until when sales should have answered, by the policy's working hours."""
    override: bool = False
    """By hand, although the lead was not hot."""


class Claimed(LeadEvent):
    """Somebody took the lead from the queue, until the lease ends."""

    topic = "lead.claimed"
    owner: Text
    lease_until: Moment


class Released(LeadEvent):
    """The claim was given back before its lease ended."""

    topic = "lead.released"
    owner: Text | None = None
    reason: Text | None = None


class HandedOver(LeadEvent):
    """Marketing gave the lead to sales."""

    topic = "lead.handed_over"
    from_owner: Text | None = None
    to_owner: Text | None = None
    response_due: Moment | None = None
    override: bool = False
    """By hand, although the lead was not sales-ready."""


class Accepted(LeadEvent):
    """Sales took the lead on."""

    topic = "lead.accepted"
    by: Text | None = None


class Returned(LeadEvent):
    """Sales gave the lead back: it is nurtured on."""

    topic = "lead.returned"
    by: Text | None = None
    reason: Text | None = None


class Contacted(LeadEvent):
    """The lead was called or written to, or called us; stops the response clock."""

    topic = "lead.contacted"
    channel: ContactChannel
    direction: Literal["outbound", "inbound"] = "outbound"
    outcome: Literal["attempt", "conversation"] = "attempt"
    by: Text | None = None


class OfferMade(LeadEvent):
    """An offer went out."""

    topic = "lead.offer_made"
    offer_id: Text
    amount: Amount | None = None


class OfferAccepted(LeadEvent):
    """The lead said yes to an offer."""

    topic = "lead.offer_accepted"
    offer_id: Text


class OfferDeclined(LeadEvent):
    """The lead said no to an offer, or it was withdrawn."""

    topic = "lead.offer_declined"
    offer_id: Text
    reason: Text | None = None


class Purchased(LeadEvent):
    """The lead bought: it is a customer."""

    topic = "lead.purchased"
    order_id: Text
    amount: Amount | None = None
    cost: Money | None = None
    """What the goods cost, where known: margin is amount less cost."""
    product: Text | None = None


class Refunded(LeadEvent):
    """Money went back; revenue is net of refunds."""

    topic = "lead.refunded"
    order_id: Text
    amount: Amount


class Lost(LeadEvent):
    """The lead fell off: it will not buy in this cycle."""

    topic = "lead.lost"
    reason: Text | None = None
    competitor: Text | None = None


class Reopened(LeadEvent):
    """A lost lead or a customer is worked again: the next cycle begins, at nurturing."""

    topic = "lead.reopened"
    reason: Text | None = None


class ConsentGiven(LeadEvent):
    """The lead agreed to be reached by a channel for a purpose."""

    topic = "lead.consent_given"
    channel: ContactChannel
    purpose: Text = "marketing"
    text_version: Text | None = None
    evidence: Text | None = None


class ConsentWithdrawn(LeadEvent):
    """The lead objected; needs no prior consent and is always recorded."""

    topic = "lead.consent_withdrawn"
    channel: ContactChannel
    purpose: Text = "marketing"
    text_version: Text | None = None
    evidence: Text | None = None


class Merged(LeadEvent):
    """Two leads are one person; recorded on both, their streams stay apart."""

    topic = "lead.merged"
    other: UUID
    survivor: bool
    """Whether this lead is the one that goes on."""


class Unmerged(LeadEvent):
    """They were two persons after all."""

    topic = "lead.unmerged"
    other: UUID
    survivor: bool


class Erased(LeadEvent):
    """The key of the lead's personal data was destroyed; it takes no more events."""

    topic = "lead.erased"
    request_id: Text | None = None


class PolicyActivated(LogEvent):
    """A scoring policy came into force; holds the whole policy."""

    topic = "policy.activated"
    policy: dict[str, Any]
    policy_hash: Text


class SpendPeriod(Value):
    """The days that a spend was for, both inclusive, as ISO dates."""

    first: Text
    last: Text


class SpendRecorded(LogEvent):
    """Money was spent on a source; a correction is a further record."""

    topic = "spend.recorded"
    source: Text
    campaign: Text | None = None
    sales_type: SalesTypeField | None = None
    period: SpendPeriod
    kind: Literal["media", "sales", "other"] = "media"
    amount: Money


LEAD_EVENTS: Final[tuple[type[LeadEvent], ...]] = (
    Captured,
    Enriched,
    Engaged,
    Scored,
    Qualified,
    Disqualified,
    Nurtured,
    BecameSalesReady,
    Claimed,
    Released,
    HandedOver,
    Accepted,
    Returned,
    Contacted,
    OfferMade,
    OfferAccepted,
    OfferDeclined,
    Purchased,
    Refunded,
    Lost,
    Reopened,
    ConsentGiven,
    ConsentWithdrawn,
    Merged,
    Unmerged,
    Erased,
)

LOG_EVENTS: Final[tuple[type[LogEvent], ...]] = (*LEAD_EVENTS, PolicyActivated, SpendRecorded)

BY_TOPIC: Final[dict[str, type[LogEvent]]] = {event.topic: event for event in LOG_EVENTS}

STAMPS: Final = frozenset(LeadEvent.model_fields) - set(LogEvent.model_fields) - {"personal"} | {
    "phase",
    "confirms",
}
"""Fields that the aggregate writes, and no sender may."""


@cache
def own_fields(event: type[LogEvent]) -> tuple[str, ...]:
    """The names of the fields that a sender gives: no envelope, no stamps."""
    return tuple(
        name
        for name in event.model_fields
        if name not in LogEvent.model_fields and name not in STAMPS
    )


def as_log_event(event: object) -> LogEvent:
    """The same object, known to be an event of the log (the library's mapper says less)."""
    assert isinstance(event, LogEvent)
    return event
