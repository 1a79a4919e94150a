"""Which cycles are counted, and up to when: cohort, window, period, past days."""

from datetime import timedelta
from typing import Any

import pytest

from leadflow.errors import InvalidInput
from leadflow_projections.metrics.selection import Basis, Selection
from tests.unit.metrics.histories import (
    History,
    all_rows,
    at,
    day_after,
    entered,
    outcomes,
    reached,
)

JANUARY = {"since": "2026-01-01", "until": "2026-01-31T23:59:59.999999"}


@pytest.fixture
def winter(history: History) -> History:
    """Three leads of January and one of December; two bought, one of them in January."""
    history("old", "captured", "2025-12-20")
    history("old", "purchased", "2026-01-10")
    history("a", "captured", "2026-01-01T00:00:00")
    history("a", "purchased", "2026-02-10")
    history("b", "captured", "2026-01-15")
    history("b", "lost", "2026-02-20")
    history("c", "captured", "2026-01-31T23:59:59.999999")
    return history


def test_a_cohort_began_in_the_period_and_went_wherever(winter: History) -> None:
    funnel = winter.funnel(**JANUARY)
    assert (reached(funnel)["captured"], reached(funnel)["customer"]) == (3, 1)
    assert outcomes(funnel)["captured"] == (1, 1, 0, 1)


def test_a_period_counts_what_happened_in_it(winter: History) -> None:
    funnel = winter.funnel(basis=Basis.PERIOD, **JANUARY)
    # The one who bought in January was captured in December.
    assert (reached(funnel)["captured"], reached(funnel)["customer"]) == (3, 1)
    # At the end of January nobody of the three had gone on or was lost.
    assert outcomes(funnel)["captured"] == (0, 0, 0, 3)
    assert all(figure == total for figure, total in all_rows(funnel))


def test_a_rate_of_a_period_may_exceed_one_and_is_undefined_over_nothing(
    history: History,
) -> None:
    for lead in "ab":
        history(lead, "captured", "2025-12-20")
        history(lead, "purchased", "2026-01-10")
    history("c", "captured", "2026-01-02")
    january = history.funnel(basis=Basis.PERIOD, **JANUARY)
    assert january.whole.steps[-1].overall_conversion == 2.0
    empty = history.funnel(basis=Basis.PERIOD, since="2026-01-05")
    assert reached(empty)["customer"] == 2
    assert empty.whole.steps[0].reached == 0
    assert empty.whole.steps[-1].overall_conversion is None
    assert empty.whole.steps[1].step_conversion is None


def test_a_later_cycle_belongs_to_the_cohort_of_its_reopening(winter: History) -> None:
    winter("b", "reopened", "2026-03-05")
    winter("b", "purchased", "2026-03-06")
    march = winter.funnel(since="2026-03-01")
    assert reached(march)["customer"] == 1
    assert entered(march)["captured"] == 0
    assert outcomes(winter.funnel(**JANUARY))["captured"] == (1, 1, 0, 1)


def test_a_window_counts_each_cycle_from_its_own_beginning(winter: History) -> None:
    month = timedelta(days=30)
    funnel = winter.funnel(within=month, as_of="2026-06-30", **JANUARY)
    # a bought after 40 days, b was lost after 36: within 30 days both were open.
    assert outcomes(funnel)["captured"] == (0, 0, 0, 3)
    longer = winter.funnel(within=timedelta(days=40), as_of="2026-06-30", **JANUARY)
    assert reached(longer)["customer"] == 1  # the fortieth day's last moment counts
    assert outcomes(longer)["captured"] == (1, 1, 0, 1)


def test_who_is_inside_the_window_is_immature_and_never_lost(winter: History) -> None:
    # On 25 February b, lost on the 20th, is still inside its window; a's has ended.
    funnel = winter.funnel(within=timedelta(days=45), as_of="2026-02-25", **JANUARY)
    assert reached(funnel)["captured"] == 1
    assert outcomes(funnel)["captured"] == (1, 0, 0, 0)
    assert funnel.whole.immature == 2
    assert funnel.whole.steps[0].immature == 2
    assert all(figure == total for figure, total in all_rows(funnel))
    listed = winter.funnel(
        within=timedelta(days=45), as_of="2026-02-25", list_leads=True, **JANUARY
    ).whole.steps[0]
    assert listed.behind is not None
    assert [lead.outcome for lead in listed.behind] == ["went_on", "immature", "immature"]


def test_a_window_ends_with_its_last_moment(history: History) -> None:
    history("a", "captured", "2026-01-01T12:00")
    week = timedelta(days=7)
    assert history.funnel(within=week, as_of="2026-01-08T11:59:59").whole.immature == 1
    assert history.funnel(within=week, as_of="2026-01-08T12:00:00").whole.immature == 0


def test_as_of_takes_what_had_happened_and_is_inclusive(winter: History) -> None:
    assert reached(winter.funnel(as_of="2026-02-09T23:59:59"))["customer"] == 1
    assert reached(winter.funnel(as_of="2026-02-10"))["customer"] == 2
    assert outcomes(winter.funnel(as_of="2026-02-15"))["captured"] == (2, 0, 0, 2)
    # Recorded in one order, happened in another: as of then only this was so.
    winter("late", "captured", "2025-11-01")
    assert reached(winter.funnel(as_of="2025-11-30"))["captured"] == 1


def test_known_at_is_a_prefix_of_the_log(history: History) -> None:
    history("a", "captured", "2026-01-01")
    recorded = history.leads.history("test:a")[-1].recorded_at
    assert recorded is not None
    position = history.funnel().reading.position
    history("b", "captured", "2026-01-01")
    then = history.funnel(known_at=recorded)
    assert (reached(then)["captured"], then.reading.position) == (1, position)
    before = history.funnel(known_at=recorded - timedelta(days=1))
    assert (reached(before)["captured"], before.reading.position) == (0, 0)


def test_what_came_before_its_capture_is_kept_and_known_as_of_then(history: History) -> None:
    history("a", "captured", "2018-03-08", basis="day")
    history("a", "purchased", "2018-03-06T19:38:55")
    assert reached(history.funnel(since="2018-03-08"))["customer"] == 1
    between = history.funnel(as_of="2018-03-07")
    assert (entered(between)["captured"], entered(between)["customer"]) == (0, 1)
    assert reached(between)["captured"] == 1


def test_assumed_times_are_left_out_where_time_matters(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "qualified", "2026-01-05", basis="assumed")
    history("b", "captured", "2026-01-05", basis="assumed")
    whole = history.funnel()
    assert (reached(whole)["captured"], entered(whole)["qualified"]) == (2, 1)
    assert whole.assumed_left_out == 0
    timed: list[dict[str, Any]] = [
        {"as_of": "2026-01-31"},
        {"within": timedelta(days=5), "as_of": "2026-01-31"},
        {"basis": Basis.PERIOD, "since": "2026-01-01"},
    ]
    for asked in timed:
        funnel = history.funnel(**asked)
        assert (reached(funnel)["captured"], entered(funnel)["qualified"]) == (1, 0)
        assert funnel.assumed_left_out == 2
    cohort = history.funnel(since="2026-01-01")
    # When the qualification was is not asked here, only that it was.
    assert (reached(cohort)["captured"], entered(cohort)["qualified"]) == (1, 1)
    assert cohort.assumed_left_out == 1


def test_a_date_counts_as_the_midnight_of_the_zone(history: History) -> None:
    history("a", "captured", "2026-01-01", basis="day")
    january = {"since": "2026-01-01T00:00-03:00", "until": "2026-02-01T00:00-03:00"}
    assert reached(history.funnel(zone="America/Sao_Paulo", **january))["captured"] == 1
    # An instant is an instant: at 00:00 UTC it was still the old year in São Paulo.
    history("b", "captured", "2026-01-01")
    assert reached(history.funnel(zone="America/Sao_Paulo", **january))["captured"] == 1
    assert reached(history.funnel(**JANUARY))["captured"] == 2


@pytest.mark.parametrize(
    ("zone", "moment", "begun"),
    [
        ("UTC", "2026-01-02T00:00", True),
        ("UTC", "2026-01-01T23:59:59", False),
        ("America/Sao_Paulo", "2026-01-01T23:59:59-03:00", False),
        ("America/Sao_Paulo", "2026-01-02T00:00-03:00", True),
        ("Europe/Berlin", "2026-01-01T23:59:59+01:00", False),
        ("Europe/Berlin", "2026-01-02T00:00+01:00", True),
    ],
)
def test_a_date_has_come_when_its_day_has_begun_in_the_zone(
    history: History, zone: str, moment: str, begun: bool
) -> None:
    history("a", "captured", "2026-01-02", basis="day")
    assert reached(history.funnel(as_of=moment, zone=zone))["captured"] == begun


def test_impossible_selections_are_refused() -> None:
    with pytest.raises(InvalidInput, match="since 2026-02-01"):
        Selection(since=at("2026-02-01"), until=at("2026-01-01"))
    with pytest.raises(InvalidInput, match="only a cohort has"):
        Selection(basis=Basis.PERIOD, within=timedelta(days=1))
    with pytest.raises(InvalidInput, match="longer than nothing"):
        Selection(within=timedelta(0))
    Selection(since=at("2026-01-01"), until=day_after("2026-01-01"))
