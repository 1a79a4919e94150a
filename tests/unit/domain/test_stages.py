"""Every pair of stage and event, enumerated from the one table."""

from __future__ import annotations

from typing import Any

import pytest

from leadflow.domain import events as e
from leadflow.domain.stages import (
    COLUMNS,
    DESTINATION,
    EXITS,
    RANK,
    STEPS,
    TABLE,
    Effect,
    Stage,
    irregular_fact_moves,
)
from leadflow.errors import Refused
from leadflow.testing import Scenario, step

EUR = {"minor": 100, "currency": "EUR"}
HISTORY: dict[Stage | None, list[tuple[type[e.LeadEvent], dict[str, Any]]]] = {
    None: [],
    Stage.CAPTURED: [(e.Captured, {})],
}
HISTORY[Stage.ENRICHED] = [
    *HISTORY[Stage.CAPTURED],
    (e.Enriched, {"dimensions": {"industry": "trade"}}),
]
HISTORY[Stage.QUALIFIED] = [*HISTORY[Stage.ENRICHED], (e.Qualified, {"target": True})]
HISTORY[Stage.NURTURING] = [*HISTORY[Stage.QUALIFIED], (e.Nurtured, {"programme": "spring"})]
HISTORY[Stage.SALES_READY] = [
    *HISTORY[Stage.NURTURING],
    (e.BecameSalesReady, {"trigger": "by hand", "override": True}),
]
HISTORY[Stage.HANDED_OVER] = [*HISTORY[Stage.SALES_READY], (e.HandedOver, {"to_owner": "ann"})]
HISTORY[Stage.OFFERED] = [
    *HISTORY[Stage.HANDED_OVER],
    (e.OfferMade, {"offer_id": "open", "amount": EUR}),
]
HISTORY[Stage.CUSTOMER] = [
    *HISTORY[Stage.OFFERED],
    (e.Purchased, {"order_id": "paid", "amount": EUR}),
]
HISTORY[Stage.LOST] = [*HISTORY[Stage.OFFERED], (e.Lost, {"reason": "price"})]
HISTORY[Stage.DISQUALIFIED] = [*HISTORY[Stage.ENRICHED], (e.Disqualified, {"reason": "test"})]

FIELDS: dict[type[e.LeadEvent], dict[str, Any]] = {
    e.Enriched: {"dimensions": {"region": "north"}},
    e.Engaged: {"kind": "visit"},
    e.Scored: {"points": 1, "reason": "by hand"},
    e.Qualified: {"target": True, "tier": "MQL"},
    e.Disqualified: {"reason": "spam"},
    e.BecameSalesReady: {"override": True},
    e.Claimed: {"owner": "ann"},
    e.HandedOver: {"to_owner": "bea", "override": True},
    e.Returned: {"reason": "too early"},
    e.Contacted: {"channel": "phone"},
    e.OfferMade: {"offer_id": "another"},
    e.OfferAccepted: {"offer_id": "open"},
    e.OfferDeclined: {"offer_id": "open"},
    e.Purchased: {"order_id": "another"},
    e.Refunded: {"order_id": "paid", "amount": EUR},
    e.Lost: {"reason": "price"},
    e.Reopened: {"reason": "called again"},
    e.ConsentGiven: {"channel": "email"},
    e.ConsentWithdrawn: {"channel": "email"},
    e.Merged: {"other": "00000000-0000-4000-8000-000000000001", "survivor": True},
    e.Unmerged: {"other": "00000000-0000-4000-8000-000000000001", "survivor": True},
}
FURTHER_RULES = {"not_claimed", "order_unknown", "not_merged"}
"""Rules that look at more than the stage, and that these bare histories meet."""


def at(stage: Stage | None) -> Scenario:
    scenario = Scenario()
    return scenario.given(*(step(event, **fields) for event, fields in HISTORY[stage]))


def test_the_table_has_a_cell_for_every_event_and_stage() -> None:
    assert set(TABLE) == {(event.topic, stage) for event in e.LEAD_EVENTS for stage in COLUMNS}
    assert set(COLUMNS) == {None, *Stage}


@pytest.mark.parametrize("stage", COLUMNS, ids=str)
@pytest.mark.parametrize("event", e.LEAD_EVENTS, ids=lambda event: event.topic)
def test_a_command_does_what_the_table_says(event: type[e.LeadEvent], stage: Stage | None) -> None:
    scenario = at(stage)
    before = scenario.lead.version
    effect = TABLE[event.topic, stage]
    scenario.when(step(event, **FIELDS.get(event, {})))
    if scenario.refusal is not None:
        assert effect is Effect.REFUSED or scenario.refusal.rule in FURTHER_RULES
        assert (scenario.lead.stage, scenario.lead.version) == (stage, before)
        return
    assert effect is not Effect.REFUSED
    if event is e.Captured and stage is not None:
        _assert_recorded_as_application(scenario, stage)
    elif effect is Effect.ENTERS:
        assert scenario.recorded[0].entered is DESTINATION[event.topic]
        assert scenario.recorded[0].left is stage
        assert scenario.lead.stage is DESTINATION[event.topic]
    else:
        assert scenario.recorded[0].entered is None
        assert scenario.lead.stage is stage


def _assert_recorded_as_application(scenario: Scenario, stage: Stage) -> None:
    kinds = [type(event) for event in scenario.recorded]
    if stage in (Stage.LOST, Stage.CUSTOMER):
        assert kinds[:2] == [e.Reopened, e.Engaged]
        assert scenario.lead.cycle == 2
    else:
        assert kinds[0] is e.Engaged


@pytest.mark.parametrize("stage", COLUMNS, ids=str)
@pytest.mark.parametrize("event", e.LEAD_EVENTS, ids=lambda event: event.topic)
def test_a_fact_is_always_recorded_and_stamped_where_the_table_refuses(
    event: type[e.LeadEvent], stage: Stage | None
) -> None:
    scenario = at(stage)
    recorded = scenario.when_fact(step(event, **FIELDS.get(event, {}))).recorded
    assert recorded
    if TABLE[event.topic, stage] is Effect.REFUSED:
        assert recorded[0].irregular
        moved = recorded[0].entered is not None
        assert moved == irregular_fact_moves(event.topic, stage)


@pytest.mark.parametrize("stage", [*STEPS, *EXITS], ids=str)
@pytest.mark.parametrize("event", e.LEAD_EVENTS, ids=lambda event: event.topic)
def test_only_returned_and_reopened_enter_a_lower_stage(
    event: type[e.LeadEvent], stage: Stage
) -> None:
    scenario = at(stage)
    for recorded in scenario.when_fact(step(event, **FIELDS.get(event, {}))).recorded:
        entered = recorded.entered
        if entered in STEPS and stage in STEPS and RANK[entered] <= RANK[stage]:
            assert isinstance(recorded, (e.Returned, e.Reopened))


def test_an_erased_lead_takes_no_more_events() -> None:
    for event in e.LEAD_EVENTS:
        scenario = at(Stage.CAPTURED).given(step(e.Erased))
        scenario.when(step(event, **FIELDS.get(event, {}))).then_refused("erased")
        with pytest.raises(Refused, match="erased"):
            scenario.when_fact(step(event, **FIELDS.get(event, {})))
