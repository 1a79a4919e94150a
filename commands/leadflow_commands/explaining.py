"""`leadflow lead explain`: which events made each column of a lead's row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import click

from leadflow.domain.events import LeadEvent, Purchased, Refunded, Scored
from leadflow.domain.lead import Lead
from leadflow_commands.event_lines import describe, happened
from leadflow_commands.frame import LEAD_HELP, Command, pass_session
from leadflow_commands.moments import iso, when
from leadflow_commands.money import show_revenue
from leadflow_commands.output import Column
from leadflow_commands.session import Session


@dataclass
class Explained:
    """A column's value, and the events that made it what it is."""

    value: Any = None
    events: list[LeadEvent] = field(default_factory=list[LeadEvent])


_LAST: Final[dict[str, Callable[[Lead], Any]]] = {
    "stage": lambda lead: lead.stage,
    "furthest_stage": lambda lead: lead.furthest_stage,
    "cycle": lambda lead: lead.cycle,
    "phase": lambda lead: lead.phase,
    "interest_confirmed_at": lambda lead: lead.confirmed_at,
    "tier": lambda lead: lead.tier,
    "target": lambda lead: lead.target,
    "source": lambda lead: lead.source,
    "campaign": lambda lead: lead.campaign,
    "sales_type": lambda lead: lead.sales_type,
    "captured_at": lambda lead: lead.captured_at,
    "stage_since": lambda lead: lead.stage_since,
    "owner": lambda lead: lead.owner,
    "response_due": lambda lead: lead.response_due,
    "merged_into": lambda lead: lead.merged_into,
    "erased": lambda lead: lead.erased or None,
}
"""Columns that one event makes: the last that changed them."""


def columns_of(history: Sequence[LeadEvent]) -> dict[str, Explained]:
    """Replay a lead, noting for every column which events made it."""
    lead = Lead.unknown(history[0].lead_id)
    columns = {name: Explained(read(lead)) for name, read in _LAST.items()}
    score, revenue = Explained(0), Explained({})
    for event in history:
        before = {name: read(lead) for name, read in _LAST.items()}
        lead.evolve(event)
        for name, read in _LAST.items():
            if read(lead) != before[name] or (name == "stage" and event.entered is not None):
                columns[name] = Explained(read(lead), [event])
        if lead.cycle != before["cycle"]:
            score.events = []
        if isinstance(event, Scored):
            score.events.append(event)
        if isinstance(event, (Purchased, Refunded)) and event.amount is not None:
            revenue.events.append(event)
    score.value, revenue.value = lead.points, lead.revenue
    return {**columns, "score": score, "revenue": revenue}


def points_of(score: Explained) -> list[Scored]:
    """The events whose points add up to the score."""
    return [event for event in score.events if isinstance(event, Scored)]


@click.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow lead explain shop:4711
    leadflow lead explain shop:4711 --json
    """,
)
@click.argument("lead", help=LEAD_HELP)
@pass_session
def explain(session: Session, /, lead: str) -> None:
    """Explain a lead's row: which events made each column, and its score point by point."""
    with session.leads() as leads:
        history = leads.history(lead)
    columns = columns_of(history)
    by_id = {event.event_id: event for event in history}
    made = {name: column for name, column in columns.items() if column.events}
    points = points_of(columns["score"])
    document = {
        "lead_id": history[0].lead_id,
        "score": columns["score"].value,
        "columns": [
            {
                "column": name,
                "value": column.value,
                "events": [_reference(e) for e in column.events],
            }
            for name, column in made.items()
        ],
        "points": [_points_document(event, by_id) for event in points],
    }
    session.output.result(document, lambda: _print(session, made, points, by_id))


def _reference(event: LeadEvent) -> dict[str, Any]:
    return {
        "position": event.position,
        "version": event.originator_version,
        "type": event.topic,
        "id": event.event_id,
        "occurred_at": iso(event.occurred_at),
        "says": describe(event),
    }


def _points_document(event: Scored, by_id: dict[Any, LeadEvent]) -> dict[str, Any]:
    cause = by_id.get(event.cause)
    return {
        "points": event.points,
        "reason": event.reason,
        "rule": event.rule,
        "dimension": event.dimension,
        "policy": event.policy,
        "occurred_at": iso(event.occurred_at),
        "cause": None
        if event.cause is None
        else {"id": event.cause, "type": cause and cause.topic},
    }


def _print(
    session: Session,
    made: dict[str, Explained],
    points: list[Scored],
    by_id: dict[Any, LeadEvent],
) -> None:
    output, zone = session.output, session.zone
    output.table(
        [
            Column("column"),
            Column("value", flexible=True),
            Column("version", right=True),
            Column(f"when ({session.settings.timezone})"),
            Column("event", flexible=True),
        ],
        [
            (
                name if first else "",
                _shown(name, column.value, session) if first else "",
                event.originator_version,
                happened(event, zone),
                f"{event.topic.removeprefix('lead.')}: {describe(event)}".rstrip(": "),
            )
            for name, column in made.items()
            if name != "score"
            for first, event in zip(
                [True, *[False] * len(column.events)], column.events, strict=False
            )
        ],
    )
    output.line()
    total = sum(event.points for event in points)
    output.heading(f"Score {total}, the sum of {len(points)} entries")
    output.table(
        [
            Column("points", right=True),
            Column("reason", flexible=True),
            Column("dimension"),
            Column(f"when ({session.settings.timezone})"),
            Column("for", flexible=True),
        ],
        [
            (
                f"{event.points:+d}",
                event.reason,
                event.dimension,
                happened(event, zone),
                _cause(by_id.get(event.cause)),
            )
            for event in points
        ],
    )


def _cause(event: LeadEvent | None) -> str:
    if event is None:
        return "by hand"
    kind = event.topic.removeprefix("lead.")
    return f"version {event.originator_version}, {kind}: {describe(event)}"


def _shown(name: str, value: Any, session: Session) -> object:
    if name == "revenue":
        return show_revenue(value)
    if hasattr(value, "astimezone"):
        return when(value, session.zone)
    return getattr(value, "value", value)
