"""Rows of tables as statements: what reads them, here and in other processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leadflow.domain.events import BecameSalesReady
from leadflow_commands.importing.compiling import Fact, RowReader, RowRefused
from leadflow_commands.importing.lookups import Lookup
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.importing.reading import Row, Table
from leadflow_commands.importing.statements import Entry, Refusal, Statement


@dataclass(frozen=True, slots=True)
class Source:
    """A file that is whole, and the mapping that reads it."""

    table: Table
    mapping: MappingFile
    lookups: Mapping[str, Lookup] = field(default_factory=dict[str, Lookup])
    """The files that its rows are joined with, by their kind."""


@dataclass(frozen=True, slots=True)
class _Layout:
    mapping: MappingFile
    header: tuple[str, ...]
    lookups: Mapping[str, Lookup]


@dataclass(frozen=True, slots=True)
class TableReaders:
    """Makes what reads the rows of each source."""

    layouts: tuple[_Layout, ...]
    queue: bool
    """Whether a row may put its lead into the queue."""

    def __call__(self) -> list[RowStatements]:
        return [RowStatements(layout, queue=self.queue) for layout in self.layouts]


def table_readers(sources: Sequence[Source], *, queue: bool) -> TableReaders:
    """What reads the rows of these sources."""
    layouts = (_Layout(s.mapping, s.table.header, s.lookups) for s in sources)
    return TableReaders(tuple(layouts), queue)


class RowStatements:
    """Reads rows as what they state."""

    def __init__(self, layout: _Layout, *, queue: bool) -> None:
        self._mapping = layout.mapping
        self._reader = RowReader(layout.mapping, layout.header, layout.lookups)
        self._queue = queue
        self._known = layout.mapping.id.unknown == "refuse"

    @property
    def unused(self) -> tuple[str, ...]:
        """The file's columns that the mapping does not name."""
        return self._reader.unused

    def read(self, raw: Row) -> Entry | Refusal:
        """What a row states, or why it cannot be read."""
        try:
            row = self._reader.read(raw)
        except RowRefused as error:
            return Refusal(str(error))
        facts = row.facts
        if not self._queue:
            facts = tuple(fact for fact in facts if fact.topic != BecameSalesReady.topic)
        statements = [self._statement(row.lead, fact) for fact in facts]
        return Entry(row.lead, row.record, statements, len(row.facts) - len(facts))

    def _statement(self, lead: str, fact: Fact) -> Statement:
        return Statement(
            topic=fact.topic,
            lead=lead,
            fields=fact.fields,
            message_id=fact.message_id(),
            producer=self._mapping.system,
            occurred_at=fact.time.moment,
            time_basis=fact.time.basis,
            actor=fact.actor,
            rule=fact.rule,
            must_exist=self._known,
            revised=fact.message_id,
        )
