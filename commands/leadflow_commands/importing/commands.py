"""`leadflow import`: leads and events from files of other systems."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path

import click

from leadflow_commands.frame import Command, Group, Lazy, pass_session
from leadflow_commands.importing.carrying import finish, import_options, target
from leadflow_commands.session import Session


@click.group(
    "import",
    cls=Group,
    examples="""
    leadflow import csv DEALS.csv --mapping deals.toml
    leadflow import events EVENTS.jsonl
    leadflow import spend SPEND.csv
    """,
    lazy={
        "csv": Lazy(
            "leadflow_commands.importing.csv_command:import_csv",
            "Import the rows of CSV files as facts, by a mapping of their columns.",
        ),
        "spend": Lazy(
            "leadflow_commands.importing.spend_command:spend",
            "Import what was spent from FILE: CSV with one row for each amount.",
        ),
        "mappings": Lazy(
            "leadflow_commands.importing.mappings_command:mappings",
            "List the mappings that come with leadflow, or print the one called NAME.",
        ),
    },
)
def imports() -> None:
    """Bring in what other systems know: as facts, each recorded once.

    A fact is what happened, whether the rules like it or not; where it breaks one it is
    stamped irregular and counted. The same file imported again changes nothing.
    """


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
@import_options
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
        leads = stack.enter_context(target(session, dry_run=dry_run))
        total = sum(source.table.rows for source in sources)
        progress = stack.enter_context(session.output.progress("importing rows", total))
        report = import_tables(leads, sources, progress, dry_run=dry_run)
    finish(session, report, max_refused, "rows", dry_run=dry_run)


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
@import_options
@pass_session
def import_events(session: Session, file: Path, dry_run: bool, max_refused: int) -> None:
    """Import events from FILE: CloudEvents 1.0 as JSON lines; - reads standard input."""
    from leadflow_commands.importing.event_lines import import_lines
    from leadflow_commands.importing.line_sources import opened_lines
    from leadflow_commands.importing.workers import drafting_for

    path = None if str(file) == "-" else file
    with ExitStack() as stack:
        lines = stack.enter_context(opened_lines(path, sys.stdin.buffer))
        leads = stack.enter_context(target(session, dry_run=dry_run))
        progress = stack.enter_context(session.output.progress("importing lines", lines.count))
        settings = session.settings
        drafting = drafting_for(leads.store, settings.store, settings.key_file, lines.count)
        report = import_lines(leads, lines, progress, dry_run=dry_run, drafting=drafting)
    finish(session, report, max_refused, "lines", dry_run=dry_run)
