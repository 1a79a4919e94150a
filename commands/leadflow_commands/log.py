"""`leadflow log`: count, verify and export the event log."""

from __future__ import annotations

import click

from leadflow_commands.exporting import export
from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.moments import iso, when
from leadflow_commands.output import Column
from leadflow_commands.session import Session


@click.group(
    cls=Group,
    examples="""
    leadflow log stats
    leadflow log verify
    leadflow log export --format jsonl events.jsonl
    """,
)
def log() -> None:
    """Count, verify and export the event log."""


@log.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow log stats
    leadflow log stats --json
    """,
)
@pass_session
def stats(session: Session, /) -> None:
    """Count the events of the log, by type, and its leads."""
    from leadflow.persistence.describing import describe

    with session.store() as store:
        described = describe(store)
    by_count = sorted(described.by_topic.items(), key=lambda item: (-item[1], item[0]))
    document = {
        "events": sum(described.by_topic.values()),
        "leads": described.leads,
        "last_position": described.position,
        "last_recorded_at": iso(described.last_recorded_at),
        "by_type": dict(sorted(described.by_topic.items())),
    }

    def text() -> None:
        latest = when(described.last_recorded_at, session.zone)
        session.output.pairs(
            [
                ("events", f"{document['events']:,}"),
                ("leads", f"{described.leads:,}"),
                ("last position", f"{described.position:,}"),
                (f"last recorded ({session.settings.timezone})", latest or "nothing yet"),
            ]
        )
        session.output.line()
        session.output.table(
            [Column("type"), Column("events", right=True)],
            [(topic, f"{count:,}") for topic, count in by_count],
        )

    session.output.result(document, text)


@log.command(
    cls=Command,
    examples="""
    leadflow log verify
    # in a nightly job: exit code 3 says that the log was altered
    leadflow log verify -q || echo "the log was altered"
    """,
)
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Recompute the hash chain; exit 3 names the first event that is not as recorded.

    Finds any byte altered, and any event removed (the last one too), inserted or moved.
    """
    from leadflow.persistence.verify import FirstDifference, verify_log

    session = ctx.ensure_object(Session)
    with (
        session.store() as store,
        session.output.progress("Verifying", store.head().position) as progress,
    ):
        outcome = verify_log(store, progress=progress.reach)
    if isinstance(outcome, FirstDifference):
        difference = {"ok": False, "position": outcome.position, "what": outcome.what}
        session.output.result(
            difference,
            lambda: session.output.line(f"The log is not what was recorded: {outcome.what}."),
        )
        ctx.exit(DIFFERENCE)
    session.output.result(
        {"ok": True, "events": outcome.position, "hash": outcome.hash.hex()},
        lambda: session.output.line(
            f"{outcome.position:,} events, every one as it was recorded. "
            f"The chain ends with {outcome.hash.hex()}."
        ),
    )


log.add_command(export)
