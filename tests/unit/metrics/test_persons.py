"""Merged persons: two before the merge, one after it, two again when it is undone."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.metrics.histories import History, at, by_value, outcomes, reached


@pytest.fixture
def twins(history: History) -> History:
    """Two leads that turn out to be one person on the tenth of January."""
    history("a", "captured", "2026-01-02", source="fair")
    history("a", "qualified", "2026-01-05")
    history("b", "captured", "2026-01-01", source="email")
    history("b", "handed_over", "2026-01-06")
    history.leads.merge("test:b", "test:a", keep="test:a", occurred_at=at("2026-01-10"))
    return history


def test_cycles_of_one_number_count_as_one_and_their_steps_merge(twins: History) -> None:
    funnel = twins.funnel(list_leads=True)
    assert reached(funnel)["captured"] == 1
    assert outcomes(funnel)["handed_over"] == (0, 0, 0, 1)
    assert funnel.whole.leads == 1
    captured = funnel.whole.steps[0].behind
    assert captured is not None
    assert captured[0].lead_id == twins.leads.resolve("test:a")
    assert captured[0].reached_at.day == 1  # the earlier of the two


def test_before_the_merge_there_were_two(twins: History) -> None:
    assert reached(twins.funnel(as_of="2026-01-09"))["captured"] == 2
    assert reached(twins.funnel(as_of="2026-01-10"))["captured"] == 1
    assert by_value(twins.funnel(as_of="2026-01-09", by="source")) == {
        "fair": (1, 0),
        "email": (1, 0),
    }


def test_undoing_a_merge_loses_nothing(twins: History) -> None:
    twins("a", "purchased", "2026-01-11")
    assert reached(twins.funnel())["customer"] == 1
    twins.leads.unmerge("test:b", occurred_at=at("2026-01-12"))
    funnel = twins.funnel()
    assert (reached(funnel)["captured"], reached(funnel)["customer"]) == (2, 1)


def test_a_survivor_may_be_merged_in_its_turn(twins: History) -> None:
    twins("c", "captured", "2026-01-03")
    twins.leads.merge("test:a", "test:c", keep="test:c", occurred_at=at("2026-01-11"))
    assert reached(twins.funnel())["captured"] == 1
    assert reached(twins.funnel(as_of="2026-01-10"))["captured"] == 2


def test_cycles_of_another_number_stay_another_cycle(twins: History) -> None:
    twins("a", "lost", "2026-01-20")
    twins("a", "reopened", "2026-02-01")
    funnel = twins.funnel()
    assert (funnel.whole.steps[0].reached, funnel.whole.leads) == (2, 1)


def test_of_two_exits_of_a_person_the_later_one_counts(history: History) -> None:
    for lead, event in (("a", "lost"), ("b", "disqualified")):
        history(lead, "captured", "2026-01-01")
        history(lead, event, "2026-01-05" if lead == "a" else "2026-01-08")
    history.leads.merge("test:a", "test:b", keep="test:b", occurred_at=at("2026-01-09"))
    history("a", "purchased", "2026-01-20")
    window: dict[str, Any] = {"within": timedelta(days=10), "as_of": "2026-01-31"}
    assert outcomes(history.funnel(**window))["captured"] == (0, 0, 1, 0)
    assert outcomes(history.funnel(as_of="2026-01-31"))["captured"] == (1, 0, 0, 0)
    early: dict[str, Any] = {"within": timedelta(days=5), "as_of": "2026-01-31"}
    assert outcomes(history.funnel(**early))["captured"] == (0, 1, 0, 0)
