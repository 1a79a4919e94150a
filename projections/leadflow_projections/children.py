"""Child processes that open a SQLite file by ADBC, which this process must never do itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final, cast
from urllib.parse import quote

from leadflow_projections.memory import note_child, own_peak_megabytes

if TYPE_CHECKING:
    from leadflow.persistence.sqlite.store import SQLiteStore
    from leadflow.persistence.store import Store


_PIPE_BYTES: Final = 1 << 20
"""Where the system lets pipes grow, so that their ends need not take turns so often."""


def start_child(module: str) -> subprocess.Popen[bytes]:
    """A module of ours run by a fresh interpreter, spawned and not forked."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=_PIPE_BYTES,
    )


@contextmanager
def child_running(module: str) -> Generator[subprocess.Popen[bytes]]:
    """The same, ended with the block."""
    child = start_child(module)
    try:
        yield child
    finally:
        if child.poll() == 0 and child.stderr is not None:
            with suppress(ValueError, IndexError):
                note_child(float(child.stderr.read().split()[-1]))
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            _close(pipe)


def say_peak() -> None:
    """In a child, at its end: tell the parent how much memory it took."""
    sys.stderr.write(str(own_peak_megabytes()))


def last_words(child: subprocess.Popen[bytes]) -> str:
    """Why a child that is ending failed, in its own last line where it wrote one."""
    said = child.stderr.read().decode(errors="replace").strip() if child.stderr else ""
    return said.splitlines()[-1] if said else f"it ended with {child.wait()}"


def sqlite_uri(store: Store, *, write: bool) -> str | None:
    """How a child opens this store's file; None where only this process has the database."""
    place = cast("SQLiteStore", store).connections.place
    if place.file is None or not sys.executable:
        return None
    mode = "rw" if write else "ro"
    extra = "&immutable=1" if place.access == "immutable" else ""
    return f"file:{quote(str(place.file))}?mode={mode}{extra}"


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with suppress(OSError):
            pipe.close()
