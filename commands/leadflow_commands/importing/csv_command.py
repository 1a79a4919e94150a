"""`leadflow import csv`: rows of any system's export, as a mapping reads them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadflow_commands.frame import Command, pass_session
from leadflow_commands.importing.carrying import finish, import_options, target
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow_commands.importing.report import Report


@click.command(
    "csv",
    cls=Command,
    examples="""
    # a first draft of the mapping, to be read through and edited
    leadflow import csv DEALS.csv --suggest > deals.toml
    # what the mapping would make of the file
    leadflow import csv DEALS.csv --mapping deals.toml --dry-run
    # record it; rows that cannot be read go to a file, to be mended and imported again
    leadflow import csv DEALS.csv --mapping deals.toml --refused-to refused.csv
    """,
)
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE...",
    help="CSV files; KIND=FILE where the mapping tells several kinds apart.",
)
@click.option(
    "--mapping",
    metavar="MAP.toml",
    help="What the columns mean: a file, or one of `leadflow import mappings`.",
)
@click.option(
    "--suggest",
    is_flag=True,
    help="Draft a mapping from FILE's header and rows, print it, and record nothing.",
)
@click.option("--score", is_flag=True, help="Let the policy give points, dated as their causes.")
@click.option("--queue", is_flag=True, help="Let leads enter the sales-ready queue.")
@click.option(
    "--refused-to",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help="Write the refused rows there, each with its reason.",
)
@import_options
@pass_session
def import_csv(
    session: Session,
    *,
    files: tuple[str, ...],
    mapping: str | None,
    suggest: bool,
    score: bool,
    queue: bool,
    refused_to: Path | None,
    dry_run: bool,
    max_refused: int,
) -> None:
    """Import the rows of CSV files as facts, by a mapping of their columns.

    No policy runs and nothing enters the queue unless asked for. A later export of the
    same records adds what is new, and lists what changed.
    """
    if suggest:
        _suggest(session, files, mapping)
        return
    if mapping is None:
        raise click.UsageError("--mapping MAP.toml is missing; --suggest drafts one")
    with ExitStack() as stack:
        report = _imported(
            session,
            stack,
            files,
            mapping,
            dry_run=dry_run,
            score=score,
            queue=queue,
            refused_to=refused_to,
        )
    finish(session, report, max_refused, "rows", dry_run=dry_run)


def _suggest(session: Session, files: tuple[str, ...], mapping: str | None) -> None:
    from leadflow_commands.importing.suggesting import suggestion

    if mapping is not None or len(files) != 1:
        raise click.UsageError("--suggest takes one FILE, and no --mapping")
    text = suggestion(Path(files[0]))
    session.output.result({"mapping": text}, lambda: session.output.line(text.rstrip("\n")))


def _imported(
    session: Session,
    stack: ExitStack,
    files: tuple[str, ...],
    mapping: str,
    *,
    dry_run: bool,
    score: bool,
    queue: bool,
    refused_to: Path | None,
) -> Report:
    from leadflow_commands.importing.arranging import arranged
    from leadflow_commands.importing.named_mappings import find_mapping
    from leadflow_commands.importing.refused_rows import RefusedRows
    from leadflow_commands.importing.running import Answers, import_tables
    from leadflow_commands.importing.workers import drafting_for

    sources = arranged(files, find_mapping(mapping), stack)
    leads = stack.enter_context(target(session, dry_run=dry_run))
    total = sum(source.table.rows for source in sources)
    refused = stack.enter_context(RefusedRows(refused_to)) if refused_to is not None else None
    progress = stack.enter_context(session.output.progress("importing rows", total))
    settings = session.settings
    return import_tables(
        leads,
        sources,
        progress,
        dry_run=dry_run,
        answers=Answers(score, queue),
        drafting=drafting_for(leads.store, settings.store, settings.key_file, total),
        refused=refused,
    )
