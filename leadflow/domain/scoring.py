"""What the policy says to an event: points, tier, target, confirmation, sales-ready.

Pure functions; `deciding.py` records what they answer, in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, cast

from leadflow.domain import events as e
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Condition, Policy, Rule, fulfils
from leadflow.domain.stages import Stage
from leadflow.domain.temperature import day_number, temperature
from leadflow.domain.values import TIER_RANK, FieldValue, Phase, Temperature, Tier

Draft = tuple[type[e.LeadEvent], dict[str, Any]]
"""An event to be recorded: its class and own fields."""

_READY_FROM = (Stage.CAPTURED, Stage.ENRICHED, Stage.QUALIFIED, Stage.NURTURING)


def phase_of(kind: str, policy: Policy) -> Phase | None:
    """The buying phase that the policy gives a kind of engagement."""
    if kind in policy.phases.late:
        return Phase.LATE
    if kind in policy.phases.mid:
        return Phase.MID
    return Phase.EARLY if kind in policy.phases.early else None


def confirms(lead: Lead, kind: str, day: int, policy: Policy) -> bool:
    """Whether this action confirms interest that was not confirmed before.

    Counted are high-intent actions within the window, a kind once a day.
    """
    high = policy.high_intent
    if lead.confirmed_at is not None or kind not in high.kinds:
        return False
    actions = {(kind, day)} | {
        (k, d) for k, d in lead.high_intent if k in high.kinds and abs(day - d) < high.window_days
    }
    return len(actions) >= high.actions


def points_for(lead: Lead, event: e.LeadEvent, policy: Policy) -> Iterator[Draft]:
    """A `Scored` for each rule that the event meets and whose cap leaves room."""
    kind = event.kind if isinstance(event, e.Engaged) else None
    for rule in policy.rules_for(event.topic, kind):
        if not _meets_all(lead, event, rule):
            continue
        points = _allowed(lead, event, rule)
        if points:
            yield (
                e.Scored,
                {
                    "points": points,
                    "reason": rule.name,
                    "rule": rule.name,
                    "policy": policy.hash,
                    "dimension": rule.dimension,
                    "cause": event.event_id,
                },
            )


def _allowed(lead: Lead, event: e.LeadEvent, rule: Rule) -> int:
    given = lead.rule_points.get(rule.name)
    points = rule.points
    if rule.per == "event" and isinstance(event, e.Engaged):
        points *= event.count
    if given is not None:
        if rule.per == "once":
            return 0
        if rule.per == "day" and day_number(event.occurred_at) in lead.rule_days[rule.name]:
            return 0
    if rule.cap is None:
        return points
    room = rule.cap - abs(given or 0)
    return max(-room, min(points, room)) if room > 0 else 0


def _meets_all(lead: Lead, event: e.LeadEvent, rule: Rule) -> bool:
    for path, want in rule.where.items():
        if path != "kind" and not _meets(lead, event, path, want):
            return False
    return True


def _meets(lead: Lead, event: e.LeadEvent, path: str, want: Condition) -> bool:
    head, _, rest = path.partition(".")
    value: Any = getattr(event, head)
    if rest:
        if rest in lead.known_after_outcome:
            return False
        value = cast("Mapping[str, Any]", value).get(rest) if isinstance(value, Mapping) else None
        value = value.value if isinstance(value, FieldValue) else value
    return fulfils(value, want)


def tier_for(lead: Lead, event: e.LeadEvent, policy: Policy) -> Tier | None:
    """The tier that an engagement raises the lead to, if it does."""
    if not isinstance(event, e.Engaged):
        return None
    raised = (
        Tier.MQL
        if event.kind in policy.tiers.mql
        else Tier.IQL
        if event.kind in policy.tiers.iql
        else None
    )
    return raised if TIER_RANK[raised] > TIER_RANK[lead.tier] else None


def target_for(lead: Lead, policy: Policy) -> bool | None:
    """Whether the lead meets the policy's target criteria; None while that is unknown."""
    if not policy.target:
        return None
    known = {**lead.fields, **lead.dimensions}
    answers = [
        fulfils(known[c.field], c.condition)
        for c in policy.target
        if c.field in known and c.field not in lead.known_after_outcome
    ]
    if not all(answers):
        return False
    return True if len(answers) == len(policy.target) else None


def tier_and_target(lead: Lead, event: e.LeadEvent, policy: Policy) -> Draft | None:
    """A `Qualified` where tier or target change by policy."""
    tier = tier_for(lead, event, policy)
    target = target_for(lead, policy) if isinstance(event, e.Enriched) else None
    target = None if target == lead.target else target
    if (tier is None and target is None) or lead.stage in (None, Stage.LOST, Stage.DISQUALIFIED):
        return None
    return e.Qualified, {"tier": tier, "target": target, "criteria": f"policy {policy.hash}"}


def sales_ready(lead: Lead, event: e.LeadEvent, policy: Policy) -> Iterator[Draft]:
    """`BecameSalesReady` on crossing to hot, and the tier SQL where hot meets target.

    After a return or a reopening only points that came since then count.
    """
    if lead.stage not in _READY_FROM or not lead.acted_since_return:
        return
    confirmed = lead.confirmed_at is not None
    moment = max(event.occurred_at, lead.modified_on)
    heat = temperature(lead.fresh_points_by_day, moment, policy, confirmed=confirmed)
    if heat is not Temperature.HOT:
        return
    if lead.target and lead.tier is not Tier.SQL:
        yield e.Qualified, {"tier": Tier.SQL, "criteria": f"policy {policy.hash}"}
    yield (
        e.BecameSalesReady,
        {"trigger": "confirmed_interest" if confirmed else "score", "score": lead.points},
    )


def response_due(event: type[e.LeadEvent], moment: Any, policy: Policy) -> Any:
    """Until when sales should answer a lead that becomes sales-ready or is handed over."""
    hours = (
        policy.response.sales_ready_hours
        if event is e.BecameSalesReady
        else policy.response.handed_over_hours
    )
    return policy.working_hours.add(moment, hours)


def lease_end(moment: Any, policy: Policy) -> Any:
    """When a claim that is made now ends."""
    return moment + timedelta(minutes=policy.queue.lease_minutes)
