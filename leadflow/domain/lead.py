"""The Lead aggregate: the state that a lead's events add up to.

Built on the eventsourcing library's aggregate; `deciding.py` makes new events, and this
module only evolves. Nothing here depends on the present moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Final, Self
from uuid import UUID

from eventsourcing.domain import BaseAggregate

from leadflow.domain import events as e
from leadflow.domain.stages import RANK, Stage
from leadflow.domain.temperature import day_number
from leadflow.domain.values import (
    PHASE_RANK,
    Consent,
    ContactChannel,
    Money,
    Permission,
    Phase,
    SalesType,
    Tier,
)

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Offer:
    """An offer of the lead: open, accepted or declined."""

    __slots__ = ("amount", "state")

    def __init__(self, amount: Money | None) -> None:
        self.amount = amount
        self.state = "open"


class Order:
    """An order of the lead: what was paid, and what of it went back."""

    __slots__ = ("amount", "refunded")

    def __init__(self, amount: Money | None) -> None:
        self.amount = amount
        self.refunded = 0


class Lead(BaseAggregate[UUID]):
    """A potential customer, rebuilt from events.

    Per lead: stage, tier, target, consent, orders. Per cycle: phase, points, visits.
    """

    def _begin(self) -> None:
        self.stage: Stage | None = None
        self.furthest_stage: Stage | None = None
        self.stage_since: datetime | None = None
        self.cycle = 1
        self.visits: dict[Stage, int] = {}
        """Visits of each stage in the current cycle."""

        self.captured = False
        self.captured_at: datetime | None = None
        self.source: str | None = None
        self.campaign: str | None = None
        self.channel: str | None = None
        self.landing_page: str | None = None
        self.sales_type: SalesType | None = None
        self.fields: dict[str, bool | int | str] = {}
        self.dimensions: dict[str, str] = {}
        self.known_after_outcome: set[str] = set()

        self.phase: Phase | None = None
        self.points = 0
        self.points_by_day: dict[int, int] = {}
        self.lifetime_points = 0
        self.fresh_points_by_day: dict[int, int] = {}
        """Points since the last return or reopening: what may make it sales-ready again."""
        self.rule_points: dict[str, int] = {}
        self.rule_days: dict[str, set[int]] = {}
        self.high_intent: list[tuple[str, int]] = []
        """Kind and day of each high-intent action since the last return or reopening."""
        self.confirmed_at: datetime | None = None
        self.tier: Tier | None = None
        self.target: bool | None = None

        self.owner: str | None = None
        self.claimed_by: str | None = None
        self.lease_until: datetime | None = None
        self.ready_since: datetime | None = None
        self.response_due: datetime | None = None
        self.handed_over_at: datetime | None = None
        self.last_contact_at: datetime | None = None
        self.returned_at_version: int | None = None
        self.acted_since_return = True

        self.offers: dict[str, Offer] = {}
        self.orders: dict[str, Order] = {}
        self.revenue: dict[str, int] = {}
        """Minor units by currency, net of refunds."""

        self.consents: dict[tuple[ContactChannel, str], Permission] = {}
        self.permissions: dict[ContactChannel, Permission] = {}
        self.merged_into: UUID | None = None
        self.absorbed: set[UUID] = set()
        self.erased = False
        self.irregular: list[str] = []

    @classmethod
    def unknown(cls, lead_id: UUID) -> Self:
        """A lead of which nothing has been recorded yet, at version 0."""
        lead = cls.__new__(cls)
        lead.__base_init__(lead_id, 0, EPOCH)
        lead._begin()
        return lead

    @classmethod
    def replay(cls, lead_id: UUID, history: Iterable[e.LeadEvent]) -> Self:
        """The lead as these of its events make it, in the order given; gaps are allowed."""
        lead = cls.unknown(lead_id)
        for event in history:
            lead.evolve(event)
        return lead

    def evolve(self, event: e.LeadEvent) -> None:
        """Take one event in. Never refuses: what is in the log has happened."""
        if event.cycle > self.cycle:
            self._begin_cycle(event.cycle)
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        if event.entered is not None:
            self._enter(event.entered, event)
        for channel, permission in event.permissions.items():
            self.permissions[channel] = permission
        self.irregular.extend(event.irregular)
        if self.version == 0:
            self._created_on = event.occurred_at
        self.version = event.originator_version
        self.modified_on = event.occurred_at

    def _begin_cycle(self, cycle: int) -> None:
        self.cycle = cycle
        self.visits = {}
        self.phase = None
        self.points = 0
        self.points_by_day = {}
        self.rule_points = {}
        self.rule_days = {}
        self._start_afresh()

    def _start_afresh(self) -> None:
        """After a return or a reopening only what comes from now on counts as new."""
        self.fresh_points_by_day = {}
        self.high_intent = []
        self.confirmed_at = None
        self.owner = None

    def _enter(self, stage: Stage, event: e.LeadEvent) -> None:
        self.stage = stage
        self.stage_since = event.occurred_at
        self.visits[stage] = event.visit or 1
        self.claimed_by = None
        self.lease_until = None
        if RANK.get(stage, -1) > RANK.get(self.furthest_stage, -1):
            self.furthest_stage = stage

    def _captured(self, event: e.Captured) -> None:
        self.captured = True
        self.captured_at = event.occurred_at
        self.source, self.campaign = event.source, event.campaign
        self.channel, self.landing_page = event.channel, event.landing_page
        self.sales_type = event.sales_type
        self._consented(event.consents)

    def _consented(self, consents: Iterable[Consent]) -> None:
        for consent in consents:
            self.consents.pop((consent.channel, MERGED), None)
            self.consents[consent.channel, consent.purpose] = Permission.GIVEN

    def _enriched(self, event: e.Enriched) -> None:
        self.fields.update((name, field.value) for name, field in event.fields.items())
        self.dimensions.update(event.dimensions)
        self.known_after_outcome.update(event.known_after_outcome)

    def _engaged(self, event: e.Engaged) -> None:
        self.acted_since_return = True
        if PHASE_RANK[event.phase] > PHASE_RANK[self.phase]:
            self.phase = event.phase
        self.high_intent.append((event.kind, day_number(event.occurred_at)))
        if event.confirms:
            self.confirmed_at = event.occurred_at
        self._consented(event.consents)

    def _scored(self, event: e.Scored) -> None:
        day = day_number(event.occurred_at)
        self.points += event.points
        self.lifetime_points += event.points
        self.points_by_day[day] = self.points_by_day.get(day, 0) + event.points
        self.fresh_points_by_day[day] = self.fresh_points_by_day.get(day, 0) + event.points
        if event.rule is not None:
            self.rule_points[event.rule] = self.rule_points.get(event.rule, 0) + event.points
            self.rule_days.setdefault(event.rule, set()).add(day)

    def _qualified(self, event: e.Qualified) -> None:
        self.tier = event.tier or self.tier
        self.target = self.target if event.target is None else event.target

    def _became_sales_ready(self, event: e.BecameSalesReady) -> None:
        if event.entered is None:
            return
        self.ready_since = event.occurred_at
        self.response_due = event.response_due

    def _claimed(self, event: e.Claimed) -> None:
        self.owner = self.claimed_by = event.owner
        self.lease_until = event.lease_until

    def _released(self, _: e.Released) -> None:
        self.owner = self.claimed_by = self.lease_until = None

    def _handed_over(self, event: e.HandedOver) -> None:
        self.owner = event.to_owner or self.owner
        self.handed_over_at = event.occurred_at
        self.response_due = event.response_due

    def _accepted(self, event: e.Accepted) -> None:
        self.owner = event.by or self.owner

    def _returned(self, _: e.Returned) -> None:
        self._start_afresh()
        self.acted_since_return = False
        self.response_due = None

    def _contacted(self, event: e.Contacted) -> None:
        self.last_contact_at = event.occurred_at

    def _offer_made(self, event: e.OfferMade) -> None:
        self.offers[event.offer_id] = Offer(event.amount)

    def _offer_accepted(self, event: e.OfferAccepted) -> None:
        self.offers.setdefault(event.offer_id, Offer(None)).state = "accepted"

    def _offer_declined(self, event: e.OfferDeclined) -> None:
        self.offers.setdefault(event.offer_id, Offer(None)).state = "declined"

    def _purchased(self, event: e.Purchased) -> None:
        self.orders[event.order_id] = Order(event.amount)
        if event.amount is not None:
            self._add_revenue(event.amount.currency, event.amount.minor)

    def _refunded(self, event: e.Refunded) -> None:
        self.orders.setdefault(event.order_id, Order(None)).refunded += event.amount.minor
        self._add_revenue(event.amount.currency, -event.amount.minor)

    def _add_revenue(self, currency: str, minor: int) -> None:
        self.revenue[currency] = self.revenue.get(currency, 0) + minor

    def _reopened(self, _: e.Reopened) -> None:
        self._start_afresh()

    def _consent_given(self, event: e.ConsentGiven) -> None:
        self.consents.pop((event.channel, MERGED), None)
        self.consents[event.channel, event.purpose] = Permission.GIVEN

    def _consent_withdrawn(self, event: e.ConsentWithdrawn) -> None:
        self.consents[event.channel, event.purpose] = Permission.WITHDRAWN

    def _merged(self, event: e.Merged) -> None:
        if not event.survivor:
            self.merged_into = event.other
            return
        self.absorbed.add(event.other)
        for channel, permission in event.permissions.items():
            self.consents[channel, MERGED] = permission

    def _unmerged(self, event: e.Unmerged) -> None:
        if event.survivor:
            self.absorbed.discard(event.other)
        else:
            self.merged_into = None

    def _erased(self, _: e.Erased) -> None:
        self.erased = True


MERGED: Final = "(merged)"
"""The purpose under which a consent is kept that came by a merge."""

_HANDLERS: Final[dict[type[e.LeadEvent], Callable[[Lead, Any], None]]] = {
    event: getattr(Lead, "_" + event.topic.removeprefix("lead."))
    for event in e.LEAD_EVENTS
    if event is not e.Disqualified and event is not e.Nurtured and event is not e.Lost
}
