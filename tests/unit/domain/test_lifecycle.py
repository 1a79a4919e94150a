"""What a lead's past makes of it: cycles, returns, scoring, tiers, consent, merging."""

from __future__ import annotations

from datetime import timedelta

import pytest

from leadflow.domain import events as e
from leadflow.domain.deciding import Decider, Envelope, merge, unmerge
from leadflow.domain.identity import lead_id_for
from leadflow.domain.policy import load_policy
from leadflow.domain.stages import Stage
from leadflow.domain.temperature import decayed_score, temperature
from leadflow.domain.values import ContactChannel, Permission, Phase, Temperature, Tier
from leadflow.errors import Refused
from leadflow.testing import Scenario, Step, given, step

EUR = {"minor": 5_000, "currency": "EUR"}
CAPTURED = step(e.Captured, source="fair", channel="fair")
TRIAL = step(e.Engaged, kind="trial_requested")
PRESENTATION = step(e.Engaged, kind="presentation_requested")
OFFER_REQUEST = step(e.Engaged, kind="offer_requested")
HANDED_OVER = step(e.HandedOver, to_owner="ann")
RETURNED = step(e.Returned, reason="too early")
BOUGHT = step(e.Purchased, order_id="r1", amount=EUR)


def test_an_engagement_gives_points_that_name_their_cause() -> None:
    scenario = given(CAPTURED).when(step(e.Engaged, kind="webinar", at="2026-01-06T10:00:00Z"))
    engaged, scored, _ = scenario.recorded
    assert isinstance(scored, e.Scored)
    assert scored.cause == engaged.event_id
    assert scored.causation_id == str(engaged.event_id)
    assert scored.occurred_at == engaged.occurred_at
    assert (scored.points, scored.rule, scored.policy) == (12, "webinar", scenario.policy.hash)


def test_the_score_is_the_sum_of_its_points() -> None:
    scenario = given(CAPTURED, TRIAL, step(e.Scored, points=-7, reason="wrong number"))
    assert scenario.lead.points == 23 == sum(scenario.lead.points_by_day.values())


def test_confirmed_interest_makes_hot_whatever_the_score() -> None:
    scenario = given(CAPTURED, TRIAL).when(PRESENTATION)
    made = [type(event) for event in scenario.recorded]
    assert made == [e.Engaged, e.Scored, e.BecameSalesReady]
    ready = scenario.recorded[-1]
    assert isinstance(ready, e.BecameSalesReady)
    assert (ready.trigger, ready.score) == ("confirmed_interest", 60)
    assert scenario.lead.points < scenario.policy.thresholds.hot


@pytest.mark.parametrize(("days", "confirmed"), [(0, False), (1, True), (29, True), (30, False)])
def test_one_kind_confirms_only_on_different_days_within_the_window(
    days: int, confirmed: bool
) -> None:
    scenario = given(CAPTURED, step(e.Engaged, kind="trial_requested", at="2026-01-06T10:00:00Z"))
    again = scenario.now + timedelta(days=days, minutes=5)
    scenario.when(step(e.Engaged, kind="trial_requested", at=again))
    engaged = scenario.recorded[0]
    assert isinstance(engaged, e.Engaged)
    assert engaged.confirms is confirmed


def test_sales_ready_fires_once_and_not_behind_the_queue() -> None:
    scenario = given(CAPTURED, TRIAL, PRESENTATION, HANDED_OVER).when(OFFER_REQUEST)
    assert e.BecameSalesReady not in [type(event) for event in scenario.recorded]
    scenario.then_lead(stage=Stage.HANDED_OVER)


def test_after_a_return_only_what_came_since_counts() -> None:
    scenario = given(CAPTURED, TRIAL, PRESENTATION, HANDED_OVER, RETURNED)
    scenario.then_lead(stage=Stage.NURTURING, owner=None, furthest_stage=Stage.HANDED_OVER)
    scenario.when(step(e.Engaged, kind="webinar")).then_lead(stage=Stage.NURTURING)
    scenario.when(TRIAL).then_lead(stage=Stage.NURTURING)
    scenario.when(OFFER_REQUEST).then_lead(stage=Stage.SALES_READY)
    assert scenario.recorded[-1].visit == 2
    assert scenario.recorded[-1].left is Stage.NURTURING


def test_tiers_rise_by_engagement_and_to_sql_when_hot_and_target() -> None:
    scenario = given(CAPTURED, step(e.Engaged, kind="download")).then_lead(tier=Tier.IQL)
    scenario.given(step(e.Engaged, kind="webinar")).then_lead(tier=Tier.MQL)
    scenario.given(step(e.Engaged, kind="newsletter")).then_lead(tier=Tier.MQL)
    scenario.given(step(e.Qualified, target=True)).then_lead(stage=Stage.QUALIFIED)
    scenario.given(TRIAL, PRESENTATION).then_lead(tier=Tier.SQL, stage=Stage.SALES_READY)


def test_a_tier_alone_does_not_qualify() -> None:
    given(CAPTURED, step(e.Qualified, tier="MQL")).then_lead(stage=Stage.CAPTURED, tier=Tier.MQL)


def test_the_phase_is_that_of_the_furthest_engagement_in_the_cycle() -> None:
    scenario = given(CAPTURED, step(e.Engaged, kind="competitor_compared"))
    scenario.given(step(e.Engaged, kind="download")).then_lead(phase=Phase.LATE)
    scenario.given(step(e.Lost, reason="price"), step(e.Reopened, reason="called"))
    scenario.then_lead(phase=None, cycle=2, points=0, lifetime_points=23)


def test_a_further_capture_is_an_application_with_its_own_source() -> None:
    scenario = given(CAPTURED).when(step(e.Captured, source="paid_search", campaign="spring"))
    engaged = scenario.recorded[0]
    assert isinstance(engaged, e.Engaged)
    assert (engaged.kind, engaged.source, engaged.campaign) == (
        "application",
        "paid_search",
        "spring",
    )
    scenario.then_lead(source="fair", cycle=1)


@pytest.mark.parametrize("end", [step(e.Lost, reason="price"), BOUGHT])
def test_a_further_capture_reopens_what_was_closed(end: Step) -> None:
    scenario = given(CAPTURED, end).when(step(e.Captured, source="email"))
    reopened, engaged = scenario.recorded[:2]
    assert isinstance(reopened, e.Reopened)
    assert (reopened.cycle, reopened.visit, engaged.cycle) == (2, 1, 2)
    scenario.then_lead(stage=Stage.NURTURING, cycle=2)


def test_revenue_is_net_of_refunds_and_keeps_currencies_apart() -> None:
    given(
        CAPTURED,
        BOUGHT,
        step(e.Purchased, order_id="r2", amount={"minor": 300, "currency": "JPY"}),
        step(e.Refunded, order_id="r1", amount={"minor": 1_000, "currency": "EUR"}),
    ).then_lead(revenue={"EUR": 4_000, "JPY": 300})


def test_consent_is_the_strictest_over_all_purposes() -> None:
    phone = ContactChannel.PHONE
    scenario = given(step(e.Captured, consents=[{"channel": "phone", "purpose": "sales"}]))
    scenario.then_lead(permissions={phone: Permission.GIVEN})
    scenario.given(step(e.ConsentWithdrawn, channel="phone", purpose="marketing"))
    scenario.then_lead(permissions={phone: Permission.WITHDRAWN})
    scenario.given(step(e.ConsentGiven, channel="phone", purpose="sales"))
    scenario.then_lead(permissions={phone: Permission.WITHDRAWN})
    scenario.given(step(e.ConsentGiven, channel="phone", purpose="marketing"))
    scenario.then_lead(permissions={phone: Permission.GIVEN})


def test_an_objection_needs_no_prior_consent_and_no_capture() -> None:
    Scenario().when(step(e.ConsentWithdrawn, channel="email")).then(
        step(e.ConsentWithdrawn), step(e.Scored, points=-20)
    )


def test_a_landing_pages_query_is_personal() -> None:
    page = "https://shop.example/start?email=ada%40example.org"
    (captured,) = Scenario().when(step(e.Captured, landing_page=page)).recorded[:1]
    assert isinstance(captured, e.Captured)
    assert captured.landing_page == "https://shop.example/start"
    assert captured.personal is not None
    assert captured.personal.url_query == "email=ada%40example.org"


def pair() -> tuple[Scenario, Scenario]:
    one, two = given(CAPTURED), given(CAPTURED, lead_id=lead_id_for("test:other"))
    return one, two


def decider(scenario: Scenario) -> Decider:
    return Decider(scenario.lead, scenario.policy, scenario.now)


def test_merging_stamps_the_stricter_consent_and_unmerging_parts_them() -> None:
    survivor, loser = pair()
    survivor.given(step(e.ConsentGiven, channel="email"), step(e.ConsentGiven, channel="phone"))
    loser.given(step(e.ConsentWithdrawn, channel="email"))
    envelope = Envelope(survivor.now)
    merge(decider(survivor), decider(loser), envelope)
    assert loser.lead.merged_into == survivor.lead.id
    assert survivor.lead.permissions == {
        ContactChannel.EMAIL: Permission.WITHDRAWN,
        ContactChannel.PHONE: Permission.GIVEN,
    }
    with pytest.raises(Refused) as again:
        merge(decider(survivor), decider(loser), envelope)
    assert again.value.rule == "already_merged"
    unmerge(decider(survivor), decider(loser), envelope)
    assert loser.lead.merged_into is None
    assert not survivor.lead.absorbed


def test_decay_halves_by_whole_days_and_leaves_the_score_alone() -> None:
    scenario = given(step(e.Captured, at="2026-01-05T09:00:00Z"))
    scenario.given(step(e.Scored, points=80, reason="by hand", at="2026-01-05T23:59:59Z"))
    lead, policy = scenario.lead, scenario.policy
    assert policy.half_life_days == 30
    moments = {0: Temperature.HOT, 30: Temperature.WARM, 60: Temperature.COLD}
    for days, heat in moments.items():
        moment = scenario.now + timedelta(days=days)
        assert decayed_score(lead.points_by_day, moment, 30) == 80 / 2 ** (days / 30)
        assert temperature(lead.points_by_day, moment, policy) is heat
    assert lead.points == 80


POLICY = """
name = "test"
[thresholds]
warm = 5
hot = 50
[[target]]
field = "company_size"
condition = { at_least = 50 }
[[rules]]
name = "once"
event = "lead.engaged"
where = { kind = "download" }
points = 10
per = "once"
[[rules]]
name = "daily"
event = "lead.engaged"
where = { kind = "visit" }
points = 3
per = "day"
cap = 5
[[rules]]
name = "counted"
event = "lead.engaged"
where = { kind = "pricing_viewed", asset = ["a", "b"] }
points = 2
[[rules]]
name = "big"
event = "lead.enriched"
where = { "fields.company_size" = { at_least = 100 } }
points = 20
dimension = "fit"
"""


def test_rules_count_once_by_day_by_event_and_to_their_cap() -> None:
    scenario = Scenario(policy=load_policy(POLICY)).given(CAPTURED)
    download = step(e.Engaged, kind="download")
    scenario.given(download, download).then_lead(points=10)
    for day, points in (("06", 13), ("06", 13), ("07", 15), ("08", 15)):
        scenario.given(step(e.Engaged, kind="visit", at=f"2026-01-{day}T10:00:00Z"))
        scenario.then_lead(points=points)
    scenario.given(step(e.Engaged, kind="pricing_viewed", asset="a", count=3)).then_lead(points=21)
    scenario.given(step(e.Engaged, kind="pricing_viewed", asset="z")).then_lead(points=21)


def enriched(size: int, *, after_outcome: bool = False) -> Step:
    known = ("company_size",) if after_outcome else ()
    return step(e.Enriched, fields={"company_size": {"value": size}}, known_after_outcome=known)


def test_the_target_group_is_decided_by_the_policys_criteria() -> None:
    scenario = Scenario(policy=load_policy(POLICY)).given(CAPTURED)
    scenario.given(enriched(120)).then_lead(target=True, stage=Stage.QUALIFIED, points=20)
    other = Scenario(policy=load_policy(POLICY)).given(CAPTURED, enriched(10))
    other.then_lead(target=False, stage=Stage.ENRICHED, points=0)


def test_what_is_known_only_after_the_outcome_is_never_scored() -> None:
    scenario = Scenario(policy=load_policy(POLICY)).given(CAPTURED)
    scenario.given(enriched(500, after_outcome=True)).then_lead(target=None, points=0)


def test_facts_run_no_policy_unless_told() -> None:
    scenario = given(CAPTURED).when_fact(TRIAL).then(step(e.Engaged))
    scenario.when_fact(PRESENTATION, score=True)
    assert [type(event) for event in scenario.recorded][1] is e.Scored


def test_the_response_is_due_in_working_hours() -> None:
    friday_evening = "2026-01-09T16:00:00Z"
    scenario = given(CAPTURED, TRIAL).when(
        step(e.Engaged, kind="offer_requested", at=friday_evening)
    )
    ready = scenario.recorded[-1]
    assert isinstance(ready, e.BecameSalesReady)
    assert ready.response_due is not None
    assert ready.response_due.isoformat() == "2026-01-12T12:00:00+00:00"
