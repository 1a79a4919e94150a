"""For every history the aggregate's own state equals the read models' rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.domain.deciding import Decider, Envelope
from leadflow.domain.lead import Lead
from leadflow.domain.policy import default_policy
from leadflow.domain.stages import STEPS
from leadflow.domain.values import ContactChannel, Phase
from leadflow.errors import Refused
from leadflow_projections.moments import microseconds
from leadflow_projections.rest import fold
from leadflow_projections.sales_queue import SALES_QUEUE
from leadflow_projections.stage_board import STAGE_BOARD
from tests.property.histories import BEGIN, LEADS, examples, histories, log_of

EXAMPLES = examples(3)


def us(moment: datetime | None) -> int | None:
    return None if moment is None else microseconds(moment)


def board_of(lead: Lead) -> dict[str, Any]:
    """What the board's row should say of a lead."""
    steps, phases = list(STEPS), list(Phase)
    return {
        "stage": lead.stage,
        "since": us(lead.stage_since),
        "furthest": None if lead.furthest_stage is None else steps.index(lead.furthest_stage),
        "cycle": lead.cycle,
        "phase": None if lead.phase is None else phases.index(lead.phase),
        "points": lead.points,
        "points_by_day": {str(day): points for day, points in lead.points_by_day.items()},
        "lifetime_points": lead.lifetime_points,
        "confirmed_at": us(lead.confirmed_at),
        "tier": lead.tier,
        "target": lead.target,
        "owner": lead.owner,
        "lease_until": us(lead.lease_until),
        "revenue": lead.revenue,
        "captured": None if lead.captured_at is None else us(lead.captured_at),
        "merged_into": None if lead.merged_into is None else str(lead.merged_into),
        "erased": lead.erased or None,
    }


def queue_of(lead: Lead) -> dict[str, Any]:
    """What the queue's row should say of a lead."""
    permissions = {
        f"permission_{channel.value}": lead.permissions.get(channel) for channel in ContactChannel
    }
    return permissions | {
        "stage": lead.stage,
        "points": lead.points,
        "ready_since": us(lead.ready_since),
        "response_due": us(lead.response_due),
        "claimed_by": lead.claimed_by,
        "lease_until": us(lead.lease_until),
        "contacted_at": us(lead.last_contact_at),
        "handed_over_at": us(lead.handed_over_at),
    }


def check(history: Sequence[e.LeadEvent]) -> None:
    board, queue = fold([*STAGE_BOARD.tables, *SALES_QUEUE.tables], log_of(history))
    rows = {row["lead_id"]: row for row in board.to_pylist()}
    queued = {row["lead_id"]: row for row in queue.to_pylist()}
    present = {event.originator_id for event in history}
    assert set(rows) == set(queued) == {str(lead) for lead in present}
    for lead_id in present:
        lead = Lead.replay(lead_id, [e for e in history if e.originator_id == lead_id])
        row = rows[str(lead_id)]
        for name in ("points_by_day", "revenue"):
            row[name] = json.loads(row[name])
        if row["captured"] is not None:
            row["captured"] //= 4  # the lowest two bits are its time basis
        expected = board_of(lead)
        assert {name: row[name] for name in expected} == expected
        expected = queue_of(lead)
        assert {name: queued[str(lead_id)][name] for name in expected} == expected


@given(history=histories())
@EXAMPLES
def test_whatever_was_stamped(history: list[e.LeadEvent]) -> None:
    check(history)


_commands: st.SearchStrategy[tuple[type[e.LeadEvent], dict[str, Any]]] = st.sampled_from(
    [
        (e.Captured, {"source": "fair", "sales_type": "net"}),
        (e.Captured, {"consents": [{"channel": "email"}]}),
        (e.Enriched, {"fields": {"employees": {"value": 120}}}),
        (e.Engaged, {"kind": "trial_requested"}),
        (e.Engaged, {"kind": "presentation_requested"}),
        (e.Engaged, {"kind": "newsletter", "consents": [{"channel": "phone"}]}),
        (e.Qualified, {"tier": "SQL", "target": True}),
        (e.Qualified, {"target": False}),
        (e.Disqualified, {"reason": "non_target"}),
        (e.Nurtured, {"programme": "welcome"}),
        (e.BecameSalesReady, {"override": True}),
        (e.Claimed, {"owner": "ada"}),
        (e.Released, {}),
        (e.HandedOver, {"to_owner": "bob", "override": True}),
        (e.Accepted, {"by": "eve"}),
        (e.Returned, {"reason": "no budget"}),
        (e.Contacted, {"channel": "phone"}),
        (e.OfferMade, {"offer_id": "o-1", "amount": {"minor": 990_00, "currency": "EUR"}}),
        (e.OfferAccepted, {"offer_id": "o-1"}),
        (e.OfferDeclined, {"offer_id": "o-1"}),
        (e.Purchased, {"order_id": "p-1", "amount": {"minor": 990_00, "currency": "EUR"}}),
        (e.Refunded, {"order_id": "p-1", "amount": {"minor": 90_00, "currency": "EUR"}}),
        (e.Lost, {"reason": "price"}),
        (e.Reopened, {"reason": "new budget"}),
        (e.ConsentGiven, {"channel": "sms"}),
        (e.ConsentWithdrawn, {"channel": "email"}),
    ]
)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(LEADS[:2]), _commands, st.booleans(), st.integers(0, 3000)),
        max_size=40,
    )
)
@EXAMPLES
def test_whatever_was_commanded_or_is_fact(
    steps: list[tuple[UUID, tuple[type[e.LeadEvent], dict[str, Any]], bool, int]],
) -> None:
    history: list[e.LeadEvent] = []
    leads = {lead_id: Lead.unknown(lead_id) for lead_id in LEADS}
    now = BEGIN
    for lead_id, (event, fields), is_fact, minutes in steps:
        now += timedelta(minutes=minutes)
        decider = Decider(leads[lead_id], default_policy(), now)
        envelope = Envelope(occurred_at=now.astimezone(UTC))
        with suppress(Refused):
            if is_fact:
                decider.fact(event, fields, envelope, score=True)
            else:
                decider.command(event, fields, envelope)
        pending: list[Any] = leads[lead_id].pending_events
        history.extend(pending)
        pending.clear()
    if history:
        check(history)
