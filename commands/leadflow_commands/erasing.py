"""`leadflow lead erase`: destroy the key of a lead's personal data, for good."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.frame import LEAD_HELP, Command, pass_session
from leadflow_commands.output import NotConfirmed
from leadflow_commands.session import Session
from leadflow_commands.verbs import envelope_from, envelope_options, report

if TYPE_CHECKING:
    from uuid import UUID


@click.command(
    cls=Command,
    params=envelope_options(),
    examples="""
    # asks for the id once more
    leadflow lead erase shop:4711 --request-id DSR-2026-17
    # in a script
    leadflow lead erase shop:4711 --confirm shop:4711
    """,
)
@click.argument("lead", help=LEAD_HELP)
@click.option("--request-id", help="The id of the person's request.")
@click.option(
    "--confirm", metavar="ID", help="The lead's UUID or SYSTEM:ID once more, not to be asked."
)
@pass_session
def erase(
    session: Session, /, lead: str, request_id: str | None, confirm: str | None, **given: Any
) -> None:
    """Destroy the key of a lead's personal data; this cannot be undone.

    The lead still counts in every figure and takes no more events. Its name and address can
    be read no more, in no copy of the log; only a backup from before still has the key.
    """
    envelope = envelope_from(given, session)
    with session.leads(write=True) as leads:
        lead_id = leads.resolve(lead)
        _ask(session, lead, lead_id, confirm)
        report(session, leads, leads.erase(lead_id, request_id=request_id, **envelope))


def _ask(session: Session, lead: str, lead_id: UUID, confirm: str | None) -> None:
    """The id has to be typed again: whole, not as a beginning."""
    if confirm is None:
        if session.json or not sys.stdin.isatty():
            raise NotConfirmed(
                f"Erasing lead {lead_id} cannot be undone: give --confirm {lead_id}."
            )
        question = f"Erasing lead {lead_id} cannot be undone. Type its id again"
        confirm = str(click.prompt(question, err=True, default="", show_default=False))
    same = confirm == str(lead_id) or (":" in confirm and confirm == lead)
    if not same:
        raise NotConfirmed(f"{confirm!r} is not the id of lead {lead_id}: nothing was erased.")
