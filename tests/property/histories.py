"""Histories of leads, drawn at random: stamps in any order, several leads, cycles and merges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pyarrow as pa
from hypothesis import settings
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.domain.values import ContactChannel, Money, Permission, Phase, Tier
from leadflow.persistence.codec import encode
from leadflow_projections.log_reader import log_schema

LEADS = tuple(UUID(int=number << 96 | 0x4000 << 64 | 0x8 << 60) for number in (1, 2, 3))
BEGIN = datetime(2026, 2, 27, 22, 30, tzinfo=UTC)

_words = st.sampled_from(["shop", "fair", "ümlaut", 'a "quoted" one', "x"])
_maybe = st.none() | _words
_owners = st.sampled_from(["ada", "bob"])
_money = st.builds(
    Money, minor=st.integers(0, 10**12), currency=st.sampled_from(["EUR", "USD", "JPY"])
)
_moments = st.integers(0, 6 * 24 * 60).map(lambda m: BEGIN + timedelta(minutes=m))
_channels = st.sampled_from(ContactChannel)
_orders = st.sampled_from(["o-1", "o-2"])

_OWN: dict[type[e.LeadEvent], dict[str, st.SearchStrategy[Any]]] = {
    e.Captured: {
        **dict.fromkeys(("source", "campaign", "channel", "landing_page"), _maybe),
        "sales_type": st.sampled_from([None, "net", "seed", "spear"]),
    },
    e.Enriched: {
        "dimensions": st.dictionaries(st.sampled_from(["industry", "a/b~c"]), st.text(max_size=3))
    },
    e.Engaged: {
        **dict.fromkeys(("source", "campaign", "channel", "landing_page"), _maybe),
        "kind": st.sampled_from(["visit", "trial_requested", "x-own"]),
        "phase": st.sampled_from([None, *Phase]),
        "confirms": st.booleans(),
    },
    e.Scored: {"points": st.integers(-30, 60), "reason": st.just("a rule"), "rule": _maybe},
    e.Qualified: {
        "tier": st.sampled_from([None, *Tier]),
        "target": st.sampled_from([None, True, False]),
    },
    e.Disqualified: {"reason": _maybe},
    e.Nurtured: {"programme": _maybe},
    e.BecameSalesReady: {"trigger": _maybe, "response_due": st.none() | _moments},
    e.Claimed: {"owner": _owners, "lease_until": _moments},
    e.Released: {},
    e.HandedOver: {"to_owner": st.none() | _owners, "response_due": st.none() | _moments},
    e.Accepted: {"by": st.none() | _owners},
    e.Returned: {"reason": _maybe},
    e.Contacted: {"channel": _channels},
    e.OfferMade: {"offer_id": _orders, "amount": st.none() | _money},
    e.OfferAccepted: {"offer_id": _orders},
    e.OfferDeclined: {"offer_id": _orders},
    e.Purchased: {
        "order_id": _orders,
        "amount": st.none() | _money,
        "cost": st.none() | _money,
    },
    e.Refunded: {"order_id": _orders, "amount": _money},
    e.Lost: {"reason": _maybe},
    e.Reopened: {},
    e.Merged: {"other": st.sampled_from(LEADS), "survivor": st.booleans()},
    e.Unmerged: {"other": st.sampled_from(LEADS), "survivor": st.booleans()},
    e.Erased: {},
}


def examples(share: int, *, least: int = 8) -> settings:
    """Fewer examples than the profile says, for tests whose examples fold many times."""
    profile = settings.default
    assert profile is not None
    return settings(max_examples=max(least, profile.max_examples // share))


@st.composite
def histories(
    draw: st.DrawFn, *, most: int = 24, without: Sequence[type[e.LeadEvent]] = ()
) -> list[e.LeadEvent]:
    """Events of up to three leads in the order of a log; a lead is captured once at most."""
    versions = dict.fromkeys(LEADS, 0)
    cycles = dict.fromkeys(LEADS, 1)
    captured: set[UUID] = set()
    classes = [event for event in _OWN if event not in without]
    history: list[e.LeadEvent] = []
    for number in range(draw(st.integers(1, most))):
        lead = draw(st.sampled_from(LEADS))
        event = draw(st.sampled_from(classes))
        if event is e.Captured and lead in captured:
            event = e.Engaged
        if event is e.Captured:
            captured.add(lead)
        if event is e.Reopened:
            cycles[lead] += 1
        versions[lead] += 1
        entered = draw(st.none() | st.sampled_from(Stage))
        data: dict[str, Any] = {
            "originator_id": lead,
            "originator_version": versions[lead],
            "event_id": UUID(int=number + 1),
            "occurred_at": draw(_moments),
            "time_basis": draw(st.sampled_from(["exact", "exact", "day", "assumed"])),
            "cycle": cycles[lead],
            "entered": entered,
            "visit": None if entered is None else draw(st.integers(1, 3)),
            "irregular": draw(st.sampled_from([(), (), ("a_rule",)])),
            "permissions": draw(
                st.dictionaries(_channels, st.sampled_from(Permission), max_size=2)
            ),
            **{name: draw(values) for name, values in _OWN[event].items()},
        }
        history.append(event.model_validate(data))
    return history


def log_of(history: Sequence[e.LogEvent], *, first: int = 1) -> pa.Table:
    """The events as rows of the log, from this position on."""
    rows = [
        {
            "position": first + index,
            "originator_id": str(event.originator_id),
            "originator_version": event.originator_version,
            "topic": event.topic,
            "state": encode(event, None),
            "recorded_at": 1_800_000_000_000_000 + first + index,
        }
        for index, event in enumerate(history)
    ]
    return pa.Table.from_pylist(rows, schema=log_schema())
