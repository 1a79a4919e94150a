"""Reads a CSV file as rows of texts, each with the line it begins at.

A file is read twice: once to see that it is whole, so that nothing of a broken one is
recorded, and once for its rows. Either way memory does not grow with it.
"""

from __future__ import annotations

import csv
import shutil
import stat
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from leadflow.errors import InvalidInput
from leadflow_commands.importing.mapping import MappingFile, Reading
from leadflow_commands.suggestions import did_you_mean

LONGEST_FIELD: Final = 1_000_000
"""Characters of a single field; a longer one is a quote that never closes."""
_SPREADSHEETS: Final = {
    b"PK\x03\x04": "a spreadsheet or zip file",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
}


class UnreadableFile(InvalidInput):
    """A file as a whole is not what the mapping says; nothing of it was recorded."""

    code = "unreadable_file"


@dataclass(frozen=True, slots=True)
class Row:
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
        records = _records(self.path, self.name, self.reading)
        next(records, None)
        return records


@contextmanager
def opened(path: Path, mapping: MappingFile) -> Generator[Table]:
    """The table in a file, after a look at all of it.

    What can be read only once, such as a pipe, is copied to a temporary file first.

    Raises:
        UnreadableFile: when it is empty, cannot be decoded, ends early, or its header
            lacks a column that the mapping names.
    """
    with _rereadable(path) as kept:
        yield _looked_at(kept, str(path), mapping)


@contextmanager
def _rereadable(path: Path) -> Generator[Path]:
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
        if regular:
            yield path
            return
        if path.is_dir():
            raise UnreadableFile(f"{path} is a folder, not a file")
        with tempfile.NamedTemporaryFile(prefix="leadflow-", suffix=".csv") as copy:
            with path.open("rb") as source:
                shutil.copyfileobj(source, copy)
            copy.flush()
            yield Path(copy.name)
    except FileNotFoundError as error:
        raise UnreadableFile(f"there is no file {path}") from error
    except PermissionError as error:
        raise UnreadableFile(f"{path} may not be read: {error.strerror}") from error


def _looked_at(path: Path, name: str, mapping: MappingFile) -> Table:
    _refuse_spreadsheet(path, name)
    records = _records(path, name, mapping.reading)
    first = next(records, None)
    if first is None:
        raise UnreadableFile(f"{name} is empty; it has not even a header")
    header = tuple(cell.strip() for cell in first.cells)
    _check_header(header, name, mapping)
    count, last = 0, first
    for row in records:
        count, last = count + 1, row
    if len(last.cells) < len(header) and not _ends_with_newline(path):
        raise UnreadableFile(
            f"{name}, line {last.line}: the file ends in the middle of a row",
            hint="it was not copied whole; nothing of it was imported",
        )
    return Table(path=path, name=name, reading=mapping.reading, header=header, rows=count)


def _check_header(header: Sequence[str], name: str, mapping: MappingFile) -> None:
    twice = next((column for column in header if column and header.count(column) > 1), None)
    if twice is not None:
        raise UnreadableFile(f"{name}, line 1: the header has the column {twice!r} twice")
    for column, place in mapping.columns():
        if column not in header:
            raise UnreadableFile(
                f"{name}, line 1: there is no column {column!r}, which the mapping "
                f"{mapping.name} names ({place})",
                hint=did_you_mean(column, header),
            )


def _records(path: Path, name: str, reading: Reading) -> Iterator[Row]:
    """The records of a file with their lines, the header too; empty lines are none."""
    with path.open("r", encoding=_signed(reading.encoding), newline="") as file:
        lines = _Lines(file, path, name, reading)
        csv.field_size_limit(LONGEST_FIELD)
        reader = csv.reader(
            lines, delimiter=reading.delimiter, quotechar=reading.quote, strict=True
        )
        while True:
            begins = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UnreadableFile(_said(error, name, begins)) from error
            if cells:
                yield Row(begins, cells)


class _Lines:
    """The lines of a text file; what cannot be text is said with its line."""

    def __init__(self, file: IO[str], path: Path, name: str, reading: Reading) -> None:
        self._file = file
        self._path = path
        self._name = name
        self._encoding = reading.encoding
        self._line = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self._line += 1
        try:
            line = next(self._file)
        except UnicodeDecodeError as error:
            where = _place_of_error(self._path, self._encoding) or f"about line {self._line}"
            raise UnreadableFile(
                f"{self._name}, {where}: this is no {self._encoding} text ({error.reason})",
                hint="name its encoding in the mapping, or convert it, such as by "
                "iconv -f WINDOWS-1252 -t UTF-8",
            ) from error
        if "\0" in line:
            raise UnreadableFile(f"{self._name}, line {self._line}: holds a NUL byte")
        return line


def _place_of_error(path: Path, encoding: str) -> str | None:
    """Line and column of the first bytes that are no text; text is decoded in larger blocks."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return f"line {number}, column {error.start + 1}"
    return None


def _said(error: csv.Error, name: str, line: int) -> str:
    reason = str(error)
    if "unexpected end of data" in reason or "field larger than" in reason:
        reason = "a quote opens there and never closes"
    return f"{name}, line {line}: {reason}"


def _signed(encoding: str) -> str:
    return "utf-8-sig" if encoding == "utf-8" else encoding


def _refuse_spreadsheet(path: Path, name: str) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if start in _SPREADSHEETS:
        raise UnreadableFile(
            f"{name} is {_SPREADSHEETS[start]}, not CSV", hint="export or save it as CSV first"
        )


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, 2)
        return file.read(1) in (b"\n", b"\r")
