"""The funnel's definitions (domain.md section 9), a small history for each."""

import pytest

from leadflow.domain.stages import STEPS
from leadflow_projections.metrics.funnel import choose_steps
from tests.unit.metrics.histories import (
    History,
    all_rows,
    entered,
    outcomes,
    reached,
)

DEFAULT = ("captured", "qualified", "sales_ready", "handed_over", "offered", "customer")


def test_reached_is_entered_or_any_later_step(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "purchased", "2026-01-09")
    funnel = history.funnel()
    assert reached(funnel) == dict.fromkeys(DEFAULT, 1)
    assert [name for name, n in entered(funnel).items() if n] == ["captured", "customer"]


def test_a_step_is_reached_at_the_earliest_such_entry(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "handed_over", "2026-01-09")
    history("a", "offer_made", "2026-01-05")  # learnt later, happened before
    step = history.funnel(list_leads=True).whole.steps[1]
    assert step.behind is not None
    assert [lead.reached_at.day for lead in step.behind] == [5]


def test_exits_are_no_step_and_every_row_adds_up(history: History) -> None:
    for lead in "abcde":
        history(lead, "captured", "2026-01-01")
    history("a", "lost", "2026-01-02")
    history("b", "qualified", "2026-01-02")
    history("b", "disqualified", "2026-01-03")
    history("c", "offer_made", "2026-01-02")
    history("c", "lost", "2026-01-04")
    history("d", "purchased", "2026-01-05")
    funnel = history.funnel()
    assert outcomes(funnel) == {
        "captured": (3, 1, 0, 1),
        "qualified": (2, 0, 1, 0),
        "sales_ready": (2, 0, 0, 0),
        "handed_over": (2, 0, 0, 0),
        "offered": (1, 1, 0, 0),
        "customer": (0, 0, 0, 1),
    }
    assert all(figure == total for figure, total in all_rows(funnel))


def test_conversions_are_ratios_and_undefined_over_nothing(history: History) -> None:
    for lead in "abcd":
        history(lead, "captured", "2026-01-01")
    history("a", "qualified", "2026-01-02")
    steps = history.funnel().whole.steps
    assert [step.step_conversion for step in steps] == [None, 0.25, 0.0, None, None, None]
    assert [step.overall_conversion for step in steps] == [1.0, 0.25, 0.0, 0.0, 0.0, 0.0]


def test_nothing_recorded_is_nothing_reached_and_every_conversion_undefined(
    history: History,
) -> None:
    funnel = history.funnel(by="source")
    assert funnel.groups == ()
    assert reached(funnel) == dict.fromkeys(DEFAULT, 0)
    assert {step.overall_conversion for step in funnel.whole.steps} == {None}
    assert funnel.to_json()["position"] == 0


def test_strict_counts_entered_steps_only(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "handed_over", "2026-01-02")
    history("b", "captured", "2026-01-01")
    funnel = history.funnel(strict=True)
    assert reached(funnel) == dict.fromkeys(DEFAULT, 0) | {"captured": 2, "handed_over": 1}
    assert outcomes(funnel)["captured"] == (1, 0, 0, 1)
    assert all(figure == total for figure, total in all_rows(funnel))


def test_other_steps_in_the_order_of_the_process(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "enriched", "2026-01-02", dimensions={"size": "large"})
    history("a", "nurtured", "2026-01-03")
    steps = choose_steps(["nurturing", "enriched", "captured"])
    assert reached(history.funnel(steps=steps)) == {"captured": 1, "enriched": 1, "nurturing": 1}
    assert choose_steps([]) == tuple(step for step in STEPS if step.value in DEFAULT)


def test_the_unit_is_the_cycle_with_its_leads_beside(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "lost", "2026-01-02")
    history("a", "reopened", "2026-02-01")
    history("a", "purchased", "2026-02-05")
    history("b", "captured", "2026-01-01")
    funnel = history.funnel()
    captured = funnel.whole.steps[0]
    assert (captured.reached, captured.leads, captured.entered) == (3, 2, 2)
    assert (captured.went_on, captured.lost, captured.open) == (1, 1, 1)
    assert funnel.whole.leads == 2


def test_going_back_to_nurturing_takes_nothing_away(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "handed_over", "2026-01-02")
    history("a", "returned", "2026-01-03", reason="no budget")
    funnel = history.funnel()
    assert reached(funnel)["handed_over"] == 1
    assert outcomes(funnel)["handed_over"] == (0, 0, 0, 1)


def test_money_from_a_lost_lead_is_no_lost_lead(history: History) -> None:
    history("a", "captured", "2026-01-01")
    history("a", "lost", "2026-01-02")
    history("a", "purchased", "2026-01-03")
    assert outcomes(history.funnel())["customer"] == (0, 0, 0, 1)
    assert outcomes(history.funnel(as_of="2026-01-02T12:00"))["captured"] == (0, 1, 0, 0)


def test_touches_before_the_capture_are_no_cycle(history: History) -> None:
    history("a", "engaged", "2026-01-01", source="fair")
    assert reached(history.funnel())["captured"] == 0
    history("a", "captured", "2026-01-03")
    assert reached(history.funnel())["captured"] == 1
    assert reached(history.funnel(since="2026-01-02"))["captured"] == 1


def test_an_erased_lead_still_counts(history: History) -> None:
    history("a", "captured", "2026-01-01", personal={"name": "Ada"})
    history("a", "purchased", "2026-01-02")
    before = history.funnel()
    history.leads.erase("test:a")
    assert history.funnel().whole == before.whole


@pytest.mark.parametrize("strict", [False, True])
def test_the_leads_behind_every_figure_are_its_number(history: History, strict: bool) -> None:
    for number, lead in enumerate("abcdef"):
        history(lead, "captured", "2026-01-01", source="fair" if number % 2 else None)
        for event in ("qualified", "handed_over", "purchased", "lost")[number % 4 :]:
            history(lead, event, f"2026-01-0{2 + number}")
    funnel = history.funnel(by="source", strict=strict, list_leads=True)
    for group in (funnel.whole, *funnel.groups):
        for step in group.steps:
            assert step.behind is not None
            assert len(step.behind) == step.reached
            assert sum(lead.entered for lead in step.behind) == step.entered
            assert len({lead.lead_id for lead in step.behind}) == step.leads
            for outcome in ("went_on", "lost", "disqualified", "open"):
                listed = [lead for lead in step.behind if lead.outcome == outcome]
                assert len(listed) == getattr(step, outcome)
