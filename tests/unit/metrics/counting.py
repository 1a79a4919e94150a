"""The funnel counted the slow way: event by event, in Python, straight from its definition."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadflow import Leadflow
from leadflow.domain.events import LeadEvent
from leadflow.domain.stages import EXITS, STEPS, Stage
from leadflow_projections.metrics.selection import Basis, Selection

FIGURES: tuple[str, ...] = ("reached", "entered", "went_on", "lost", "disqualified", "open")


@dataclass
class Cycle:
    """One lead's cycle: its first entry into each stage, and the exits in their order."""

    began_at: datetime | None = None
    first: dict[Stage, datetime] = field(default_factory=dict[Stage, datetime])
    entries: list[tuple[Stage, datetime]] = field(default_factory=list[tuple[Stage, datetime]])

    def reached(self, step: Stage, horizon: datetime | None) -> datetime | None:
        """When the step or a later one was first entered, as far as the horizon."""
        later = STEPS[STEPS.index(step) :]
        times = [at for stage, at in self.first.items() if stage in later]
        return min((at for at in times if horizon is None or at <= horizon), default=None)

    def outcome(self, horizon: datetime | None) -> str:
        """The exit that it ended with by then, else open."""
        by_then = [stage for stage, at in self.entries if horizon is None or at <= horizon]
        return by_then[-1].value if by_then and by_then[-1] in EXITS else "open"


def cycles_of(history: Iterable[LeadEvent], as_of: datetime | None) -> dict[int, Cycle]:
    """A lead's cycles, from its events in the order of the log."""
    cycles: dict[int, Cycle] = {}
    for event in history:
        if event.entered is None or (as_of is not None and event.occurred_at > as_of):
            continue
        cycle = cycles.setdefault(event.cycle, Cycle())
        at = event.occurred_at
        cycle.first[event.entered] = min(at, cycle.first.get(event.entered, at))
        cycle.entries.append((event.entered, at))
        if event.topic in {"lead.captured", "lead.reopened"}:
            cycle.began_at = at
    return cycles


def counted(
    leads: Leadflow,
    names: Iterable[str],
    selection: Selection,
    steps: Iterable[Stage],
    *,
    as_of: datetime | None,
    strict: bool,
) -> dict[str, dict[str, int]]:
    """Figures by step: reached, entered, went_on, lost, disqualified, open."""
    chosen = list(steps)
    figures = {step.value: dict.fromkeys(FIGURES, 0) for step in chosen}
    for name in names:
        for cycle in cycles_of(leads.history(f"test:{name}"), as_of).values():
            began = cycle.began_at or min(cycle.first.values())
            horizon = _horizon(selection, began, as_of)
            if horizon == "not counted":
                continue
            for step, following in zip(chosen, [*chosen[1:], None], strict=True):
                assert not isinstance(horizon, str)
                at = cycle.reached(step, horizon)
                own = cycle.first.get(step)
                entered = own is not None and (horizon is None or own <= horizon)
                if strict:
                    at = own if entered else None
                if at is None or not _in_period(selection, at):
                    continue
                row = figures[step.value]
                row["reached"] += 1
                row["entered"] += entered
                went_on = following is not None and cycle.reached(following, horizon) is not None
                row["went_on" if went_on else cycle.outcome(horizon)] += 1
    return figures


def _horizon(
    selection: Selection, began: datetime, as_of: datetime | None
) -> datetime | str | None:
    """Up to when a cycle is counted; `not counted` where it is not asked about."""
    if selection.basis is Basis.PERIOD:
        return selection.until
    if selection.since is not None and began < selection.since:
        return "not counted"
    if selection.until is not None and began > selection.until:
        return "not counted"
    if selection.within is None:
        return None
    end: datetime = began + (selection.within or timedelta())
    return "not counted" if as_of is not None and end > as_of else end


def _in_period(selection: Selection, at: datetime) -> bool:
    if selection.basis is Basis.COHORT:
        return True
    return (selection.since is None or at >= selection.since) and (
        selection.until is None or at <= selection.until
    )
