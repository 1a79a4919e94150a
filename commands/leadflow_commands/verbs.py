"""`leadflow lead VERB`: one command per verb of the facade, made from the event models."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import click

from leadflow.domain import events as e
from leadflow.domain.values import TimeBasis
from leadflow.verbs import Verbs
from leadflow_commands.event_lines import describe
from leadflow_commands.event_options import fields_from, options_of
from leadflow_commands.frame import LEAD_HELP, Command
from leadflow_commands.moments import MOMENT, GivenMoment, iso
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow import Leadflow, Recorded


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb: the facade's method of that name, the event it records, an example."""

    method: str
    event: type[e.LeadEvent]
    example: str

    @property
    def name(self) -> str:
        return self.method.replace("_", "-")


VERBS: Final = (
    Verb(
        "capture",
        e.Captured,
        '--id shop:4711 --name "Ada Example" --email ada@example.org --source paid_search',
    ),
    Verb("enrich", e.Enriched, "shop:4711 --field employees=120 --dimension industry=retail"),
    Verb("engage", e.Engaged, "shop:4711 --kind trial_requested --campaign spring"),
    Verb("score", e.Scored, 'shop:4711 --points 20 --reason "met at the fair"'),
    Verb("qualify", e.Qualified, 'shop:4711 --tier MQL --target --criteria "over 100 people"'),
    Verb("disqualify", e.Disqualified, "shop:4711 --reason non_target"),
    Verb("nurture", e.Nurtured, 'shop:4711 --programme welcome --content "buying guide"'),
    Verb("make_sales_ready", e.BecameSalesReady, "shop:4711 --override"),
    Verb("claim", e.Claimed, "shop:4711 --owner grace"),
    Verb("release", e.Released, "shop:4711 --owner grace --reason holiday"),
    Verb("hand_over", e.HandedOver, "shop:4711 --to-owner grace --from-owner ada"),
    Verb("accept", e.Accepted, "shop:4711 --by grace"),
    Verb("return_to_marketing", e.Returned, 'shop:4711 --by grace --reason "no budget this year"'),
    Verb("contact", e.Contacted, "shop:4711 --channel phone --outcome conversation --by grace"),
    Verb("offer", e.OfferMade, "shop:4711 --offer-id O-17 --amount 1999.00 EUR"),
    Verb("accept_offer", e.OfferAccepted, "shop:4711 --offer-id O-17"),
    Verb("decline_offer", e.OfferDeclined, 'shop:4711 --offer-id O-17 --reason "too dear"'),
    Verb("purchase", e.Purchased, "shop:4711 --order-id 10023 --amount 1999.00EUR"),
    Verb("refund", e.Refunded, "shop:4711 --order-id 10023 --amount 500.00 EUR"),
    Verb("lose", e.Lost, 'shop:4711 --reason "went silent" --competitor Acme'),
    Verb("reopen", e.Reopened, 'shop:4711 --reason "asked for further licences"'),
    Verb("give_consent", e.ConsentGiven, "shop:4711 --channel email --text-version 2026-01"),
    Verb("withdraw_consent", e.ConsentWithdrawn, "shop:4711 --channel phone"),
)
"""Every verb that takes one lead and fields; merge, unmerge and erase are apart."""

ENVELOPE: Final = (
    (
        "--occurred-at",
        MOMENT,
        "When it happened; a bare date when only the day is known. Else now.",
    ),
    ("--actor", None, "Who did it; also LEADFLOW_ACTOR."),
    (
        "--command-id",
        None,
        "Any text or UUID; makes it safe to repeat: sent again, it is recorded once.",
    ),
    ("--correlation-id", None, "Id of the whole that it belongs to, in your systems."),
)


def envelope_options() -> list[click.Parameter]:
    """The options of every command that records something."""
    return [click.Option([flag], type=kind, help=text) for flag, kind, text in ENVELOPE]


def envelope_from(given: dict[str, Any], session: Session) -> dict[str, Any]:
    """What those options say, as the facade's methods take it."""
    envelope: dict[str, Any] = {
        "actor": given.get("actor") or session.settings.actor,
        "command_id": given.get("command_id"),
        "correlation_id": given.get("correlation_id"),
    }
    moment: GivenMoment | None = given.get("occurred_at")
    if moment is not None:
        # A date known only to the day is kept as its 00:00 UTC, whoever reads it where.
        envelope["occurred_at"] = moment.first(UTC)
        envelope["time_basis"] = TimeBasis.DAY if moment.is_day else TimeBasis.EXACT
    return {name: value for name, value in envelope.items() if value is not None}


def commands() -> dict[str, click.Command]:
    """The generated commands of `leadflow lead` by name."""
    return {verb.name: _command(verb, "lead") for verb in VERBS}


def command_for(name: str, *, group: str) -> click.Command:
    """One of the verbs as a command of another group."""
    return next(_command(verb, group) for verb in VERBS if verb.name == name)


def _command(verb: Verb, group: str) -> click.Command:
    method = getattr(Verbs, verb.method)
    lead: click.Parameter
    if verb.event is e.Captured:
        lead = click.Option(
            ["--id", "lead"],
            metavar="SYSTEM:ID",
            help="The record in your system; without it the lead gets a new UUID.",
        )
    else:
        lead = click.Argument(["lead"], help=LEAD_HELP)
    params = [lead, *options_of(verb.event, method), *envelope_options()]
    purpose = (method.__doc__ or "").strip()
    return Command(
        verb.name,
        params=params,
        callback=click.pass_obj(partial(_run, verb)),
        help=f"{purpose}\n\nRecords {verb.event.topic}.{_lead_help(verb)}",
        shares=("store", "tz"),
        short_help=purpose.partition("\n")[0],
        examples=f"leadflow {group} {verb.name} {verb.example}",
    )


def _lead_help(verb: Verb) -> str:
    if verb.event is e.Captured:
        return " Makes the SQLite file of the store where there is none yet."
    return ""


def _run(verb: Verb, session: Session, **given: Any) -> None:
    capturing = verb.event is e.Captured
    fields = fields_from(verb.event, given, session)
    envelope = envelope_from(given, session)
    with session.leads(create=capturing, write=True) as leads:
        method = getattr(leads, verb.method)
        report(session, leads, method(given["lead"] or uuid4(), **fields, **envelope))


def report(session: Session, leads: Leadflow, recorded: Recorded) -> None:
    """Say what was recorded, and where the lead now stands."""
    lead = leads.get(recorded.lead_id)
    document = {
        "lead_id": recorded.lead_id,
        "version": lead.version,
        "stage": lead.stage,
        "score": lead.points,
        "repeated": recorded.repeated,
        "events": [
            {"type": event.topic, "id": event.event_id, "occurred_at": iso(event.occurred_at)}
            for event in recorded.events
        ],
    }

    def text() -> None:
        if recorded.repeated:
            session.output.note("This command was recorded before; nothing was added.")
        session.output.line(f"lead {recorded.lead_id}")
        for event in recorded.events:
            session.output.line(
                f"  {event.topic.removeprefix('lead.'):20} {describe(event)}".rstrip()
            )
        stage = lead.stage.value if lead.stage else "not captured yet"
        session.output.line(f"now {stage}, score {lead.points}, version {lead.version}")

    session.output.result(document, text)
