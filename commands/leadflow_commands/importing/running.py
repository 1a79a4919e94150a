"""Carries an import out: rows or lines become facts, a few thousand in one transaction.

What was recorded stays when an import is interrupted; run again, it goes on, since each
fact has an id of its own. A rehearsal decides everything in one transaction and drops it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from leadflow import Batch, CommandReused, Leadflow, Recorded
from leadflow.errors import LeadflowError
from leadflow_commands.importing.compiling import RowFacts, RowReader, RowRefused
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.importing.reading import Row, Table
from leadflow_commands.importing.report import Report

ROWS_PER_TRANSACTION = 1_000

T = TypeVar("T")


class Progress(Protocol):
    """Who is told how far an import is."""

    def advance(self, count: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is whole, and the mapping that reads it."""

    table: Table
    mapping: MappingFile


@dataclass(frozen=True, slots=True)
class _Pending:
    """A row whose facts are in the batch: where, until the batch is carried out."""

    file: str
    line: int
    outcomes: tuple[int, ...]


def import_tables(
    leads: Leadflow, sources: Sequence[Source], progress: Progress, *, dry_run: bool = False
) -> Report:
    """Record what the rows of these files tell, in the order of the files.

    With `dry_run` the report is the same, and nothing is recorded.
    """
    report = Report()
    rows = ((source, row) for source in sources for row in source.table)
    size = None if dry_run else ROWS_PER_TRANSACTION
    readers = {id(s): RowReader(s.mapping, s.table.header) for s in sources}
    for some in in_slices(rows, size):
        with leads.batch(errors="collect", dry_run=dry_run) as batch:
            pending = [
                waiting
                for source, row in some
                if (waiting := _record(batch, source, readers[id(source)], row, report))
            ]
        for row in pending:
            settle(row.file, row.line, [batch.results[i] for i in row.outcomes], report)
        progress.advance(len(some))
    return report


def in_slices(items: Iterable[T], size: int | None) -> Iterator[list[T]]:
    """The items in lists of at most `size`; all in one where there is no limit."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some


def settle(
    file: str, line: int, outcomes: Sequence[Recorded | LeadflowError], report: Report
) -> None:
    """Count a row or line by what became of its facts; the first error refuses it."""
    refused = next((o for o in outcomes if isinstance(o, LeadflowError)), None)
    report.take([o for o in outcomes if isinstance(o, Recorded)], refused=refused is not None)
    if refused is not None:
        report.refuse(file, line, _reason(refused))


def _reason(error: LeadflowError) -> str:
    if isinstance(error, CommandReused):
        return "it was imported before with other content, which stays as it is"
    return error.message


def _record(
    batch: Batch, source: Source, reader: RowReader, row: Row, report: Report
) -> _Pending | None:
    name = source.table.name
    try:
        read = reader.read(row)
    except RowRefused as error:
        report.refuse(name, row.line, str(error))
        return None
    known = source.mapping.id.unknown == "refuse"
    return _Pending(name, row.line, tuple(_add(batch, read, source.mapping.system, known=known)))


def _add(batch: Batch, row: RowFacts, system: str, *, known: bool) -> Iterator[int]:
    for fact in row.facts:
        yield batch.record_fact(
            fact.topic,
            row.lead,
            fact.fields,
            message_id=fact.message_id,
            must_exist=known,
            producer=system,
            occurred_at=fact.time.moment,
            time_basis=fact.time.basis,
            actor=fact.actor,
        )
