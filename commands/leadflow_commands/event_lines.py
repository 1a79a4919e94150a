"""An event in one line for people: what it says, without its envelope."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.values import Money, Personal, TimeBasis
from leadflow_commands.moments import when
from leadflow_commands.money import show_money


def describe(event: e.LogEvent) -> str:
    """What the event says beside its type, such as `trial_requested, spring`."""
    describer = _DESCRIBERS.get(type(event))
    parts = describer(event) if describer else _fields(event)
    if isinstance(event, e.LeadEvent) and event.irregular:
        parts = [*parts, f"irregular: {', '.join(event.irregular)}"]
    return ", ".join(part for part in parts if part)


def happened(event: e.LogEvent, zone: tzinfo) -> str:
    """When the event happened, as exactly as that is known; assumed times with a mark."""
    if event.time_basis is TimeBasis.DAY:
        return event.occurred_at.date().isoformat()
    mark = "?" if event.time_basis is TimeBasis.ASSUMED else ""
    return when(event.occurred_at, zone) + mark


def personal_line(personal: Personal | None) -> str:
    """Personal data in one line; empty where there is none or its key is gone."""
    if personal is None:
        return ""
    given = personal.model_dump(exclude_none=True)
    given |= given.pop("other", {})
    return ", ".join(f"{name} {value}" for name, value in given.items())


def _fields(event: e.LogEvent) -> list[str]:
    """Every field that the event carries, by name."""
    parts: list[str] = []
    for name in e.own_fields(type(event)):
        value = getattr(event, name)
        if name != "personal" and value not in (None, (), {}, False):
            parts.append(f"{name.replace('_', ' ')} {_value(value)}")
    return parts


def _value(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, Money):
        return show_money(value.minor, value.currency)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return str(getattr(value, "value", value))


def _captured(event: e.Captured) -> list[str]:
    sales_type = event.sales_type.value if event.sales_type else ""
    return [*_origin(event), sales_type, event.interest or "", *_consents(event)]


def _engaged(event: e.Engaged) -> list[str]:
    times = f" × {event.count}" if event.count > 1 else ""
    confirms = "interest confirmed" if event.confirms else ""
    return [f"{event.kind}{times}", event.asset or "", *_origin(event), confirms, *_consents(event)]


def _origin(event: e.Captured | e.Engaged) -> list[str]:
    return [text for text in (event.source, event.campaign, event.channel) if text]


def _consents(event: e.Captured | e.Engaged) -> list[str]:
    return [f"consent to {consent.channel.value}" for consent in event.consents]


def _enriched(event: e.Enriched) -> list[str]:
    facts = [f"{name} = {field.value}" for name, field in event.fields.items()]
    return facts + [f"{name} = {value}" for name, value in event.dimensions.items()]


def _scored(event: e.Scored) -> list[str]:
    return [f"{event.points:+d} {event.reason}"]


def _qualified(event: e.Qualified) -> list[str]:
    target = {True: "target", False: "no target", None: ""}[event.target]
    return [event.tier.value if event.tier else "", target, event.criteria or ""]


def _offer(event: e.OfferMade) -> list[str]:
    return [event.offer_id, _value(event.amount) if event.amount else ""]


def _purchase(event: e.Purchased | e.Refunded) -> list[str]:
    return [event.order_id, _value(event.amount) if event.amount else ""]


def _policy(event: e.PolicyActivated) -> list[str]:
    return [str(event.policy.get("name", "")), event.policy_hash]


_DESCRIBERS: Final[dict[type[e.LogEvent], Callable[[Any], list[str]]]] = {
    e.Captured: _captured,
    e.Enriched: _enriched,
    e.Engaged: _engaged,
    e.Scored: _scored,
    e.Qualified: _qualified,
    e.OfferMade: _offer,
    e.Purchased: _purchase,
    e.Refunded: _purchase,
    e.PolicyActivated: _policy,
}
