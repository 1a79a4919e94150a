"""`leadflow generate` and `leadflow demo`: synthetic histories, for trials and a look round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.frame import Command, pass_session
from leadflow_commands.moments import MOMENT, GivenMoment
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from datetime import date

    from leadflow.persistence.store import Store
    from leadflow_commands.generating.workers import Telling


@click.command(
    cls=Command,
    examples="""
    # a small history into a store of its own
    leadflow generate --leads 2000 --store sqlite:///trial.db
    # the same history on every machine
    leadflow generate --leads 50000 --seed 7 --until 2026-01-01 --store sqlite:///load.db
    """,
)
@click.option(
    "--leads",
    "count",
    type=click.IntRange(1, 10_000_000),
    default=4_000,
    show_default=True,
    help="How many leads; each has some twenty events.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Another seed, another history; the same seed again adds nothing.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3_660),
    default=365,
    show_default=True,
    help="How many days the history spans.",
)
@click.option(
    "--until",
    type=MOMENT,
    metavar="DATE",
    help="The day whose beginning, in UTC, the history ends at; else today.",
)
@pass_session
def generate(session: Session, count: int, seed: int, days: int, until: GivenMoment | None) -> None:
    """Write a synthetic history: leads of a year, from the first contact to the contract.

    All of it goes through the same rules, scoring policy, encryption and hash chain as
    real leads. A store that holds events of another origin is left alone.
    """
    from leadflow_commands.generating import running

    with session.leads(create=True, write=True) as leads:
        plan = running.planned(leads.store, leads=count, seed=seed, days=days, until=_day(until))
        telling = telling_for(session, leads.store, count)
        with session.output.progress("generating leads", count) as progress:
            done = running.generate(leads, plan, telling, progress)
    session.output.result(done.as_data(), lambda: _show(session, done.as_data()))


def telling_for(session: Session, store: Store, count: int) -> Telling:
    """Where to tell: in processes of their own when it is worth starting them."""
    import os

    from leadflow_commands.generating.workers import Here, Workers

    cores = os.cpu_count() or 1
    if count < 1_500 or cores < 2 or ":memory:" in store.url:
        return Here(store)
    return Workers(session.settings.store, session.settings.key_file, min(cores, 4))


def _day(until: GivenMoment | None) -> date | None:
    if until is None:
        return None
    if not until.is_day:
        raise click.UsageError("--until takes a date, such as 2026-01-01")
    return until.written


def _show(session: Session, done: dict[str, Any]) -> None:
    if not done["events"]:
        session.output.line("Nothing to add: the store holds this history already.")
        return
    session.output.pairs(
        [
            ("leads", f"{done['leads']:,}"),
            ("events", f"{done['events']:,}"),
            ("seconds", f"{done['seconds']:.1f}"),
            ("events per second", f"{done['events_per_second']:,}"),
            ("ends", done["until"]),
        ]
    )
