"""Lead time and time to handover: what is counted, and how its length is measured."""

from datetime import timedelta
from statistics import mean, median, quantiles
from typing import Any

import pytest

from leadflow_projections.metrics.durations import DurationFigures
from leadflow_projections.metrics.reading import read_durations
from leadflow_projections.metrics.selection import Basis, Condition, Selection
from tests.unit.metrics.histories import History, at


def durations(
    history: History, *, as_of: str | None = None, list_leads: bool = False, **asked: Any
) -> dict[str, DurationFigures]:
    read = read_durations(
        history.leads.store,
        Selection(**asked),
        as_of=None if as_of is None else at(as_of),
        list_leads=list_leads,
    )
    return {figures.name: figures for figures in read.figures}


def lead_time(history: History, **asked: Any) -> DurationFigures:
    return durations(history, **asked)["lead_time"]


@pytest.mark.parametrize("days", [[4], [1, 2], [1, 2, 10], [3, 1, 8, 2], [5, -1, 2, 2, 40, 7, 9]])
def test_the_spread_is_that_of_the_textbook(history: History, days: list[int]) -> None:
    for number, length in enumerate(days):
        history(f"l{number}", "captured", "2026-01-10")
        history(f"l{number}", "purchased", (at("2026-01-10") + timedelta(length)).isoformat())
    found = lead_time(history)
    assert (found.n, found.negative) == (len(days), sum(length < 0 for length in days))
    assert found.mean == pytest.approx(mean(days))
    assert found.median == median(days)
    if len(days) > 1:
        assert [found.q1, found.median, found.q3] == quantiles(days, n=4, method="inclusive")
    assert (found.least, found.greatest) == (min(days), max(days))


def test_open_is_counted_and_in_no_average_closed_apart(history: History) -> None:
    for lead in "abcd":
        history(lead, "captured", "2026-01-01")
    history("a", "purchased", "2026-01-03")
    history("b", "lost", "2026-01-04")
    history("c", "handed_over", "2026-01-05")
    found = durations(history)
    whole = found["lead_time"]
    assert (whole.n, whole.open, whole.ended, whole.mean) == (1, 2, 1, 2.0)
    handover = found["time_to_handover"]
    # a bought without having been handed over: that time will never end.
    assert (handover.n, handover.open, handover.ended, handover.mean) == (1, 1, 2, 4.0)


def test_of_nothing_everything_is_undefined(history: History) -> None:
    found = lead_time(history)
    assert (found.n, found.open, found.mean, found.median, found.least) == (0, 0, None, None, None)


def test_the_first_purchase_counts_in_whichever_cycle(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "lost", "2026-01-05")
    history("a", "reopened", "2026-02-01")
    assert lead_time(history).open == 1
    history("a", "purchased", "2026-02-10")
    history("a", "reopened", "2026-03-01")
    history("a", "purchased", "2026-03-02")
    found = lead_time(history, list_leads=True)
    assert (found.n, found.mean) == (1, 40.0)
    assert found.behind is not None
    assert found.behind[0].cycle == 2


def test_between_two_dates_there_are_whole_days_in_any_zone(history: History) -> None:
    history("a", "captured", "2026-03-28", basis="day")
    history("a", "purchased", "2026-03-30", basis="day")
    for zone in ("UTC", "Europe/Berlin"):  # where one of the two has 23 hours
        assert lead_time(history, zone=zone).mean == 2.0


def test_between_a_date_and_an_instant_the_fraction_stays(history: History) -> None:
    history("a", "captured", "2026-01-01", basis="day")
    history("a", "purchased", "2026-01-02T12:00")
    assert lead_time(history).mean == 1.5
    # In Berlin the date began an hour earlier.
    assert lead_time(history, zone="Europe/Berlin").mean == pytest.approx(1.5 + 1 / 24)


def test_assumed_ends_are_left_out_with_their_number(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "purchased", "2026-01-04", basis="assumed")
    history("b", "captured", "2026-01-01", basis="assumed")
    history("b", "purchased", "2026-01-04")
    history("c", "captured", "2026-01-01")
    found = lead_time(history)
    assert (found.n, found.open, found.assumed) == (0, 1, 2)


def test_cohort_window_period_and_past_day(history: History) -> None:
    history("a", "captured", "2025-12-01")
    history("a", "purchased", "2026-01-10")
    history("b", "captured", "2026-01-02")
    history("b", "purchased", "2026-01-04")
    history("c", "captured", "2026-01-20")
    history("c", "lost", "2026-02-20")
    january = {"since": at("2026-01-01"), "until": at("2026-01-31T23:59")}
    cohort = lead_time(history, **january)
    assert (cohort.n, cohort.open, cohort.ended, cohort.mean) == (1, 0, 1, 2.0)
    period = lead_time(history, basis=Basis.PERIOD, **january)
    assert (period.n, period.open, period.ended, period.mean) == (2, 1, 0, 21.0)
    window = lead_time(history, within=timedelta(days=30), as_of="2026-02-10")
    assert (window.n, window.open, window.immature, window.mean) == (1, 1, 1, 2.0)
    assert lead_time(history, as_of="2026-01-04").n == 1
    assert lead_time(history, as_of="2026-01-03").open == 2


def test_groups_and_conditions_take_the_source_of_the_capture(history: History) -> None:
    history("a", "captured", "2026-01-01", source="fair")
    history("a", "lost", "2026-01-05")
    history("a", "reopened", "2026-02-01")
    history("a", "engaged", "2026-02-01", source="email", kind="application")
    history("a", "purchased", "2026-02-10")
    history("b", "captured", "2026-01-01")
    read = read_durations(history.leads.store, Selection(by="source"))
    found = {figures.value: figures for figures in read.figures if figures.name == "lead_time"}
    assert {value: (f.n, f.open) for value, f in found.items()} == {"fair": (1, 0), None: (0, 1)}
    assert lead_time(history, where=(Condition("source", "email"),)).n == 0
    shapes = read.to_json()
    assert shapes[0]["by"] == "source"
    assert set(shapes[0]) >= {
        *("name", "n", "open", "mean", "median", "q1", "q3", "least", "greatest", "unit"),
        *("value", "position"),
    }


def test_the_leads_behind_the_figures(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "purchased", "2026-01-03")
    history("b", "captured", "2026-01-02")
    found = lead_time(history, list_leads=True)
    assert found.behind is not None
    assert [(lead.outcome, lead.days) for lead in found.behind] == [("done", 2.0), ("open", None)]
    assert found.to_json()["list"][1]["ended_at"] is None
