"""Each rule of a command, by name; and that a fact which breaks it is stamped with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.domain.values import TimeBasis
from leadflow.errors import InvalidInput
from leadflow.testing import Scenario, Step, given, step

EUR = {"minor": 100, "currency": "EUR"}
CAPTURED = step(e.Captured, source="fair")
READY = step(e.BecameSalesReady, override=True)
HANDED_OVER = step(e.HandedOver, to_owner="ann")
OFFER = step(e.OfferMade, offer_id="o1", amount=EUR)
BOUGHT = step(e.Purchased, order_id="r1", amount=EUR)

REFUSED: list[tuple[str, list[Step], Step]] = [
    ("nothing_to_add", [CAPTURED], step(e.Enriched)),
    (
        "nothing_to_add",
        [CAPTURED, step(e.Enriched, dimensions={"a": "b"})],
        step(e.Enriched, dimensions={"a": "b"}),
    ),
    ("nothing_to_add", [CAPTURED], step(e.Qualified)),
    ("no_reason", [CAPTURED], step(e.Disqualified)),
    ("no_reason", [CAPTURED], step(e.Lost)),
    ("no_reason", [CAPTURED, READY, HANDED_OVER], step(e.Returned)),
    ("no_reason", [CAPTURED, step(e.Lost, reason="price")], step(e.Reopened)),
    ("already_sales_ready", [CAPTURED, READY], READY),
    ("not_hot", [CAPTURED], step(e.BecameSalesReady)),
    (
        "nothing_new",
        [CAPTURED, READY, HANDED_OVER, step(e.Returned, reason="too early")],
        READY,
    ),
    (
        "claimed_by_other",
        [CAPTURED, READY, step(e.Claimed, owner="ann")],
        step(e.Claimed, owner="bea"),
    ),
    ("not_claimed", [CAPTURED, READY], step(e.Released)),
    (
        "claimed_by_other",
        [CAPTURED, READY, step(e.Claimed, owner="ann")],
        step(e.HandedOver, to_owner="bea"),
    ),
    ("not_sales_ready", [CAPTURED], HANDED_OVER),
    ("offer_known", [CAPTURED, OFFER], OFFER),
    ("offer_not_open", [CAPTURED, OFFER], step(e.OfferAccepted, offer_id="other")),
    (
        "offer_not_open",
        [CAPTURED, OFFER, step(e.OfferDeclined, offer_id="o1")],
        step(e.OfferAccepted, offer_id="o1"),
    ),
    ("order_known", [CAPTURED, BOUGHT], BOUGHT),
    ("order_unknown", [CAPTURED], step(e.Refunded, order_id="r1", amount=EUR)),
    (
        "refund_too_high",
        [CAPTURED, BOUGHT],
        step(e.Refunded, order_id="r1", amount={"minor": 101, "currency": "EUR"}),
    ),
    (
        "other_currency",
        [CAPTURED, BOUGHT],
        step(e.Refunded, order_id="r1", amount={"minor": 1, "currency": "USD"}),
    ),
    (
        "consent_withdrawn",
        [CAPTURED, step(e.ConsentWithdrawn, channel="phone")],
        step(e.Contacted, channel="phone"),
    ),
    ("is_lost", [CAPTURED, step(e.Lost, reason="price")], BOUGHT),
    ("is_customer", [CAPTURED, BOUGHT], step(e.Lost, reason="price")),
    ("is_disqualified", [CAPTURED, step(e.Disqualified, reason="test")], HANDED_OVER),
    ("not_captured", [], HANDED_OVER),
    ("not_captured", [step(e.Engaged, kind="visit")], step(e.Nurtured)),
]


@pytest.mark.parametrize(("rule", "past", "command"), REFUSED, ids=lambda x: str(x)[:40])
def test_a_command_is_refused_by_name(rule: str, past: list[Step], command: Step) -> None:
    scenario = given(*past)
    version = scenario.lead.version
    scenario.when(command).then_refused(rule)
    assert scenario.lead.version == version
    assert scenario.lead.pending_events == []


RULES_FOR_PEOPLE = {"nothing_to_add", "no_reason", "not_hot", "not_sales_ready"}


@pytest.mark.parametrize(("rule", "past", "command"), REFUSED, ids=lambda x: str(x)[:40])
def test_a_fact_is_recorded_and_stamped(rule: str, past: list[Step], command: Step) -> None:
    fact = given(*past).when_fact(command).recorded[0]
    assert (rule in fact.irregular) is (rule not in RULES_FOR_PEOPLE)


def test_a_claim_ends_by_itself_and_needs_no_event() -> None:
    scenario = given(CAPTURED, READY, step(e.Claimed, owner="ann"))
    later = scenario.now + timedelta(hours=5)
    scenario.when(step(e.Claimed, owner="bea", at=later)).then_lead(owner="bea")


def test_the_same_owner_may_claim_again() -> None:
    given(CAPTURED, READY, step(e.Claimed, owner="ann")).when(step(e.Claimed, owner="ann")).then(
        step(e.Claimed, owner="ann")
    )


def test_an_inbound_call_needs_no_consent() -> None:
    given(CAPTURED, step(e.ConsentWithdrawn, channel="phone")).when(
        step(e.Contacted, channel="phone", direction="inbound")
    ).then(step(e.Contacted))


def test_a_fact_before_capture_is_kept_and_flagged() -> None:
    captured = step(e.Captured, at="2018-03-05", time_basis=TimeBasis.DAY)
    early = step(e.Purchased, order_id="r1", at="2018-03-03T19:40:00+00:00")
    (bought,) = Scenario().given_facts(captured).when_fact(early).recorded
    assert bought.irregular == ("before_capture",)
    assert bought.entered is Stage.CUSTOMER


def test_a_purchase_after_a_loss_is_irregular_and_counts() -> None:
    scenario = given(CAPTURED, step(e.Lost, reason="price")).when_fact(BOUGHT)
    assert scenario.recorded[0].irregular == ("is_lost",)
    scenario.then_lead(stage=Stage.CUSTOMER, revenue={"EUR": 100})


def test_a_lead_known_only_by_a_purchase_is_a_customer() -> None:
    scenario = Scenario().when_fact(BOUGHT)
    assert scenario.recorded[0].irregular == ("not_captured",)
    scenario.then_lead(stage=Stage.CUSTOMER, captured=False, cycle=1)


WRONG: list[tuple[type[e.LeadEvent], dict[str, Any], str]] = [
    (e.Engaged, {"kind": "downlod"}, "lead.engaged: kind: unknown engagement 'downlod'"),
    (e.Engaged, {"kind": "visit", "cnt": 2}, "no field 'cnt'; did you mean 'count'"),
    (e.Engaged, {"kind": "visit", "count": 0}, "lead.engaged: count"),
    (e.Engaged, {}, "lead.engaged: kind: is missing"),
    (e.Engaged, {"kind": "visit", "confirms": True}, "no field 'confirms'"),
    (e.Captured, {"cycle": 3}, "no field 'cycle'"),
    (e.Captured, {"sales_type": "nett"}, "lead.captured: sales_type"),
    (e.Captured, {"personal": {"e_mail": "a@b.example"}}, "personal.e_mail: is not a field here"),
    (e.Captured, {"external_ids": ["4711"]}, "no external id; write SYSTEM:ID"),
    (
        e.Purchased,
        {"order_id": "1", "amount": {"minor": 1, "currency": "EURO"}},
        "'EURO' is no ISO",
    ),
    (e.Purchased, {"order_id": "1", "amount": {"minor": 1.5, "currency": "EUR"}}, "amount.minor"),
    (e.Contacted, {"channel": "fax"}, "lead.contacted: channel"),
]


@pytest.mark.parametrize(("event", "fields", "message"), WRONG, ids=lambda x: str(x)[:40])
def test_wrong_fields_are_named(
    event: type[e.LeadEvent], fields: dict[str, Any], message: str
) -> None:
    scenario = given(CAPTURED) if event is not e.Captured else Scenario()
    version = scenario.lead.version
    with pytest.raises(InvalidInput) as caught:
        scenario.when(step(event, **fields))
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert scenario.lead.version == version


def test_a_moment_without_a_zone_is_refused() -> None:
    naive = step(e.Captured, at=datetime(2026, 1, 1))  # noqa: DTZ001 - that is what it is about
    with pytest.raises(InvalidInput, match="has no time zone"):
        Scenario().when(naive)


def test_moments_are_kept_in_utc() -> None:
    (captured,) = Scenario().when(step(e.Captured, at="2026-01-01T01:30:00+02:00")).recorded
    assert captured.occurred_at == datetime(2025, 12, 31, 23, 30, tzinfo=UTC)
    assert captured.occurred_at.tzinfo is UTC
