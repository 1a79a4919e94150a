"""What every import command has: its options, where it records, and its report at the end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow import Leadflow
    from leadflow_commands.importing.changes import Change
    from leadflow_commands.importing.report import Report
    from leadflow_commands.output import Output

SHOWN = 20
"""Refused rows that people are shown; `--json` lists them all."""

F = TypeVar("F", bound=Callable[..., Any])


def import_options(command: F) -> F:
    """--dry-run and --max-refused."""
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


@contextmanager
def target(session: Session, *, dry_run: bool) -> Generator[Leadflow]:
    """Where to import into; a rehearsal makes no store where there is none."""
    from leadflow import Leadflow
    from leadflow.errors import StoreNotFound

    with ExitStack() as stack:
        try:
            leads = stack.enter_context(session.leads(create=not dry_run, write=not dry_run))
        except StoreNotFound:
            leads = stack.enter_context(Leadflow.open("sqlite:///:memory:", create=True))
        yield leads


def finish(session: Session, report: Report, max_refused: int, what: str, *, dry_run: bool) -> None:
    """Print the report, and fail where more was refused than is allowed."""
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
            *([("changed", f"{report.changed:,}")] if report.changed else []),
            *([("kept from the queue", f"{report.held_back:,}")] if report.held_back else []),
        ]
    )
    for file, unused in report.unused.items():
        if unused:
            output.line()
            output.line(f"{file}: no rule names {_listed(unused)}")
    if report.changes:
        _show_changes(output, report)
    if report.refusals:
        rows = [(r.file, r.line, r.reason) for r in report.refusals[:SHOWN]]
        columns = [Column("file"), Column("line", right=True), Column("reason", flexible=True)]
        output.line()
        output.table(columns, rows)
    if report.refused > SHOWN:
        output.line(f"… and {report.refused - SHOWN:,} more; --json lists them")


def _show_changes(output: Output, report: Report) -> None:
    from leadflow_commands.output import Column

    rows = [
        (c.file, c.line, c.change.lead, c.change.rule, "; ".join(c.change.what), _said(c.change))
        for c in report.changes[:SHOWN]
    ]
    columns = [
        Column("file"),
        Column("line", right=True),
        Column("lead"),
        Column("rule"),
        Column("changed", flexible=True),
        Column("recorded"),
    ]
    output.line()
    output.table(columns, rows)
    if len(report.changes) > SHOWN:
        output.line(f"… and {len(report.changes) - SHOWN:,} more; --json lists them")


def _said(change: Change) -> str:
    return "as new" if change.recorded else "no"


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(repr(column) for column in columns)
