"""`leadflow import`: leads and events from files of other systems."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow import Leadflow
    from leadflow_commands.importing.report import Report
    from leadflow_commands.output import Output

SHOWN = 20
"""Refused rows that people are shown; `--json` lists them all."""

F = TypeVar("F", bound=Callable[..., Any])


@click.group(
    "import",
    cls=Group,
    examples="""
    leadflow import olist MQLS.csv DEALS.csv
    leadflow import events EVENTS.jsonl
    """,
)
def imports() -> None:
    """Bring in what other systems know: as facts, each recorded once.

    A fact is what happened, whether the rules like it or not; where it breaks one it is
    stamped irregular and counted. The same file imported again changes nothing.
    """


def _import_options(command: F) -> F:
    dry_run = click.option(
        "--dry-run", is_flag=True, help="Print the same report and record nothing."
    )
    max_refused = click.option(
        "--max-refused",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        metavar="N",
        help="Exit with 1 when more than N were refused; the others are recorded all the same.",
    )
    return max_refused(dry_run(command))


@imports.command(
    "olist",
    cls=Command,
    examples="""
    # the two tables of Olist's marketing funnel
    leadflow import olist MQLS.csv DEALS.csv
    leadflow metrics funnel --by source
    """,
)
@click.argument("mqls", type=click.Path(path_type=Path), help="The qualified leads.")
@click.argument("deals", type=click.Path(path_type=Path), help="The closed deals.")
@_import_options
@pass_session
def olist(session: Session, mqls: Path, deals: Path, dry_run: bool, max_refused: int) -> None:
    """Import Olist's marketing qualified leads (MQLS) and closed deals (DEALS), both CSV."""
    from leadflow_commands.importing.mapping_file import SHIPPED, shipped_mapping
    from leadflow_commands.importing.reading import opened
    from leadflow_commands.importing.running import Source, import_tables

    mappings = [shipped_mapping(name) for name in SHIPPED]
    with ExitStack() as stack:
        sources = [
            Source(stack.enter_context(opened(path, mapping)), mapping)
            for path, mapping in zip((mqls, deals), mappings, strict=True)
        ]
        leads = stack.enter_context(_target(session, dry_run=dry_run))
        total = sum(source.table.rows for source in sources)
        progress = stack.enter_context(session.output.progress("importing rows", total))
        report = import_tables(leads, sources, progress, dry_run=dry_run)
    _finish(session, report, max_refused, "rows", dry_run=dry_run)


@imports.command(
    "events",
    cls=Command,
    examples="""
    # CloudEvents, one a line; sent twice, an event is recorded once
    leadflow import events EVENTS.jsonl
    # from another program, and without recording anything
    producer | leadflow import events - --dry-run
    """,
)
@click.argument(
    "file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="A file of JSON lines; - is standard input.",
)
@_import_options
@pass_session
def import_events(session: Session, file: Path, dry_run: bool, max_refused: int) -> None:
    """Import events from FILE: CloudEvents 1.0 as JSON lines; - reads standard input."""
    from leadflow_commands.importing.event_lines import import_lines, opened_lines

    path = None if str(file) == "-" else file
    with ExitStack() as stack:
        lines = stack.enter_context(opened_lines(path, sys.stdin.buffer))
        leads = stack.enter_context(_target(session, dry_run=dry_run))
        progress = stack.enter_context(session.output.progress("importing lines", lines.count))
        report = import_lines(leads, lines, progress, dry_run=dry_run)
    _finish(session, report, max_refused, "lines", dry_run=dry_run)


@contextmanager
def _target(session: Session, *, dry_run: bool) -> Generator[Leadflow]:
    """Where to import into; a rehearsal makes no store where there is none."""
    from leadflow import Leadflow
    from leadflow.errors import StoreNotFound

    with ExitStack() as stack:
        try:
            leads = stack.enter_context(session.leads(create=not dry_run, write=not dry_run))
        except StoreNotFound:
            leads = stack.enter_context(Leadflow.open("sqlite:///:memory:", create=True))
        yield leads


def _finish(
    session: Session, report: Report, max_refused: int, what: str, *, dry_run: bool
) -> None:
    data = report.as_data()
    session.output.result(data, lambda: _show(session.output, report, dry_run=dry_run))
    report.check(max_refused, what)


def _show(output: Output, report: Report, *, dry_run: bool) -> None:
    from leadflow_commands.output import Column

    if dry_run:
        output.line("Nothing was recorded; this is what would be.")
    output.pairs(
        [
            ("rows", f"{report.rows:,}"),
            ("accepted", f"{report.accepted:,}"),
            ("unchanged", f"{report.unchanged:,}"),
            ("refused", f"{report.refused:,}"),
            ("new leads", f"{report.leads:,}"),
            ("events", f"{report.events:,}"),
            ("irregular", f"{report.irregular:,}"),
        ]
    )
    if report.refusals:
        rows = [(r.file, r.line, r.reason) for r in report.refusals[:SHOWN]]
        columns = [Column("file"), Column("line", right=True), Column("reason", flexible=True)]
        output.line()
        output.table(columns, rows)
    if report.refused > SHOWN:
        output.line(f"… and {report.refused - SHOWN:,} more; --json lists them")
