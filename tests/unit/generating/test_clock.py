"""Synthetic time: office hours, weekends, seasons."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from leadflow_commands.generating.clock import DAY, HOUR, Seasons, instant, later, seconds, working

MOMENTS = st.integers(seconds(date(2024, 1, 1)), seconds(date(2027, 1, 1)))


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_office_hours_pass_only_while_the_office_is_open() -> None:
    assert working(at("2026-03-02 09:00"), 2) == at("2026-03-02 11:00")
    assert working(at("2026-03-02 16:00"), 2) == at("2026-03-03 09:00")
    assert working(at("2026-03-06 16:30"), 1) == at("2026-03-09 08:30")  # over a weekend
    assert working(at("2026-03-07 12:00")) == at("2026-03-09 08:00")
    assert working(at("2026-03-02 05:00")) == at("2026-03-02 08:00")
    assert working(at("2026-03-02 08:00"), 18) == at("2026-03-04 08:00")


@given(MOMENTS, st.floats(0, 200))
def test_office_hours_end_in_office_hours_and_never_before(moment: int, hours: float) -> None:
    then = instant(working(moment, hours))

    assert then >= instant(moment)
    assert then.weekday() < 5
    assert 8 <= then.hour < 17 or (then.hour, then.minute, then.second) == (17, 0, 0)


@given(MOMENTS, st.floats(0, 60), st.integers())
def test_later_is_later_and_at_waking_hours(moment: int, days: float, seed: int) -> None:
    then = later(moment, days, Random(seed))

    assert then > moment
    assert then % DAY >= 6 * HOUR or then - moment == 60


def test_leads_come_as_months_and_weekdays_ask_for() -> None:
    rng = Random(1)
    seasons = Seasons(date(2026, 1, 1), 365)
    days = [instant(seasons.moment(rng.random(), rng)) for _ in range(20_000)]
    weekdays = Counter(day.weekday() for day in days)
    months = Counter(day.month for day in days)

    assert min(days) >= datetime(2025, 1, 1, tzinfo=UTC)
    assert max(days) < datetime(2026, 1, 1, tzinfo=UTC)
    assert weekdays[1] > 1.8 * weekdays[6]
    assert months[10] > 1.4 * months[8]


def test_a_growing_share_of_leads_is_a_later_moment() -> None:
    rng = Random(2)
    seasons = Seasons(date(2026, 1, 1), 365)
    days = [seasons.moment(share / 100, rng) // DAY for share in range(101)]

    assert days == sorted(days)
