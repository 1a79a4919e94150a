"""Plans: the same plan always names the same leads, in parts that are told apart."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import pytest

from leadflow.domain.identity import lead_id_for
from leadflow_commands.generating.plan import ALL_IN_ORDER, COHORT, PART, Plan
from leadflow_commands.generating.spending import spends
from leadflow_commands.generating.world import SOURCES


def plan(leads: int = 500, seed: int = 1, days: int = 365) -> Plan:
    return Plan(leads, seed, days, date(2026, 1, 1))


@pytest.mark.parametrize("leads", [1, 99, 100, 101, ALL_IN_ORDER, ALL_IN_ORDER + 1, 8_250])
def test_every_lead_is_told_once(leads: int) -> None:
    windows = list(plan(leads).windows())
    numbers = [n for window in windows for part in window for n in part]

    assert numbers == list(range(leads))
    assert all(len(part) <= PART for window in windows for part in window)


def test_a_small_history_is_one_window_and_a_great_one_has_cohorts() -> None:
    assert len(list(plan(ALL_IN_ORDER).windows())) == 1
    assert len(list(plan(2 * ALL_IN_ORDER).windows())) == 2 * ALL_IN_ORDER // COHORT


@pytest.mark.parametrize("leads", [ALL_IN_ORDER, 2 * ALL_IN_ORDER])
def test_twins_stand_in_one_part(leads: int) -> None:
    for window in plan(leads).windows():
        for part in window:
            for number in part:
                twin = plan().twin_of(number)
                assert twin is None or twin in part


def test_a_lead_without_its_twin_is_single() -> None:
    assert plan(149).has_twin(148) is False
    assert plan(150).has_twin(148) is True


def test_ids_follow_from_seed_and_number() -> None:
    assert plan().lead_id(7) == lead_id_for("gen:1-000007")
    assert plan(seed=2).lead_id(7) != plan().lead_id(7)
    assert plan(seed=2).id_of("done") != plan().id_of("done")


def test_spends_cover_every_day_once() -> None:
    periods = sorted(
        (s["period"]["first"], s["period"]["last"])
        for s in spends(plan(days=100))
        if s["source"] == "paid_search"
    )

    assert periods[0][0] == "2025-09-23"
    assert periods[-1][1] == "2025-12-31"
    for (_, last), (first, _) in pairwise(periods):
        assert (date.fromisoformat(first) - date.fromisoformat(last)).days == 1


def test_only_sources_that_cost_something_are_spent_on() -> None:
    spent = {(s["source"], s["kind"]) for s in spends(plan())}

    assert ("referral", "media") not in spent
    assert ("events", "sales") in spent
    assert {source for source, _ in spent} <= {source.name for source in SOURCES}
    assert all(s["amount"]["minor"] > 0 for s in spends(plan()))
