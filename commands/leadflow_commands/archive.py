"""`leadflow archive`: the columnar twin of the log."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.output import Column
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow_projections.archive.operating import TwinStatus


@click.group(
    cls=Group,
    examples="""
    leadflow archive seal
    leadflow archive status
    leadflow archive verify
    """,
)
def archive() -> None:
    """Keep the log as columns beside it, so that it is read many times as fast.

    The archive is a copy in Parquet files, without personal data: rebuilds, metrics and
    every reading of the past use it, and read from the log what it lacks. It can be
    thrown away at any time. It is sealed as projections run, by a rebuild, and by seal.
    """


@archive.command(
    cls=Command,
    shares=("store", "archive"),
    examples="""
    leadflow archive seal
    # on PostgreSQL: any folder
    leadflow archive seal --archive /var/lib/leadflow/archive
    # after a backup was put back: throw the archive away and seal the log that is there
    leadflow archive seal --anew
    """,
)
@click.option("--anew", is_flag=True, help="Throw away what is sealed first.")
@click.option("--yes", is_flag=True, help="Do not ask before throwing anything away.")
@pass_session
def seal(session: Session, /, anew: bool, yes: bool) -> None:
    """Seal the whole log; make again what was lost or altered.

    Copies, and removes nothing from the log. What is sealed and as it was stays.
    """
    from leadflow_projections.archive.operating import archive_of, seal_log

    begun = time.monotonic()
    with session.store() as store:
        folder = archive_of(store).folder
        if anew and archive_of(store).exists:
            session.output.confirm(
                f"Throw away the archive {folder}, and seal the log anew?", yes=yes
            )
        with session.output.progress("Sealing", store.head().position) as progress:
            done = seal_log(store, anew=anew, tell=progress.reach)
    seconds = time.monotonic() - begun
    document = {
        "folder": str(folder),
        "segments": len(done.segments),
        "events": done.events,
        "sealed_to": done.end,
        "seconds": round(seconds, 3),
        "skipped": [error.message for error in done.skipped],
    }

    def text() -> None:
        if done.events:
            session.output.line(
                f"{done.events:,} events sealed in {seconds:.1f} s; "
                f"all is sealed up to position {done.end:,}."
            )
        else:
            session.output.line(f"Everything up to position {done.end:,} is sealed already.")

    session.output.result(document, text)
    if done.skipped:
        raise done.skipped[0]


@archive.command(
    cls=Command,
    shares=("store", "archive"),
    examples="""
    leadflow archive status
    leadflow archive status --json
    """,
)
@pass_session
def status(session: Session, /) -> None:
    """Show what is sealed, its size, and the tail that is still read from the log."""
    from leadflow_projections.archive.operating import twin_status

    with session.store() as store:
        found = twin_status(store)
    session.output.result(found.as_data(), lambda: _show(session, found))


def _show(session: Session, found: TwinStatus) -> None:
    per_event = f", {found.size_bytes / found.events:.0f} bytes an event" if found.events else ""
    session.output.pairs(
        [
            ("folder", found.folder),
            ("segments", f"{found.segments:,}"),
            ("events", f"{found.events:,}"),
            ("sealed up to position", f"{found.sealed_to:,}"),
            ("size", f"{found.size_bytes / 1e6:,.1f} MB{per_event}"),
            ("tail in the log", f"{found.tail:,} events"),
        ]
    )
    if found.foreign is not None:
        session.output.warn(found.foreign.message, hint=found.foreign.hint)
    if found.outdated:
        session.output.note(
            f"{found.outdated} segments are of another release.",
            hint="`leadflow archive seal` seals them for this one",
        )
    for damaged in found.damaged:
        session.output.warn(
            f"segment {damaged.name} is damaged: {damaged.why}",
            hint="`leadflow archive seal` makes it again; until then the log is read instead",
        )
    if found.leftovers:
        files = "a file" if len(found.leftovers) == 1 else f"{len(found.leftovers)} files"
        session.output.note(f"A sealing that was broken off left {files}; the next removes them.")


@archive.command(
    cls=Command,
    shares=("store", "archive"),
    examples="""
    leadflow archive verify
    # in a nightly job: exit code 3 says that a segment differs from the log
    leadflow archive verify -q || leadflow archive seal
    """,
)
@click.pass_context
def verify(ctx: click.Context) -> None:
    """Hold every segment against the log, event by event; exit 3 names those that differ.

    Checks each segment's place in the log's hash chain, its file byte for byte, and that
    it holds the very events that the log has.
    """
    from leadflow_projections.archive.operating import archive_of
    from leadflow_projections.archive.verifying import verify_twin
    from leadflow_projections.errors import ArchiveForeign

    session = ctx.ensure_object(Session)
    with session.store() as store:
        twin = archive_of(store)
        try:
            with session.output.progress("Verifying", twin.survey().last) as progress:
                found = verify_twin(store, twin, tell=progress.reach)
        except ArchiveForeign as error:
            why = error.message
            refused: dict[str, Any] = {"ok": False, "refused": why, "differences": []}
            session.output.result(refused, lambda: session.output.line(f"{why}."))
            session.output.note("Nothing of it is used.", hint=error.hint)
            ctx.exit(DIFFERENCE)
    differences = [{"segment": each.name, "why": each.why} for each in found.differences]
    document = {
        "ok": not differences,
        "segments": found.segments,
        "events": found.events,
        "differences": differences,
    }

    def text() -> None:
        if differences:
            session.output.table(
                [Column("segment"), Column("what is wrong", flexible=True)],
                [(each.name, each.why) for each in found.differences],
            )
        else:
            session.output.line(
                f"{found.events:,} events in {found.segments:,} "
                f"{'segment' if found.segments == 1 else 'segments'}, every one as the log has it."
            )

    session.output.result(document, text)
    if differences:
        session.output.note(
            "What differs is not used.",
            hint="`leadflow archive seal` makes it again; `leadflow log verify` checks the log",
        )
        ctx.exit(DIFFERENCE)
