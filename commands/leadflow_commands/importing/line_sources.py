"""Lines of JSON out of a file or standard input, as they are or packed by gzip.

What can be known of a source beforehand is: a packed one is unpacked once to its end, so
that nothing of a damaged one is recorded. Only plain lines from standard input are taken
as they come. Lines are bounded, so that memory is.
"""

from __future__ import annotations

import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.file_kinds import other_kind
from leadflow_commands.importing.text_lines import mark_of
from leadflow_commands.importing.whole_files import GZIP, STDIN, broken_gzip, is_packed, name_of

LONGEST_LINE: Final = 1_000_000
"""Bytes of one line; what Kafka takes as one message, unless told otherwise."""
TOO_LONG: Final = f"the line has more than {LONGEST_LINE:,} bytes"


@dataclass(frozen=True, slots=True)
class Lines:
    """A source of lines, open."""

    name: str
    file: io.BufferedIOBase
    count: int | None
    """How many lines there are, where that can be told beforehand."""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers from 1.

        Of a line longer than `LONGEST_LINE` only its beginning is given, which is longer
        than that, too.
        """
        number = 0
        while line := self.file.readline(LONGEST_LINE + 2):
            number += 1
            if len(line) > LONGEST_LINE + 1:
                self._skip_rest(line)
            text = line.strip().removeprefix(b"\xef\xbb\xbf")
            if text:
                yield number, text

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self.file.readline(1 << 20)


@contextmanager
def opened_lines(path: Path | None, stdin: IO[bytes]) -> Generator[Lines]:
    """The lines of a file; those of standard input where there is no path.

    Raises:
        OSError: when the file cannot be read.
        UnreadableFile: when it cannot be unpacked, or is no text in UTF-8.
    """
    with ExitStack() as stack:
        if path is None:
            yield _of_stream(_peekable(stdin), name_of(STDIN), stack)
            return
        file = stack.enter_context(path.open("rb"))
        if file.seekable():
            yield _of_file(path, str(path), stack)
        else:
            yield _of_stream(file, str(path), stack)


def _peekable(stdin: IO[bytes]) -> io.BufferedReader:
    source: Any = stdin
    return cast(
        "io.BufferedReader", source if hasattr(source, "peek") else io.BufferedReader(source)
    )


def _of_stream(source: io.BufferedReader, name: str, stack: ExitStack) -> Lines:
    """What can be read only once: as it comes, or from a copy where gzip packed it."""
    if source.peek(2)[:2] != GZIP:
        return Lines(name, source, None)
    copy = stack.enter_context(tempfile.NamedTemporaryFile(prefix="leadflow-"))  # noqa: SIM115
    shutil.copyfileobj(source, copy)
    copy.flush()
    return _of_file(Path(copy.name), name, stack)


def _of_file(path: Path, name: str, stack: ExitStack) -> Lines:
    packed = is_packed(path)
    if not packed:
        _refuse_other_kinds(path, name)
    file: io.BufferedIOBase = gzip.GzipFile(path, "rb") if packed else path.open("rb")
    stack.callback(file.close)
    count = _count(file, name)
    file.seek(0)
    return Lines(name, file, count)


def _refuse_other_kinds(path: Path, name: str) -> None:
    mark = mark_of(path)
    kind = other_kind(path) or (f"{mark} text" if mark not in (None, "utf-8") else None)
    if kind is not None:
        raise UnreadableFile(
            f"{name}, line 1: this is {kind}; events are JSON lines in UTF-8",
            hint="one CloudEvents document a line; `leadflow import csv` reads tables",
        )


def _count(content: io.BufferedIOBase, name: str) -> int:
    """How many lines there are; what is packed proves whole by that."""
    count, last = 0, b"\n"
    try:
        while block := content.read(1 << 20):
            count += block.count(b"\n")
            last = block[-1:]
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise broken_gzip(name, count + 1, error) from error
    return count + (last != b"\n")
