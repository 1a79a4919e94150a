"""`leadflow lead merge` and `unmerge`: two leads are one person, or were two after all."""

from __future__ import annotations

from typing import Any

import click

from leadflow_commands.frame import LEAD_HELP, Command, pass_session
from leadflow_commands.session import Session
from leadflow_commands.verbs import envelope_from, envelope_options, report


@click.command(
    cls=Command,
    params=envelope_options(),
    examples="""
    # the lead captured first goes on
    leadflow lead merge shop:4711 fair:93
    # or the one you name
    leadflow lead merge shop:4711 fair:93 --keep fair:93
    """,
)
@click.argument("lead", help=LEAD_HELP)
@click.argument("other", help=LEAD_HELP)
@click.option(
    "--keep", metavar="LEAD", help="Which of the two goes on; else the one captured first."
)
@pass_session
def merge(session: Session, /, lead: str, other: str, keep: str | None, **given: Any) -> None:
    """Say that two leads are one person.

    Nothing is joined in the log, so `unmerge` loses nothing. The stricter consent of the
    two holds; later commands for either go to the one that goes on.
    """
    envelope = envelope_from(given, session)
    with session.leads(write=True) as leads:
        report(session, leads, leads.merge(lead, other, keep=keep, **envelope))


@click.command(
    cls=Command,
    params=envelope_options(),
    examples="leadflow lead unmerge fair:93",
)
@click.argument("lead", help=LEAD_HELP)
@pass_session
def unmerge(session: Session, /, lead: str, **given: Any) -> None:
    """Say that a lead that was merged into another is a person of its own."""
    envelope = envelope_from(given, session)
    with session.leads(write=True) as leads:
        report(session, leads, leads.unmerge(lead, **envelope))
