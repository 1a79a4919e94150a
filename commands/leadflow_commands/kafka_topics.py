"""`leadflow kafka topics`: make the topics that leadflow uses, and check them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.output import Column
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from leadflow.kafka.topics import Wanted


@click.group(
    cls=Group,
    examples="""
    leadflow kafka topics create --brokers 127.0.0.1:9092
    leadflow kafka topics check
    """,
)
def topics() -> None:
    """Make the topics that leadflow uses, and check them.

    leadflow makes no topic but here; a broker need not make any by itself.
    """


def _named(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option(
            "--events", default="leadflow.events", show_default=True, help="Where relay writes."
        ),
        click.option(
            "--inbox",
            default="leadflow.inbox",
            show_default=True,
            help="What ingest reads; dead letters go to INBOX.dlq.",
        ),
    ):
        command = option(command)
    return command


def _wanted(inbox: str, events: str, partitions: int) -> list[Wanted]:
    from leadflow.kafka.topics import wanted_topics

    return wanted_topics(
        partitions=partitions, inbox=inbox, dead_letters=f"{inbox}.dlq", events=events
    )


@topics.command(
    cls=Command,
    shares=("brokers",),
    examples="""
    leadflow kafka topics create
    leadflow kafka topics create --partitions 12 --replicas 3
    """,
)
@_named
@click.option(
    "--partitions",
    type=click.IntRange(1, 1_000),
    default=6,
    show_default=True,
    help="Of the inbox and of the events. More later would scatter a lead over two.",
)
@click.option(
    "--replicas",
    type=click.IntRange(-1, 10),
    default=-1,
    show_default=True,
    help="Copies of each partition; -1 is the broker's own default.",
)
@pass_session
def create(session: Session, /, inbox: str, events: str, partitions: int, replicas: int) -> None:
    """Make the topics that are missing; those that are there stay as they are.

    The inbox is kept for 7 days and its dead letters for 30, since both hold personal data;
    events, which hold none, for ever; how far the relay has come is compacted.
    """
    from leadflow.kafka.topics import create as make

    made = make(session.kafka, _wanted(inbox, events, partitions), replicas=replicas)

    def text() -> None:
        for name in made:
            session.output.line(f"{name} is made.")
        if not made:
            session.output.line("All of them are there.")

    session.output.result({"created": made}, text)


@topics.command(cls=Command, shares=("brokers",), examples="leadflow kafka topics check")
@_named
@click.pass_context
def check(ctx: click.Context, inbox: str, events: str) -> None:
    """See that the topics are there and as they have to be; exit 3 where one is not.

    Warns where the inbox or the dead letters keep personal data for long, or for ever.
    """
    from leadflow.kafka.topics import check as examine

    session = ctx.ensure_object(Session)
    findings = examine(session.kafka, _wanted(inbox, events, 6))
    session.output.result(
        [finding.as_data() for finding in findings],
        lambda: session.output.table(
            [Column("topic"), Column(""), Column("found", flexible=True)],
            [(one.topic, one.verdict, one.says) for one in findings],
        ),
    )
    if not session.json:
        for finding in findings:
            if finding.hint:
                session.output.note(f"{finding.topic} {finding.says}.", hint=finding.hint)
    if not all(finding.ok for finding in findings):
        ctx.exit(DIFFERENCE)
