"""What holds of the funnel of any history, and that it is what plain counting gives."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from leadflow.domain.stages import DESTINATION, STEPS, Stage
from leadflow.testing import in_memory
from leadflow_projections.metrics.funnel import DEFAULT_STEPS
from leadflow_projections.metrics.reading import read_funnel
from leadflow_projections.metrics.selection import Basis, Selection
from tests.unit.metrics.counting import counted
from tests.unit.metrics.histories import MUST_HAVE, all_rows, at

START = at("2024-01-01")
LEADS = "abcd"
EVENTS = sorted(topic.removeprefix("lead.") for topic in DESTINATION)


class Fact(NamedTuple):
    lead: str
    event: str
    hour: int


days = st.integers(0, 60).map(lambda day: START + timedelta(days=day))
facts = st.lists(
    st.builds(Fact, st.sampled_from(LEADS), st.sampled_from(EVENTS), st.integers(0, 24 * 60)),
    max_size=30,
)


chosen_steps = st.sets(st.sampled_from(STEPS), min_size=1).map(
    lambda chosen: tuple(step for step in STEPS if step in chosen)
)


@st.composite
def selections(draw: st.DrawFn) -> Selection:
    basis = draw(st.sampled_from(Basis))
    since, until = draw(st.none() | days), draw(st.none() | days)
    if since is not None and until is not None and since > until:
        since, until = until, since
    within = None
    if basis is Basis.COHORT:
        within = draw(st.none() | st.integers(1, 40).map(lambda n: timedelta(days=n)))
    return Selection(basis=basis, since=since, until=until, within=within, by="source")


@given(
    facts=facts,
    selection=selections(),
    steps=chosen_steps,
    strict=st.booleans(),
    as_of=st.none() | days,
)
@settings(max_examples=60)
def test_the_funnel_of_any_history(
    facts: Sequence[Fact],
    selection: Selection,
    steps: tuple[Stage, ...],
    strict: bool,
    as_of: datetime | None,
) -> None:
    with in_memory() as leads:
        with leads.batch() as batch:
            for lead in LEADS:
                batch.capture(
                    f"test:{lead}", source=lead if lead < "c" else None, occurred_at=START
                )
            for fact in facts:
                batch.record_fact(
                    f"lead.{fact.event}",
                    f"test:{fact.lead}",
                    MUST_HAVE.get(fact.event, {}),
                    occurred_at=START + timedelta(hours=fact.hour),
                )
        funnel = read_funnel(
            leads.store, selection, as_of=as_of, steps=steps, strict=strict, list_leads=True
        )
        expected = counted(leads, LEADS, selection, steps, as_of=as_of, strict=strict)

    assert all(figure == total for figure, total in all_rows(funnel))
    for group in (funnel.whole, *funnel.groups):
        for step in group.steps:
            assert step.entered <= step.reached
            assert step.behind is not None
            assert len(step.behind) == step.reached + step.immature
        if not strict and selection.basis is Basis.COHORT:
            shown = [step.reached for step in group.steps]
            assert shown == sorted(shown, reverse=True)
    for place, whole in enumerate(funnel.whole.steps):
        parts = [group.steps[place] for group in funnel.groups]
        assert sum(part.reached for part in parts) == whole.reached
        assert sum(part.immature for part in parts) == whole.immature
        assert {name: getattr(whole, name) for name in expected[whole.stage]} == (
            expected[whole.stage]
        )


@given(facts=facts)
@settings(max_examples=20)
def test_an_open_period_and_a_long_window_change_nothing(facts: Sequence[Fact]) -> None:
    with in_memory() as leads:
        with leads.batch() as batch:
            for fact in facts:
                batch.record_fact(
                    f"lead.{fact.event}",
                    f"test:{fact.lead}",
                    MUST_HAVE.get(fact.event, {}),
                    occurred_at=START + timedelta(hours=fact.hour),
                )
        whole = read_funnel(leads.store, steps=DEFAULT_STEPS).whole
        bounded = Selection(since=START, until=START + timedelta(days=90))
        late = START + timedelta(days=200)
        windowed = replace(bounded, within=timedelta(days=100))
        assert read_funnel(leads.store, bounded).whole == whole
        assert read_funnel(leads.store, windowed, as_of=late).whole == whole
        assert read_funnel(leads.store, replace(bounded, basis=Basis.PERIOD)).whole == whole
