"""Files as they are needed: such that they can be read twice, and unpacked."""

from __future__ import annotations

import gzip
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from leadflow_commands.importing.errors import UnreadableFile

STDIN: Final = Path("-")
GZIP: Final = b"\x1f\x8b"


def name_of(path: Path) -> str:
    """What to call a file in messages."""
    return "standard input" if path == STDIN else str(path)


@contextmanager
def rereadable(path: Path) -> Generator[Path]:
    """A plain file with the same content; `-` is standard input.

    What can be read only once, such as a pipe, and what gzip packed, is written into a
    temporary file first.

    Raises:
        UnreadableFile: when it is not there, may not be read, or cannot be unpacked.
    """
    try:
        if path != STDIN and path.is_dir():
            raise UnreadableFile(f"{path} is a folder, not a file")
        if path != STDIN and stat.S_ISREG(path.stat().st_mode) and not is_packed(path):
            yield path
            return
        with tempfile.NamedTemporaryFile(prefix="leadflow-", suffix=".csv") as copy:
            _copy(path, copy)
            yield Path(copy.name)
    except FileNotFoundError as error:
        raise UnreadableFile(f"there is no file {path}") from error
    except PermissionError as error:
        raise UnreadableFile(f"{path} may not be read: {error.strerror}") from error


def is_packed(path: Path) -> bool:
    """Whether a plain file begins as gzip's do, whatever its name says."""
    with path.open("rb") as file:
        return file.read(2) == GZIP


def _copy(path: Path, copy: IO[bytes]) -> None:
    if path == STDIN:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    else:
        with path.open("rb") as source:
            shutil.copyfileobj(source, copy)
    copy.flush()
    if is_packed(Path(copy.name)):
        with tempfile.TemporaryFile() as packed:
            copy.seek(0)
            shutil.copyfileobj(copy, packed)
            packed.seek(0)
            copy.seek(0)
            copy.truncate()
            unpack(packed, copy, name_of(path))
            copy.flush()


def unpack(packed: IO[bytes], into: IO[bytes], name: str) -> None:
    """Write what gzip packed.

    Raises:
        UnreadableFile: naming the line up to which it could be unpacked.
    """
    line = 1
    try:
        with gzip.open(packed, "rb") as content:
            while block := content.read(1 << 20):
                into.write(block)
                line += block.count(b"\n")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise broken_gzip(name, line, error) from error


def broken_gzip(name: str, line: int, error: Exception) -> UnreadableFile:
    """The error of a packed file that cannot be unpacked to its end."""
    reason = "it ends early" if isinstance(error, EOFError) else "its content is damaged"
    return UnreadableFile(
        f"{name}, line {line:,}: the gzip file cannot be unpacked from there on; {reason}",
        hint="`gzip -t` says the same; copy it anew; nothing of it was recorded",
    )
