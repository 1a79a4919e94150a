"""Carries an import out: rows or lines become facts, some thousand in one transaction.

What was recorded stays when an import is interrupted; run again, it goes on, since each
fact has an id of its own. A rehearsal does the same on a store of its own and drops it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, TypeVar, cast

from leadflow import Leadflow
from leadflow_commands.importing.drafting import Drafted, Reads
from leadflow_commands.importing.placing import Placed, Placing
from leadflow_commands.importing.reading import Row
from leadflow_commands.importing.refused_rows import RefusedRows
from leadflow_commands.importing.rehearsing import rehearsal
from leadflow_commands.importing.repeats import Repeats
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.statements import Entry, Refusal
from leadflow_commands.importing.table_rows import Source, table_readers
from leadflow_commands.importing.workers import Drafting, Here, Some, Work

__all__ = ["Progress", "Source", "import_tables", "in_slices"]

ROWS_PER_TRANSACTION = 2_000

T = TypeVar("T")


class Progress(Protocol):
    """Who is told how far an import is."""

    def advance(self, count: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Answers:
    """How the policy may answer what is imported."""

    score: bool = False
    queue: bool = False


def import_tables(
    leads: Leadflow,
    sources: Sequence[Source],
    progress: Progress,
    *,
    dry_run: bool = False,
    answers: Answers | None = None,
    drafting: Drafting | None = None,
    refused: RefusedRows | None = None,
) -> Report:
    """Record what the rows of these files tell, in the order of the files.

    Args:
        leads: where to.
        sources: the files with their mappings.
        progress: told of each transaction.
        dry_run: the report is the same, and nothing is recorded.
        answers: whether the policy gives points and fills the queue; neither without it.
        drafting: which processes read and decide; this one, where it is not given.
        refused: where to write the rows that were refused.
    """
    answers = answers or Answers()
    report = Report()
    readers = table_readers(sources, queue=answers.queue)
    own = readers()
    for source, reader in zip(sources, own, strict=True):
        report.unused[source.table.name] = reader.unused
    work = Work(readers, leads.policy(), answers.score, answers.queue, seal=not dry_run)
    batches = (
        Some(number, some)
        for number, source in enumerate(sources)
        for some in in_slices(source.table, ROWS_PER_TRANSACTION)
    )
    with ExitStack() as stack:
        target = stack.enter_context(rehearsal(leads)) if dry_run else leads
        draft = stack.enter_context((drafting or Here(leads.store.keys))(work))
        placing = Placing(target, score=answers.score, queue=answers.queue)
        repeats = stack.enter_context(Repeats())
        for some, drafts in draft(batches):
            taking = _Taking(sources[some.source], own[some.source], some, report, refused)
            taking.take(drafts, placing, repeats)
            progress.advance(len(some.raw))
    return report


@dataclass(frozen=True, slots=True)
class _Taking:
    """One batch of rows of one file, on its way into the log and the report."""

    source: Source
    reader: Reads
    some: Some
    report: Report
    refused: RefusedRows | None

    def take(self, drafts: Sequence[Drafted | Refusal], placing: Placing, repeats: Repeats) -> None:
        fresh = self._fresh(drafts, repeats)
        placed = placing.place(fresh, self._statements)
        for index, draft in fresh:
            self._settle(index, draft, placed[index])

    def _fresh(
        self, drafts: Sequence[Drafted | Refusal], repeats: Repeats
    ) -> list[tuple[int, Drafted]]:
        """The rows that could be read and whose id no row before had; the others refused."""
        good: list[tuple[int, Drafted]] = []
        for index, draft in enumerate(drafts):
            if isinstance(draft, Drafted):
                good.append((index, draft))
            else:
                self._refuse(index, draft.reason)
        if self.source.mapping.id.repeated == "further":
            return good
        records = [(draft.record, self._row(index).line) for index, draft in good]
        again = repeats.first_lines(self.some.source, records)
        for index, draft in good:
            first = again.get(self._row(index).line)
            if first is not None:
                self._refuse(index, self._repeated(draft, first))
        return [(i, draft) for i, draft in good if self._row(i).line not in again]

    def _repeated(self, draft: Drafted, first: int) -> str:
        columns = " and ".join(self.source.mapping.id.columns)
        return f"{columns}: {draft.record[:60]!r} is the id of line {first}, too"

    def _statements(self, index: int) -> Sequence[Any]:
        entry = self.reader.read(self.some.raw[index])
        assert isinstance(entry, Entry)  # it could be read before
        return entry.statements

    def _settle(self, index: int, draft: Drafted, placed: Placed) -> None:
        line = self._row(index).line
        self.report.take(placed)
        self.report.held_back += draft.held_back
        self.report.change(self.source.table.name, line, placed.changes)
        if placed.refused is not None:
            self._refuse(index, placed.refused)

    def _refuse(self, index: int, reason: str) -> None:
        row = self._row(index)
        self.report.refuse(self.source.table.name, row.line, reason)
        if self.refused is not None:
            self.refused.write(self.source.table, row, reason)

    def _row(self, index: int) -> Row:
        return cast("Row", self.some.raw[index])


def in_slices(items: Iterable[T], size: int | None) -> Iterator[list[T]]:
    """The items in lists of at most `size`; all in one where there is no limit."""
    iterator = iter(items)
    while some := list(islice(iterator, size)):
        yield some
