"""Reading read models: types, conditions, merged persons, the queue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from leadflow import Leadflow
from leadflow.errors import InvalidInput
from leadflow_projections.queue_reading import read_queue
from leadflow_projections.reading import open_amounts, read_model
from leadflow_projections.runtime import run

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


def project(leads: Leadflow) -> None:
    run(leads.store, once=True)


def test_rows_have_python_types(leads: Leadflow) -> None:
    leads.capture(lead="shop:1", source="fair", occurred_at=NOON)
    leads.qualify("shop:1", target=True, tier="SQL", occurred_at=NOON + timedelta(hours=1))
    leads.offer("shop:1", offer_id="o-1", amount={"minor": 990_00, "currency": "EUR"})
    leads.offer("shop:1", offer_id="o-2", amount={"minor": 10_00, "currency": "EUR"})
    leads.decline_offer("shop:1", offer_id="o-2")
    leads.purchase("shop:1", order_id="p-1", amount={"minor": 5_00, "currency": "USD"})
    project(leads)
    read = read_model(leads.store, "stage_board")
    [row] = read.rows
    assert read.position == leads.store.head().position
    assert row["lead_id"] == leads.resolve("shop:1")
    assert row["stage"] == row["furthest"] == "customer"
    assert row["captured_at"] == NOON
    assert row["captured_basis"] == "exact"
    assert row["revenue"] == {"USD": 5_00}
    assert open_amounts(row["offers"]) == {"EUR": 990_00}
    assert row["target"] is True
    assert row["erased"] is False
    assert row["points_by_day"] == {
        str(day): points for day, points in leads.get("shop:1").points_by_day.items()
    }


def test_conditions_are_checked_and_read_as_the_column_is(leads: Leadflow) -> None:
    leads.capture(lead="shop:1", source="fair", occurred_at=NOON)
    leads.capture(lead="shop:2", occurred_at=NOON)
    leads.qualify("shop:2", target=True)
    project(leads)

    def found(**where: str | None) -> set[UUID]:
        rows = read_model(leads.store, "stage_board", where=where).rows
        return {row["lead_id"] for row in rows}

    one, two = leads.resolve("shop:1"), leads.resolve("shop:2")
    assert found(source="fair") == {one}
    assert found(source=None) == {two}
    assert found(target="true") == {two}
    assert found(cycle="1", stage="captured") == {one}
    assert found(captured_at=NOON.isoformat()) == {one, two}
    assert found(lead_id=str(two)) == {two}
    with pytest.raises(InvalidInput, match="no column 'sorce'") as caught:
        found(sorce="fair")
    assert caught.value.hint == "did you mean source?"
    with pytest.raises(InvalidInput, match="'maybe' is not"):
        found(target="maybe")


def test_merged_leads_are_one_person_until_they_are_unmerged(leads: Leadflow) -> None:
    leads.capture(lead="shop:1", source="fair", occurred_at=NOON)
    leads.capture(lead="shop:2", source="web", occurred_at=NOON - timedelta(days=3))
    leads.purchase("shop:1", order_id="p-1", amount={"minor": 5_00, "currency": "EUR"})
    leads.purchase("shop:2", order_id="p-2", amount={"minor": 7_00, "currency": "EUR"})
    leads.merge("shop:1", "shop:2", keep="shop:1")
    project(leads)
    one, two = leads.resolve("shop:1"), leads.resolve("shop:2")
    [row] = read_model(leads.store, "stage_board").rows
    assert row["lead_id"] == one
    assert row["revenue"] == {"EUR": 12_00}
    assert row["captured_at"] == NOON - timedelta(days=3), "first entries take the earliest"
    assert row["merged_into"] is None
    [cycle] = read_model(leads.store, "conversion").rows
    assert (cycle["captured_visits"], cycle["customer_visits"]) == (2, 2)
    assert cycle["captured_at"] == NOON - timedelta(days=3)
    apart = read_model(leads.store, "stage_board", by_person=False).rows
    assert {row["lead_id"]: row["merged_into"] for row in apart} == {one: None, two: one}
    assert len(read_model(leads.store, "stage_board", where={"stage": "customer"}).rows) == 1

    leads.unmerge("shop:2")
    project(leads)
    rows = {row["lead_id"]: row for row in read_model(leads.store, "stage_board").rows}
    assert rows[one]["revenue"] == {"EUR": 5_00}
    assert rows[two]["revenue"] == {"EUR": 7_00}
    assert len(read_model(leads.store, "conversion").rows) == 2


def test_the_queue_says_who_is_next_and_why(leads: Leadflow) -> None:
    now = leads.store.now()
    for number in (1, 2, 3):
        leads.capture(
            lead=f"shop:{number}",
            occurred_at=now - timedelta(days=1),
            consents=[{"channel": "email"}],
        )
    leads.score("shop:2", points=40, reason="asked for a price")
    leads.score("shop:1", points=80, reason="asked for a price twice")
    leads.make_sales_ready("shop:1", override=True)
    leads.make_sales_ready("shop:2", override=True)
    leads.claim("shop:2", owner="ada")
    leads.withdraw_consent("shop:2", channel="phone")
    project(leads)
    policy = leads.policy()
    first, second = read_queue(leads.store, policy)
    assert (first.lead_id, first.rank) == (leads.resolve("shop:1"), 1)
    assert (second.lead_id, second.rank) == (leads.resolve("shop:2"), 2)
    assert second.owner == "ada"
    assert second.lease_until is not None
    assert "phone" not in second.channels
    assert "email" in second.channels
    assert {"reason": "asked for a price", "points": 40}.items() <= dict(second.why[0]).items()
    assert "lead.became_sales_ready" in {event["event"] for event in second.why}
    assert sum(event.get("points", 0) for event in second.why) == second.score
    data = second.as_data()
    assert data.keys() >= {
        *("rank", "lead_id", "score", "temperature", "ready_since", "waiting_seconds"),
        *("overdue", "owner", "lease_until", "channels", "why"),
    }
    assert data["score"] == leads.get("shop:2").points
    later = second.lease_until + timedelta(seconds=1)
    expired = next(
        entry for entry in read_queue(leads.store, policy, later) if entry.lead_id == second.lead_id
    )
    assert expired.owner is None
    [head] = read_queue(leads.store, policy, limit=1)
    assert head.lead_id == first.lead_id


def test_the_queue_hides_erased_leads_and_those_that_went_on(leads: Leadflow) -> None:
    for number in (1, 2, 3):
        leads.capture(lead=f"shop:{number}")
        leads.make_sales_ready(f"shop:{number}", override=True)
    leads.erase("shop:1")
    leads.hand_over("shop:2", to_owner="bob")
    project(leads)
    queue = read_queue(leads.store, leads.policy())
    assert [entry.lead_id for entry in queue] == [leads.resolve("shop:3")]
    assert len(read_model(leads.store, "stage_board").rows) == 3, "an erased lead still counts"
