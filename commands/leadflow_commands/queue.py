"""`leadflow queue`: who should be called next, and taking a lead to do so."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from leadflow.domain.events import BecameSalesReady
from leadflow.errors import Conflict, LeadflowError, Refused
from leadflow_commands import verbs
from leadflow_commands.board import short
from leadflow_commands.event_lines import personal_line
from leadflow_commands.frame import LEAD_HELP, Command, Group, pass_session
from leadflow_commands.lead_state import latest_name, latest_personal, read_state
from leadflow_commands.moments import duration, iso, when
from leadflow_commands.output import Column
from leadflow_commands.read_models import bring_up_to_date
from leadflow_commands.session import Session
from leadflow_commands.verbs import envelope_from, envelope_options

if TYPE_CHECKING:
    from uuid import UUID

    from leadflow import Leadflow, Recorded
    from leadflow_projections.ranking import QueueEntry


class NobodyWaiting(LeadflowError):
    """No lead of the queue could be claimed: it is empty, or others hold all of it."""

    code = "nobody_waiting"


@click.group(
    cls=Group,
    examples="""
    leadflow queue list
    leadflow queue claim --owner grace
    leadflow queue hand-over shop:4711 --to-owner grace
    """,
)
def queue() -> None:
    """Work the queue of sales-ready leads.

    Overdue responses come first, then the hot and the high scores, then who has waited
    longest; the policy says so, and can say otherwise.
    """


@queue.command(
    "list",
    cls=Command,
    examples="""
    leadflow queue list --limit 10
    # with the events that brought each lead here
    leadflow queue list --json
    """,
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N leads; else all.")
@pass_session
def list_queue(session: Session, /, limit: int | None) -> None:
    """Show who should be called next, and why."""
    from leadflow_projections.queue_reading import read_queue

    with session.leads() as leads:
        bring_up_to_date(session, leads.store, "sales_queue")
        now = leads.store.now()
        entries = read_queue(leads.store, leads.policy(), now, limit=limit)
        if session.json:
            session.output.document([entry.as_data() for entry in entries])
            return
        if not entries:
            session.output.note("Nobody is waiting: no lead is sales-ready.")
            return
        _print(session, leads, entries, now)


def _print(session: Session, leads: Leadflow, entries: list[QueueEntry], now: datetime) -> None:
    session.output.table(
        [
            Column("#", right=True),
            Column("lead"),
            Column("name", flexible=True),
            Column("temp"),
            Column("score", right=True),
            Column("now", right=True),
            Column("waiting"),
            Column("answer due"),
            Column("owner", flexible=True),
            Column("by", flexible=True),
            Column("why", flexible=True),
        ],
        [
            (
                entry.rank,
                short(entry.lead_id),
                latest_name(leads, entry.lead_id),
                entry.temperature.value,
                entry.score,
                f"{entry.decayed_score:.0f}",
                duration(entry.waiting_seconds),
                _due(entry, now),
                entry.owner,
                ", ".join(entry.channels),
                _why(entry),
            )
            for entry in entries
        ],
    )


def _due(entry: QueueEntry, now: datetime) -> str:
    if entry.response_due is None:
        return ""
    seconds = (entry.response_due - now).total_seconds()
    if entry.overdue:
        return f"{duration(-seconds)} late"
    return f"in {duration(seconds)}" if seconds > 0 else "answered"


_REASONS_SHOWN: Final = 2


def _why(entry: QueueEntry) -> str:
    """What made it sales-ready, and what gave most points; all is in --json."""
    points: Counter[str] = Counter()
    for event in entry.why:
        points[str(event["reason"])] += int(event.get("points") or 0)
    best = [f"{given:+} {reason}" for reason, given in points.most_common(_REASONS_SHOWN) if given]
    ready = BecameSalesReady.topic
    triggers = [str(event["reason"]) for event in entry.why if event["event"] == ready]
    return "; ".join([*(trigger.replace("_", " ") for trigger in triggers[-1:]), *best])


@queue.command(
    cls=Command,
    shares=("store", "tz"),
    params=envelope_options(),
    examples="""
    # the first that is free
    leadflow queue claim --owner grace
    # or one in particular
    leadflow queue claim shop:4711 --owner grace
    """,
)
@click.argument("lead", required=False, help=f"{LEAD_HELP} Without it: the first that is free.")
@click.option("--owner", help="Who takes it; else the actor of LEADFLOW_ACTOR.")
@pass_session
def claim(session: Session, /, lead: str | None, owner: str | None, **given: Any) -> None:
    """Take a lead from the queue, for as long as the policy's lease lasts.

    Of two who claim at the same moment, one gets the lead and the other the next. Exit 1
    when there is nobody to be claimed.
    """
    owner = owner or session.settings.actor
    if owner is None:
        raise click.UsageError("say who takes the lead: --owner NAME")
    envelope = envelope_from(given, session)
    with session.leads(write=True) as leads:
        if lead is None:
            recorded = _claim_first(session, leads, owner, envelope)
        else:
            recorded = leads.claim(lead, owner, **envelope)
        _say_claimed(session, leads, recorded.lead_id)


def _claim_first(
    session: Session, leads: Leadflow, owner: str, envelope: dict[str, Any]
) -> Recorded:
    """Walk from the top until a claim is granted; the aggregate decides, not the list."""
    from leadflow_projections.ranking import rank_queue
    from leadflow_projections.reading import read_model

    bring_up_to_date(session, leads.store, "sales_queue")
    rows = read_model(leads.store, "sales_queue").rows
    for entry in rank_queue(rows, leads.policy(), leads.store.now()):
        if entry.owner is not None:
            continue
        try:
            return leads.claim(entry.lead_id, owner, **envelope)
        except (Refused, Conflict):
            continue  # somebody else was faster: the next one
    raise NobodyWaiting(
        "nobody is waiting that is not claimed already",
        hint="`leadflow queue list` shows who holds which lead",
    )


def _say_claimed(session: Session, leads: Leadflow, lead_id: UUID) -> None:
    state = read_state(leads, lead_id)
    document = {
        "lead_id": lead_id,
        "owner": state.owner,
        "lease_until": iso(state.lease_until),
        "version": state.lead.version,
        "score": state.lead.points,
        "temperature": state.temperature,
        "response_due": iso(state.lead.response_due),
        "personal": state.personal and state.personal.model_dump(exclude_defaults=True),
    }
    zone = session.settings.timezone

    def text() -> None:
        session.output.pairs(
            (name, value)
            for name, value in (
                ("lead", lead_id),
                ("person", personal_line(latest_personal(leads.history(lead_id)))),
                ("score", f"{state.lead.points}, {state.temperature.value}"),
                ("owner", state.owner),
                (f"until ({zone})", when(state.lease_until, session.zone)),
                (f"answer due ({zone})", when(state.lead.response_due, session.zone)),
            )
            if value
        )

    session.output.result(document, text)


queue.add_command(verbs.command_for("release", group="queue"))
queue.add_command(verbs.command_for("hand-over", group="queue"))
