"""Lines of text out of a file of bytes; what cannot be text is told with line and column.

Lines are bounded, so that memory is, whatever a file holds.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadflow_commands.importing.errors import UnreadableFile

LONGEST_LINE: Final = 4_000_000
"""Characters of one line, or of one record where quotes hold several lines together."""
_BLOCK: Final = 1 << 16
_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8",
}


class TextLines:
    """The lines of a text file, with their ends, and the place reached."""

    def __init__(self, path: Path, name: str, encoding: str) -> None:
        self.number = 0
        """The line read last."""
        self.complete = True
        """Whether that line has an end; only the last one of a file may have none."""
        self.pending = 0
        """Characters read since whoever reads set it to 0: those of the record at hand."""
        self._path = path
        self._name = name
        self._encoding = encoding

    def __iter__(self) -> Iterator[str]:
        """The lines from the first on.

        Raises:
            UnreadableFile: at what is no text, at a NUL, at a line or record without end.
        """
        self.number = self.pending = 0
        with self._path.open("r", encoding=self._encoding, newline="") as file:
            while line := self._next(file):
                self.number += 1
                self.pending += len(line)
                self.complete = line[-1] in "\r\n"
                if "\0" in line:
                    place = f"line {self.number}, column {line.index(chr(0)) + 1}"
                    raise UnreadableFile(f"{self._name}, {place}: holds a NUL byte")
                if self.pending > LONGEST_LINE:
                    raise self._endless(line)
                yield line.removeprefix("\ufeff") if self.number == 1 else line

    def _next(self, file: io.TextIOWrapper) -> str:
        try:
            return file.readline(LONGEST_LINE + 1)
        except UnicodeError as error:
            raise self._undecodable(error) from error

    def _endless(self, line: str) -> UnreadableFile:
        what = "line" if len(line) == self.pending else "record"
        return UnreadableFile(
            f"{self._name}, line {self.number}, column {len(line):,}: the {what} has more than "
            f"{LONGEST_LINE:,} characters",
            hint="no export writes such a one; it was damaged, or is no CSV",
        )

    def _undecodable(self, error: UnicodeError) -> UnreadableFile:
        mark = mark_of(self._path)
        if mark is not None and not self._encoding.startswith(mark):
            return UnreadableFile(
                f"{self._name}, line 1, column 1: this is {mark} text, not {self._encoding}",
                hint=f'write encoding = "{mark}" under [reading] in the mapping',
            )
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        return UnreadableFile(
            f"{self._name}, {place_of_error(self._path, self._encoding)}: this is no "
            f"{self._encoding.removesuffix('-sig')} text ({reason})",
            hint="name its encoding in the mapping, or convert it, such as by "
            "iconv -f WINDOWS-1252 -t UTF-8",
        )


@dataclass
class _Place:
    line: int = 1
    column: int = 1

    def walk(self, text: str) -> None:
        last = text.rfind("\n")
        self.line += text.count("\n")
        self.column = len(text) - last if last >= 0 else self.column + len(text)


def place_of_error(path: Path, encoding: str) -> str:
    """Line and column of the first bytes that are no text.

    Text is decoded in blocks, and the error of a block names neither.
    """
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    place = _Place()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            before = decoder.getstate()
            try:
                place.walk(decoder.decode(block))
            except UnicodeError:
                decoder.setstate(before)
                _walk_byte_by_byte(decoder, block, place)
                break
    return f"line {place.line}, column {place.column}"


def _walk_byte_by_byte(decoder: io.IncrementalNewlineDecoder, block: bytes, place: _Place) -> None:
    try:
        for byte in block:
            place.walk(decoder.decode(bytes((byte,))))
    except UnicodeError:
        return


def mark_of(path: Path) -> str | None:
    """The encoding that a byte order mark at a file's beginning tells."""
    with path.open("rb") as file:
        start = file.read(4)
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), None)
