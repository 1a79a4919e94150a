"""`leadflow lead`: a verb for each command of the domain, and the ways to read a lead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from leadflow.domain.wire import encode
from leadflow_commands import verbs
from leadflow_commands.erasing import erase
from leadflow_commands.event_lines import describe, happened, personal_line
from leadflow_commands.explaining import explain
from leadflow_commands.frame import LEAD_HELP, Command, Group, pass_session
from leadflow_commands.lead_state import LeadState, person_history, read_state
from leadflow_commands.merging import merge, unmerge
from leadflow_commands.moments import MOMENT, GivenMoment, iso, when
from leadflow_commands.money import show_revenue
from leadflow_commands.output import Column
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from uuid import UUID

    from leadflow import Leadflow

_READING: Final = ("show", "history", "explain", "find")


class LeadGroup(Group):
    """Tells the verbs, which record, from the ways to read."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        widest = max(len(name) for name in names)
        for title, reading in (("Read", True), ("Record", False)):
            rows = [
                (f"{name:{widest}}", self.summary(name))
                for name in names
                if (name in _READING) is reading
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=LeadGroup,
    examples="""
    leadflow lead capture --id shop:4711 --name "Ada Example" --email ada@example.org
    leadflow lead engage shop:4711 --kind trial_requested
    leadflow lead show shop:4711
    """,
)
def lead() -> None:
    """Record what happens to a lead, and read it.

    A lead is named by its UUID, a unique beginning of it, or SYSTEM:ID, the id of its
    record in another system.
    """


@lead.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow lead show shop:4711
    # as it was on a day, and as it was known on another
    leadflow lead show shop:4711 --as-of 2026-03-01
    leadflow lead show shop:4711 --known-at 2026-03-01T09:30:00Z
    """,
)
@click.argument("lead", help=LEAD_HELP)
@click.option("--as-of", type=MOMENT, help="As it was then: by when things happened.")
@click.option("--known-at", type=MOMENT, help="As it was known then: by when they were recorded.")
@click.option("--version", type=click.IntRange(min=1), help="After so many of its events.")
@pass_session
def show(
    session: Session,
    /,
    lead: str,
    as_of: GivenMoment | None,
    known_at: GivenMoment | None,
    version: int | None,
) -> None:
    """Show where a lead stands."""
    asked: dict[str, Any] = {
        "as_of": as_of.last(session.zone) if as_of else None,
        "known_at": known_at.last(session.zone) if known_at else None,
        "version": version,
    }
    with session.leads() as leads:
        state = read_state(leads, lead, **asked)
    document = {
        **state.document(),
        "as_of": iso(asked["as_of"]),
        "known_at": iso(asked["known_at"]),
    }
    session.output.result(document, lambda: session.output.pairs(_lines(state, session)))


def _lines(state: LeadState, session: Session) -> list[tuple[str, object]]:
    now = state.lead
    lines: list[tuple[str, object]] = [
        ("lead", now.id),
        ("person", personal_line(state.personal)),
        ("stage", _stage(state, session)),
        ("furthest stage", _value(now.furthest_stage)),
        ("cycle", now.cycle),
        ("phase", _value(now.phase)),
        ("temperature", f"{state.temperature.value}, score {now.points}, now {state.score_now:g}"),
        ("tier", ", ".join(filter(None, (_value(now.tier), _target(now.target))))),
        ("source", ", ".join(filter(None, (now.source, now.campaign, now.channel)))),
        ("captured", when(now.captured_at, session.zone)),
        ("owner", state.owner),
        ("lease until", when(state.lease_until, session.zone)),
        ("response due", when(now.response_due, session.zone)),
        ("revenue", show_revenue(now.revenue)),
        ("permissions", ", ".join(f"{c.value} {p.value}" for c, p in now.permissions.items())),
        ("known of it", ", ".join(f"{n} = {v}" for n, v in (now.fields | now.dimensions).items())),
        ("irregular", ", ".join(dict.fromkeys(now.irregular))),
        ("merged into", now.merged_into),
        ("merged with", ", ".join(map(str, sorted(now.absorbed)))),
        ("erased", "yes" if now.erased else None),
        ("version", now.version),
    ]
    return [(name, value) for name, value in lines if value not in (None, "")]


def _stage(state: LeadState, session: Session) -> str:
    if state.lead.stage is None:
        return "not captured yet"
    since = when(state.lead.stage_since, session.zone)
    return f"{state.lead.stage.value} since {since} ({session.settings.timezone})"


def _value(member: Any) -> str:
    return "" if member is None else str(member.value)


def _target(target: bool | None) -> str:
    return {True: "target", False: "no target", None: ""}[target]


@lead.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow lead history shop:4711
    leadflow lead history shop:4711 --json
    """,
)
@click.argument("lead", help=LEAD_HELP)
@pass_session
def history(session: Session, /, lead: str) -> None:
    """Show the lead's file: all that happened, in the order it was recorded.

    What happened to leads that are merged into it stands in it too. Personal data is shown
    as long as the lead's key is there. With --json each event is a CloudEvents document.
    """
    with session.leads() as leads:
        events = person_history(leads, leads.resolve(lead))
    several = len({event.lead_id for event in events}) > 1

    def text() -> None:
        session.output.table(
            [
                Column("lead" if several else "version", right=not several),
                Column(f"when ({session.settings.timezone})"),
                Column("event"),
                Column("what", flexible=True),
                Column("personal data", flexible=True),
                Column("by"),
            ],
            [
                (
                    str(event.lead_id)[:8] if several else event.originator_version,
                    happened(event, session.zone),
                    event.topic.removeprefix("lead."),
                    describe(event),
                    personal_line(event.personal),
                    event.actor,
                )
                for event in events
            ],
        )

    session.output.result([encode(event, personal=True) for event in events], text)


@lead.command(
    cls=Command,
    examples="""
    leadflow lead find ada@example.org
    leadflow lead find "+49 30 123456"
    leadflow lead find shop:4711
    """,
)
@click.argument("text", help="An e-mail address, a phone number, or SYSTEM:ID.")
@pass_session
def find(session: Session, /, text: str) -> None:
    """Find leads by e-mail address, phone number or external id."""
    with session.leads() as leads:
        states = [read_state(leads, lead_id) for lead_id in _found(leads, text, session)]
    if not states:
        session.output.note(
            f"No lead has the address or id {text!r}.",
            hint="addresses are found as a whole only; `leadflow board` lists all leads",
        )

    def table() -> None:
        session.output.table(
            [
                Column("lead"),
                Column("stage"),
                Column("score", right=True),
                Column("person", flexible=True),
            ],
            [
                (
                    state.lead.id,
                    _value(state.lead.stage),
                    state.lead.points,
                    personal_line(state.personal),
                )
                for state in states
            ],
        )

    session.output.result([state.document() for state in states], table if states else lambda: None)


def _found(leads: Leadflow, text: str, session: Session) -> list[UUID]:
    from leadflow.errors import LeadNotFound
    from leadflow_commands.contacts import normal_email, normal_phone

    if "@" not in text and ":" in text:
        try:
            return [leads.resolve(text)]
        except LeadNotFound:
            return []
    written = {text}
    try:
        is_email = "@" in text
        region = session.settings.phone_region
        written.add(normal_email(text) if is_email else normal_phone(text, region))
    except ValueError:
        pass  # It may have been left just so.
    return sorted({lead_id for form in written for lead_id in leads.find(form)})


for _name, _verb in verbs.commands().items():
    lead.add_command(_verb, _name)
for _command in (merge, unmerge, erase, explain):
    lead.add_command(_command)
