"""The rules that a command may break; a fact that breaks one is stamped with its name.

The stage-by-event table refuses by stage; what stands here looks at the rest of the
lead's past. Each rule is a pure function of the lead and the event about to be recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy
from leadflow.domain.stages import TABLE, Effect, Stage
from leadflow.domain.temperature import temperature
from leadflow.domain.values import Permission, Temperature, TimeBasis


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken: its stable name, and a sentence that says what was wrong."""

    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What a rule looks at: the lead, the policy in force, and the store's clock."""

    lead: Lead
    policy: Policy
    now: datetime


def violations(event: e.LeadEvent, situation: Situation) -> Iterator[Violation]:
    """Every rule that recording `event` now would break."""
    lead = situation.lead
    if TABLE[event.topic, lead.stage] is Effect.REFUSED:
        yield _refused_at_stage(event, lead)
    elif event.topic in NEEDS_CAPTURE and not lead.captured:
        yield Violation("not_captured", "the lead has not been captured yet")
    if event.topic in _NOT_BEFORE_CAPTURE and _before_capture(event, lead):
        yield Violation("before_capture", "it would lie before the lead was captured")
    for rule in _RULES.get(type(event), ()):
        broken = rule(event, situation)
        if broken is not None:
            yield broken


def _refused_at_stage(event: e.LeadEvent, lead: Lead) -> Violation:
    if lead.stage is None:
        return Violation("not_captured", "the lead has not been captured yet")
    if lead.stage is Stage.SALES_READY and isinstance(event, e.BecameSalesReady):
        return Violation("already_sales_ready", "the lead is sales-ready already")
    stage = lead.stage.value
    name = {"lost": "is_lost", "disqualified": "is_disqualified", "customer": "is_customer"}
    verb = event.topic.removeprefix("lead.").replace("_", " ")
    return Violation(
        name.get(stage, f"not_from_{stage}"), f"a lead at {stage} takes no event '{verb}'"
    )


_ANY_TIME: Final = {
    "lead.captured",
    "lead.engaged",
    "lead.enriched",
    "lead.scored",
    "lead.contacted",
    "lead.consent_given",
    "lead.consent_withdrawn",
    "lead.merged",
    "lead.unmerged",
    "lead.erased",
}
NEEDS_CAPTURE: Final = frozenset(t.topic for t in e.LEAD_EVENTS) - _ANY_TIME
_NOT_BEFORE_CAPTURE: Final = NEEDS_CAPTURE


def _before_capture(event: e.LeadEvent, lead: Lead) -> bool:
    known = TimeBasis.ASSUMED is not event.time_basis
    return known and lead.captured_at is not None and event.occurred_at < lead.captured_at


def _enrich(event: e.Enriched, s: Situation) -> Violation | None:
    lead = s.lead
    new_fields = any(
        name not in lead.fields or lead.fields[name] != field.value
        for name, field in event.fields.items()
    )
    new_dimensions = any(lead.dimensions.get(k) != v for k, v in event.dimensions.items())
    if new_fields or new_dimensions or event.personal or event.external_ids:
        return None
    return Violation("nothing_to_add", "there is nothing to add to what the lead is known for")


def _qualify(event: e.Qualified, _: Situation) -> Violation | None:
    if event.tier is None and event.target is None:
        return Violation("nothing_to_add", "give a tier, or whether the lead is a target")
    return None


def _with_reason(event: Any, _: Situation) -> Violation | None:
    if event.reason:
        return None
    return Violation("no_reason", "give the reason")


def _sales_ready(event: e.BecameSalesReady, s: Situation) -> Violation | None:
    lead = s.lead
    if not lead.acted_since_return:
        return Violation("nothing_new", "nothing new has come since the lead was returned")
    if event.override:
        return None
    confirmed = lead.confirmed_at is not None
    heat = temperature(lead.points_by_day, s.now, s.policy, confirmed=confirmed)
    if heat is Temperature.HOT:
        return None
    return Violation(
        "not_hot", f"the lead is {heat.value}, not hot; override to send it all the same"
    )


def _claim(event: e.Claimed, s: Situation) -> Violation | None:
    lead = s.lead
    live = lead.lease_until is not None and lead.lease_until > s.now
    if live and lead.claimed_by != event.owner:
        until = lead.lease_until.strftime("%Y-%m-%d %H:%M:%S UTC") if lead.lease_until else ""
        return Violation("claimed_by_other", f"{lead.claimed_by} holds the lead until {until}")
    return None


def _release(event: e.Released, s: Situation) -> Violation | None:
    lead = s.lead
    if lead.claimed_by is None:
        return Violation("not_claimed", "nobody has claimed the lead")
    live = lead.lease_until is not None and lead.lease_until > s.now
    if live and event.owner is not None and event.owner != lead.claimed_by:
        return Violation("claimed_by_other", f"{lead.claimed_by} holds the lead, not {event.owner}")
    return None


def _hand_over(event: e.HandedOver, s: Situation) -> Violation | None:
    ready = (Stage.SALES_READY, Stage.HANDED_OVER, Stage.OFFERED)
    if s.lead.stage not in ready and not event.override:
        stage = s.lead.stage.value if s.lead.stage else "unknown"
        return Violation("not_sales_ready", f"the lead is {stage}, not sales-ready")
    live = s.lead.lease_until is not None and s.lead.lease_until > s.now
    giver = event.from_owner or event.to_owner
    if live and s.lead.claimed_by not in (giver, event.to_owner, None):
        return Violation("claimed_by_other", f"{s.lead.claimed_by} holds the lead, not {giver}")
    return None


def _contact(event: e.Contacted, s: Situation) -> Violation | None:
    withdrawn = s.lead.permissions.get(event.channel) is Permission.WITHDRAWN
    if withdrawn and event.direction == "outbound":
        return Violation(
            "consent_withdrawn", f"the lead has withdrawn consent for {event.channel.value}"
        )
    return None


def _make_offer(event: e.OfferMade, s: Situation) -> Violation | None:
    if event.offer_id in s.lead.offers:
        return Violation("offer_known", f"offer {event.offer_id!r} was made already")
    return None


def _answer_offer(event: Any, s: Situation) -> Violation | None:
    offer = s.lead.offers.get(event.offer_id)
    if offer is None or offer.state != "open":
        state = "unknown" if offer is None else offer.state
        return Violation("offer_not_open", f"offer {event.offer_id!r} is {state}, not open")
    return None


def _purchase(event: e.Purchased, s: Situation) -> Violation | None:
    if event.order_id in s.lead.orders:
        return Violation("order_known", f"order {event.order_id!r} was recorded already")
    return None


def _refund(event: e.Refunded, s: Situation) -> Violation | None:
    order = s.lead.orders.get(event.order_id)
    if order is None:
        return Violation("order_unknown", f"the lead has no order {event.order_id!r}")
    if order.amount is None:
        return None
    if order.amount.currency != event.amount.currency:
        return Violation(
            "other_currency", f"order {event.order_id!r} was paid in {order.amount.currency}"
        )
    if order.refunded + event.amount.minor > order.amount.minor:
        return Violation("refund_too_high", f"order {event.order_id!r} was not paid so much")
    return None


def _merge(event: e.Merged, s: Situation) -> Violation | None:
    if event.other == s.lead.id:
        return Violation("merge_with_itself", "a lead cannot be merged with itself")
    if s.lead.merged_into is not None:
        return Violation("already_merged", f"the lead is merged into {s.lead.merged_into} already")
    return None


def _unmerge(event: e.Unmerged, s: Situation) -> Violation | None:
    known = event.other in s.lead.absorbed if event.survivor else s.lead.merged_into == event.other
    return None if known else Violation("not_merged", "the two leads are not merged")


_RULES: Final[dict[type[e.LeadEvent], tuple[Callable[[Any, Situation], Violation | None], ...]]] = {
    e.Enriched: (_enrich,),
    e.Qualified: (_qualify,),
    e.Disqualified: (_with_reason,),
    e.BecameSalesReady: (_sales_ready,),
    e.Claimed: (_claim,),
    e.Released: (_release,),
    e.HandedOver: (_hand_over,),
    e.Returned: (_with_reason,),
    e.Contacted: (_contact,),
    e.OfferMade: (_make_offer,),
    e.OfferAccepted: (_answer_offer,),
    e.OfferDeclined: (_answer_offer,),
    e.Purchased: (_purchase,),
    e.Refunded: (_refund,),
    e.Lost: (_with_reason,),
    e.Reopened: (_with_reason,),
    e.Merged: (_merge,),
    e.Unmerged: (_unmerge,),
}

MISSING_DETAIL: Final = frozenset({"no_reason", "nothing_to_add", "not_sales_ready", "not_hot"})
"""Rules for people, not for history: a fact does not break these."""

MAY_BE_OVERRIDDEN: Final = frozenset({"not_hot", "not_sales_ready"})
OVERRIDDEN: Final = "Where you know better, say so with override (`--override`)."
