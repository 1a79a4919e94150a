"""Reads a CSV file as rows of texts, each with the line it begins at.

A file is read twice: once to see that it is whole, so that nothing of a broken one is
recorded, and once for its rows. Either way memory does not grow with it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from leadflow_commands.importing.columns import check_columns
from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.file_kinds import other_kind
from leadflow_commands.importing.mapping import MappingFile, Reading
from leadflow_commands.importing.quoting import quote_trouble
from leadflow_commands.importing.text_lines import TextLines
from leadflow_commands.importing.whole_files import name_of, rereadable

__all__ = ["LONGEST_FIELD", "Row", "Table", "UnreadableFile", "opened", "opened_table"]

LONGEST_FIELD: Final = 1_000_000
"""Characters of a single field; a longer one is a quote that never closes."""
_SEP_LINE: Final = re.compile(r"sep=(.)\r?\n?")
"""The line by which a file tells Excel its delimiter."""


class Row(NamedTuple):
    """One record of a file, all of it text."""

    line: int
    """The line it begins at; the header is line 1."""
    cells: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A file that is whole: it was read once, to its end."""

    path: Path
    name: str
    """What to call it in messages."""
    reading: Reading
    header: tuple[str, ...]
    rows: int

    def __iter__(self) -> Iterator[Row]:
        records = _Records(self.path, self.name, self.reading)
        return islice(iter(records), 1, None)


@contextmanager
def opened(path: Path, mapping: MappingFile) -> Generator[Table]:
    """The table in a file, which has the columns that a mapping names; see `opened_table`.

    Raises:
        UnreadableFile: when it is not whole, or lacks a column that the mapping names.
    """
    with opened_table(path, mapping.reading, mapping) as table:
        yield table


@contextmanager
def opened_table(
    path: Path, reading: Reading, mapping: MappingFile | None = None, *, name: str | None = None
) -> Generator[Table]:
    """The table in a file, after a look at all of it; `-` is standard input.

    What can be read only once, such as a pipe, is copied to a temporary file first, and
    what gzip packed is unpacked into one.

    Raises:
        UnreadableFile: when it is empty, is no text or no CSV, or ends early.
    """
    with rereadable(path) as kept:
        yield _looked_at(kept, name or name_of(path), reading, mapping)


def _looked_at(path: Path, name: str, reading: Reading, mapping: MappingFile | None) -> Table:
    kind = other_kind(path)
    if kind is not None:
        raise UnreadableFile(
            f"{name}, line 1, column 1: this is {kind}, not CSV", hint="export or save it as CSV"
        )
    records = _Records(path, name, reading)
    rows = iter(records)
    first = next(rows, None)
    if first is None:
        raise UnreadableFile(f"{name}, line 1: the file is empty; it has not even a header")
    header = tuple(cell.strip() for cell in first.cells)
    if mapping is not None:
        check_columns(header, f"{name}, line {first.line}", mapping)
    count, last = 0, first
    for row in rows:
        count, last = count + 1, row
    if len(last.cells) < len(header) and not records.lines.complete:
        raise UnreadableFile(
            f"{name}, line {last.line}: the file ends in the middle of a row, "
            f"in column {header[len(last.cells) - 1]!r}",
            hint="it was not copied whole; nothing of it was imported",
        )
    return Table(path=path, name=name, reading=reading, header=header, rows=count)


class _Records:
    """The records of a file with their lines, the header too; empty ones are none."""

    def __init__(self, path: Path, name: str, reading: Reading) -> None:
        self._name = name
        self._reading = reading
        encoding = "utf-8-sig" if reading.encoding == "utf-8" else reading.encoding
        self.lines = TextLines(path, name, encoding)

    def __iter__(self) -> Iterator[Row]:
        lines, reading = self.lines, self._reading
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(
            self._without_sep_line(iter(lines)),
            delimiter=reading.delimiter,
            quotechar=reading.quote,
            strict=True,
        )
        begins = 1
        try:
            for cells in reader:
                # A row of nothing but delimiters is what spreadsheets make of an empty one.
                if any(cells):
                    yield Row(begins, cells)
                begins = lines.number + 1
                lines.pending = 0
        except csv.Error as error:
            raise self._broken(error, begins) from error

    def _without_sep_line(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if self.lines.number == 1 and (told := _SEP_LINE.fullmatch(line)):
                self._check_delimiter(told[1])
                line = "\n"  # noqa: PLW2901 - an empty line, which counts and holds nothing
            yield line

    def _check_delimiter(self, told: str) -> None:
        if told != self._reading.delimiter:
            raise UnreadableFile(
                f"{self._name}, line 1, column 5: the file says that {told!r} parts its fields, "
                f"and the mapping {self._reading.delimiter!r}",
                hint=f"write delimiter = {told!r} under [reading]",
            )

    def _broken(self, error: csv.Error, begins: int) -> UnreadableFile:
        """The place of what csv refused: the record is walked once more, by character."""
        reading = self._reading
        one_line = begins == self.lines.number
        if "field larger than" in str(error) and one_line:
            return UnreadableFile(
                f"{self._name}, line {begins}: a field has more than {LONGEST_FIELD:,} characters"
            )
        trouble = quote_trouble(self._from(begins), begins, reading.delimiter, reading.quote)
        return UnreadableFile(
            f"{self._name}, {trouble}",
            hint="a quote within quotes is written twice; "
            "[reading] of the mapping says which character quotes",
        )

    def _from(self, begins: int) -> Iterator[str]:
        """The lines from this one on, as many as a field may have that is not endless."""
        walked = 0
        for line in self.lines:
            self.lines.pending = 0
            if self.lines.number >= begins:
                yield line
                walked += len(line)
            if walked > LONGEST_FIELD + len(line):
                return
