"""The guard: within one process, one SQLite library per file, and no plain open.

POSIX locks belong to a process and a file. Whoever opens and closes a file that `sqlite3`
holds, by a second copy of SQLite or by plain `open()`, drops the locks that `sqlite3`
believes it has: another process then writes at the same time, and commits that were
acknowledged are lost, silently. (The SQLite project describes it in "How To Corrupt An
SQLite Database File"; tests/faults shows it.)

So each store registers its files here. A plain open of one of them in this process is
refused by an audit hook, wherever it comes from; a second SQLite library does not pass
Python's audit, so whoever uses one asks `refuse_in_process` first. Another process may do
as it likes. The write-ahead log (`-wal`) and the key file carry no locks and stay open to
all.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import unquote, urlsplit

from leadflow.errors import SecondLibrary

_HINT: Final = (
    "Read it in another process (spawned, not forked), or copy it with `leadflow store backup`."
)


_Identity = tuple[int, int]
_INDEX: Final = "-shm"
"""The index of the write-ahead log: SQLite's locks in WAL mode lie on this file."""


class _Guard:
    """The files that this process holds by `sqlite3`, by inode and device."""

    def __init__(self) -> None:
        self._held: Counter[_Identity] = Counter()
        self._names: dict[_Identity, str] = {}
        self._lock = Lock()
        self._hooked = False
        os.register_at_fork(after_in_child=self._forget)

    def register(self, file: Path) -> _Identity:
        identity = _identity(str(file))
        with self._lock:
            if not self._hooked:
                sys.addaudithook(self._audit)
                self._hooked = True
            self._held[identity] += 1
            self._names[identity] = str(file)
        return identity

    def unregister(self, identity: _Identity) -> None:
        with self._lock:
            self._held[identity] -= 1
            if self._held[identity] <= 0:
                del self._held[identity]
                del self._names[identity]

    def holds(self, path: str) -> str | None:
        """The registered file that a path leads to, or None."""
        if not self._names:
            return None
        with suppress(OSError, ValueError):
            identity = _identity(path)
            if identity in self._names:
                return self._names[identity]
            if path.endswith(_INDEX):  # made anew at times, so not known by its identity
                for name in tuple(self._names.values()):
                    with suppress(OSError):
                        if identity == _identity(name + _INDEX):
                            return name + _INDEX
        return None

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "open" or not self._names:
            return
        path = arguments[0]
        if isinstance(path, bytes | str):
            file = self.holds(os.fsdecode(path))
            if file is not None:
                raise SecondLibrary(
                    f"{file} is open as a leadflow store in this process, and a plain open of"
                    " it would drop the store's locks",
                    hint=_HINT,
                )

    def _forget(self) -> None:
        # Locks are not inherited, and the child closes none of what it inherited.
        self._lock = Lock()
        self._held.clear()
        self._names.clear()


def _identity(path: str) -> _Identity:
    status = os.stat(path)  # noqa: PTH116 - asked at every open, where a Path costs as much again
    return status.st_ino, status.st_dev


_GUARD: Final = _Guard()


def register(file: Path) -> tuple[int, int]:
    """Say that this process holds a file by `sqlite3`; returns what to unregister it by."""
    return _GUARD.register(file)


def unregister(identity: tuple[int, int]) -> None:
    """Say that it holds it once less."""
    _GUARD.unregister(identity)


def refuse_in_process(path: Path | str) -> None:
    """To be asked before a second SQLite library opens a file, by its path or `file:` URI.

    Raises:
        SecondLibrary: when this process holds the file by `sqlite3`.
    """
    name = os.fspath(path)
    if name.startswith("file:"):
        name = unquote(urlsplit(name).path)
    file = _GUARD.holds(name)
    if file is not None:
        raise SecondLibrary(
            f"{file} is open by sqlite3 in this process, and a second SQLite library on it"
            " would drop its locks",
            hint=_HINT,
        )
