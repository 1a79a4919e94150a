"""`leadflow generate` and `leadflow demo`: synthetic histories, for trials and a look round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.frame import Command, pass_session
from leadflow_commands.moments import MOMENT, GivenMoment
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from datetime import date

    from leadflow_commands.generating.demo import Files
    from leadflow_commands.generating.running import Generated


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
    from leadflow_commands.generating import running, workers

    last = _day(until)
    with session.leads(create=True, write=True) as leads:
        plan = running.planned(leads.store, leads=count, seed=seed, days=days, until=last)
        settings = session.settings
        telling = workers.telling_for(leads.store, settings.store, settings.key_file, count)
        with session.output.progress("generating leads", count) as progress:
            done = running.generate(leads, plan, telling, progress)
    session.output.result(done.as_data(), lambda: _show(session, done.as_data()))


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


@click.command(
    cls=Command,
    shares=(),
    examples="""
    leadflow demo
    leadflow queue list --store sqlite:///demo/leads.db
    """,
)
@click.option(
    "--leads",
    "count",
    type=click.IntRange(100, 100_000),
    default=4_000,
    show_default=True,
    help="How many leads the history has.",
)
@pass_session
def demo(session: Session, count: int) -> None:
    """Show a believable history: board, queue and funnel of a year.

    It has a store of its own, demo/leads.db, which is made anew each time, and draws the
    funnel into demo/funnel.png and demo/funnel.html.
    """
    from leadflow_commands.generating import demo as parts

    files = parts.Files()
    done = parts.record(files, count, session.output)
    rebuilt = parts.project(files)
    for picture in files.pictures:
        parts.draw(session, files, picture)
    session.output.result(
        parts.summary(files, done, rebuilt), lambda: _tell(session, files, done, rebuilt)
    )


def _tell(session: Session, files: Files, done: Generated, rebuilt: dict[str, Any]) -> None:
    """The tour: each command as it would be typed, and what it says."""
    from leadflow_commands.generating import demo as parts
    from leadflow_commands.output import Column

    output = session.output
    output.line(
        f"{done.leads:,} leads with {done.events:,} events of a year, recorded in "
        f"{done.seconds:.1f} s; {len(rebuilt['projections'])} read models built in "
        f"{rebuilt['seconds']:.1f} s."
    )
    output.line()
    output.heading("Where the leads stand")
    counts = parts.stage_counts(files)
    output.table(
        [Column("stage"), Column("leads", right=True)],
        [(stage.replace("_", " "), f"{count:,}") for stage, count in counts.items()],
    )
    for title, words in parts.TOUR:
        output.line()
        output.heading(title)
        output.line(f"$ {parts.typed(files, words)}")
        parts.call(session, files, words)
    output.line()
    output.heading("The funnel as a picture")
    for picture in files.pictures:
        output.line(f"{picture}")
    output.line()
    output.heading("What to type next")
    for comment, words in parts.following(files):
        if comment:
            output.line(f"# {comment}")
        output.line(parts.typed(files, words))
