"""Synthetic lives: believable, alive at their end, and the same for the same seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest

from leadflow.domain import events as e
from leadflow.domain.lead import Lead
from leadflow.domain.policy import default_policy
from leadflow.domain.stages import Stage
from leadflow_commands.generating.clock import Seasons, instant
from leadflow_commands.generating.life import Life
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.story import Teller
from leadflow_commands.generating.world import PRODUCER, SOURCES

LEADS = 1_500


def told(leads: int = LEADS, seed: int = 1) -> list[Life]:
    plan = Plan(leads, seed, 365, date(2026, 11, 20))
    seasons = Seasons(plan.until, plan.days)
    teller = Teller(default_policy(), plan.end)
    lives: list[Life] = []
    for number in range(leads):
        rng = plan.randomness(number)
        captured = seasons.moment(number / leads, rng)
        if plan.has_twin(number):
            ids = plan.lead_id(number), plan.lead_id(number + 1)
            lives += teller.twins(ids, rng, (captured, captured + 9_000), number)
        elif plan.twin_of(number) is None:
            lives.append(teller.single(plan.lead_id(number), rng, captured, number))
    return lives


@pytest.fixture(scope="module")
def lives() -> list[Life]:
    return told()


def plain(lives: Sequence[Life]) -> list[dict[str, Any]]:
    return [event.model_dump() for life in lives for event in life.history()]


def test_the_same_seed_tells_the_same_lives_ids_included() -> None:
    assert plain(told(60)) == plain(told(60))
    assert plain(told(60, seed=2)) != plain(told(60))


def test_a_lead_does_not_depend_on_how_many_there_are() -> None:
    few, many = told(20)[0].history(), told(40)[0].history()

    assert [type(event) for event in few[:3]] == [type(event) for event in many[:3]]
    assert few[0].event_id == many[0].event_id


def test_histories_are_whole_and_end_in_time(lives: list[Life]) -> None:
    for life in lives:
        history = life.history()
        assert [event.originator_version for event in history] == list(range(1, len(history) + 1))
        assert all(event.occurred_at <= instant(life.until) for event in history)
        assert all(event.producer == PRODUCER for event in history)
        assert not any(event.irregular for event in history)


def test_only_the_first_event_has_personal_data_and_none_of_it_is_real(lives: list[Life]) -> None:
    """So that a history that is interrupted and told again seals with one key."""
    for life in lives:
        first, *rest = life.history()
        assert isinstance(first, e.Captured)
        assert first.personal is not None
        assert (first.personal.email or "").endswith(".example")
        assert (first.personal.phone or "+441").startswith(("+441", "+442"))
        assert not any(event.personal for event in rest)
    addresses = [life.history()[0].personal for life in lives]
    assert len({personal.email for personal in addresses if personal}) == len(lives)


def test_everything_that_can_happen_to_a_lead_happens(lives: list[Life]) -> None:
    topics = Counter(event.topic for life in lives for event in life.history())
    never = {e.Unmerged.topic}  # the one thing that nobody does here

    assert {event.topic for event in e.LEAD_EVENTS} - topics.keys() == never
    assert 0 < topics[e.Merged.topic] <= 2 * (LEADS // 150)


def test_the_newest_leads_are_alive(lives: list[Life]) -> None:
    stages = Counter(life.stage for life in lives)

    assert set(stages) == set(Stage)
    assert stages[Stage.SALES_READY] >= 5
    waiting = [life.lead for life in lives if life.stage is Stage.SALES_READY]
    due = [lead.response_due for lead in waiting if lead.response_due]
    assert any(moment < instant(lives[0].until) for moment in due)  # some are overdue


def test_sources_differ_in_quality(lives: list[Life]) -> None:
    leads: Counter[str] = Counter()
    won: Counter[str] = Counter()
    for life in lives:
        leads[life.source.name] += 1
        won[life.source.name] += any(isinstance(x, e.Purchased) for x in life.history())

    assert set(leads) == {source.name for source in SOURCES}
    assert won["referral"] / leads["referral"] > 3 * won["social"] / leads["social"]
    assert 0.04 < sum(won.values()) / len(lives) < 0.16


def test_sales_people_differ_in_skill(lives: list[Life]) -> None:
    ends: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for life in lives:
        for event in life.history():
            if isinstance(event, (e.Purchased, e.Lost)) and event.actor:
                ends[event.actor][event.topic] += 1

    def rate(name: str) -> float:
        return ends[name][e.Purchased.topic] / ends[name].total()

    assert rate("amara") > rate("farid") + 0.1


def test_replaying_a_history_gives_the_lead_that_lived_it(lives: list[Life]) -> None:
    for life in lives[:200]:
        replayed = Lead.replay(life.lead.id, life.history())
        assert (replayed.stage, replayed.points, replayed.revenue) == (
            life.lead.stage,
            life.lead.points,
            life.lead.revenue,
        )
