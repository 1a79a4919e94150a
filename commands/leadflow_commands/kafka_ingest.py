"""`leadflow kafka ingest`: facts of other systems, from a topic into the log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.frame import Command, pass_session
from leadflow_commands.inbox_options import allow_option, score_option, terms_of
from leadflow_commands.moments import DURATION
from leadflow_commands.session import Session
from leadflow_commands.stopping import until_told

if TYPE_CHECKING:
    from collections.abc import Callable

    from leadflow.kafka.intake import Taken
    from leadflow_commands.progress import Progress


@click.command(
    cls=Command,
    shares=("store", "brokers"),
    examples="""
    # until it is stopped
    leadflow kafka ingest --brokers 127.0.0.1:9092
    # up to where the topic ends now, in a job of its own
    leadflow kafka ingest --once
    # a worker that gets its partitions back when it is restarted
    leadflow kafka ingest --instance worker-1 --allow 'scoring/*=lead.scored'
    """,
)
@click.option(
    "--topic",
    default="leadflow.inbox",
    show_default=True,
    help="The topic to read; what cannot be recorded goes to TOPIC.dlq.",
)
@click.option("--group", default="leadflow", show_default=True, help="The consumer group.")
@click.option(
    "--instance",
    metavar="NAME",
    help="A name that this worker keeps (group.instance.id): restarted within the session's "
    "time, it gets its partitions back without a rebalance.",
)
@allow_option
@score_option
@click.option(
    "--hold",
    type=DURATION,
    default="5min",
    show_default=True,
    help="How long a fact waits for one that has to come before it, such as a capture.",
)
@click.option(
    "--keep",
    type=DURATION,
    default="30d",
    show_default=True,
    help="How long the store keeps a dead letter.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 20_000),
    default=1_000,
    show_default=True,
    help="Messages in one transaction at most.",
)
@click.option(
    "--session-timeout",
    type=click.FloatRange(1, 1_800),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Without a sign of life for so long, a worker's partitions go to the others.",
)
@click.option("--once", is_flag=True, help="Stop at the topic's end as it stood at the start.")
@pass_session
def ingest(
    session: Session,
    /,
    *,
    topic: str,
    group: str,
    instance: str | None,
    allow: tuple[str, ...],
    score: bool,
    hold: timedelta,
    keep: timedelta,
    batch: int,
    session_timeout: float,
    once: bool,
) -> None:
    """Record the facts that other systems send to a topic, each exactly once.

    Events, offsets and the ids of the messages are recorded in one transaction, so that a
    crash at any moment neither loses nor doubles. What is invalid or refused becomes a dead
    letter and holds up nobody. On SQLite one worker runs, on PostgreSQL as many as the topic
    has partitions.
    """
    from leadflow.kafka.ingest import Options, run

    options = Options(
        topic=topic,
        group=group,
        instance=instance,
        session_seconds=session_timeout,
        most=batch,
        once=once,
    )
    terms = terms_of(session, allow, score=score, hold=hold, keep=keep)
    if not once:
        session.output.note(f"Ingesting {topic}. Ctrl-C stops it.")
    with (
        session.leads(write=True) as leads,
        session.output.progress("Ingesting") as progress,
        until_told() as stopped,
    ):
        taken = run(
            leads, session.kafka, options, terms, stopped=stopped, progress=_shown(progress)
        )
    session.output.result(_data(taken), lambda: session.output.pairs(_text(taken)))


def _shown(progress: Progress) -> Callable[[Taken], None]:
    def show(taken: Taken) -> None:
        done = taken.recorded + taken.repeated + taken.buried + taken.held
        if done:
            progress.advance(done)

    return show


def _data(taken: Taken) -> dict[str, Any]:
    return {
        "recorded": taken.recorded,
        "repeated": taken.repeated,
        "irregular": taken.irregular,
        "held": taken.held,
        "dead_letters": taken.buried,
    }


def _text(taken: Taken) -> list[tuple[str, object]]:
    return [(name.replace("_", " "), f"{count:,}") for name, count in _data(taken).items()]
