"""Figures as tables for people; for machines see `metric_rows.py`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from leadflow_commands.metric_rows import (
    Flat,
    duration_leads,
    duration_rows,
    funnel_leads,
    funnel_rows,
    write_rows,
)
from leadflow_commands.moments import when
from leadflow_commands.output import Column
from leadflow_projections.metrics.wording import describe_reading, describe_selection

if TYPE_CHECKING:
    from leadflow_commands.session import Session
    from leadflow_projections.metrics.durations import Durations
    from leadflow_projections.metrics.figures import Funnel, Group, StepFigures

UNDEFINED: Final = "–"
BLANK: Final = "(blank)"

_STEP: Final = ("reached", "entered", "went_on", "lost", "disqualified", "open", "leads")


def show_funnel(session: Session, funnel: Funnel, form: str) -> None:
    """Print a funnel in the format asked for."""
    if form == "json":
        session.output.document(funnel.to_json())
    elif form == "table":
        _funnel_table(session, funnel)
    else:
        listed = funnel.whole.steps[0].behind is not None
        write_rows(funnel_leads(funnel) if listed else funnel_rows(funnel), form)
    if funnel.whole.immature and form == "table":
        session.output.note(
            f"{funnel.whole.immature:,} cycles are still inside their window and not counted."
        )
    if funnel.assumed_left_out:
        session.output.note(
            f"{funnel.assumed_left_out:,} entries are left out, since their time is only assumed."
        )


def show_durations(session: Session, durations: Durations, form: str) -> None:
    """Print durations in the format asked for."""
    if form == "json":
        session.output.document(durations.to_json())
    elif form == "table":
        _durations_table(session, durations)
    else:
        listed = any(figures.behind is not None for figures in durations.figures)
        write_rows(duration_leads(durations) if listed else duration_rows(durations), form)


# --- tables -----------------------------------------------------------------------------


def percent(ratio: float | None) -> str:
    """A ratio for people; an undefined one is a dash."""
    return UNDEFINED if ratio is None else f"{100 * ratio:.2f} %"


def _funnel_table(session: Session, funnel: Funnel) -> None:
    selection = funnel.selection
    title = f"{describe_selection(selection)}; {describe_reading(funnel.reading, selection.zone)}"
    if selection.by is None:
        columns = [
            Column("step"),
            *(Column(name.replace("_", " "), right=True) for name in _STEP),
            Column("step conv.", right=True),
            Column("overall conv.", right=True),
        ]
        session.output.table(columns, map(_step_cells, funnel.whole.steps), title=title)
    else:
        steps = [step.stage for step in funnel.whole.steps]
        columns = [
            Column(selection.by, flexible=True),
            *(Column(stage.replace("_", " "), right=True) for stage in steps),
            Column("overall conv.", right=True),
        ]
        rows = [_group_cells(group, group.value or BLANK) for group in funnel.groups]
        rows.append(_group_cells(funnel.whole, "all"))
        session.output.table(columns, rows, title=title)
    if funnel.whole.steps[0].behind is not None:
        session.output.line()
        _leads_table(session, funnel_leads(funnel))


def _step_cells(step: StepFigures) -> list[str]:
    figures = (f"{getattr(step, name):,}" for name in _STEP)
    conversions = (percent(step.step_conversion), percent(step.overall_conversion))
    return [step.stage.replace("_", " "), *figures, *conversions]


def _group_cells(group: Group, name: str) -> list[str]:
    figures = (f"{step.reached:,}" for step in group.steps)
    return [name, *figures, percent(group.steps[-1].overall_conversion)]


def _durations_table(session: Session, durations: Durations) -> None:
    selection = durations.selection
    title = f"{describe_selection(selection)}; in days; "
    title += describe_reading(durations.reading, selection.zone)
    counts = ("n", "open", "ended", "negative")
    spread = ("mean", "median", "q1", "q3", "least", "greatest")
    by = [] if selection.by is None else [Column(selection.by, flexible=True)]
    columns = [Column("duration"), *by, *(Column(name, right=True) for name in counts + spread)]
    rows = [
        [
            figures.name.replace("_", " "),
            *([] if selection.by is None else [figures.value or BLANK]),
            *(f"{getattr(figures, name):,}" for name in counts),
            *(_decimal(getattr(figures, name)) for name in spread),
        ]
        for figures in durations.figures
    ]
    session.output.table(columns, rows, title=title)
    for what, total in (
        ("left out, since the time of an end is only assumed", _sum(durations, "assumed")),
        ("still inside their window and not counted", _sum(durations, "immature")),
    ):
        if total:
            session.output.note(f"{total:,} durations are {what}.")
    if any(figures.behind is not None for figures in durations.figures):
        session.output.line()
        _leads_table(session, duration_leads(durations))


def _sum(durations: Durations, name: str) -> int:
    return sum(getattr(figures, name) for figures in durations.figures)


def _decimal(days: float | None) -> str:
    return UNDEFINED if days is None else f"{days:,.4f}"


def _leads_table(session: Session, leads: Flat) -> None:
    def cell(value: object) -> object:
        if isinstance(value, datetime):
            return when(value, session.zone)
        return _decimal(value) if isinstance(value, float) else value

    columns = [
        Column(name.replace("_", " "), right=name in {"cycle", "days"}) for name in leads.columns
    ]
    rows = [[cell(row[name]) for name in leads.columns] for row in leads.rows]
    session.output.table(columns, rows)
