"""What SQLite reports, in leadflow's words."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from leadflow.errors import (
    LeadflowError,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
)

_WRITE_LOCK_BYTE = 120  # of the -shm file, in WAL mode


@contextmanager
def in_our_words(place: str) -> Generator[None]:
    """Turn what `sqlite3` raises about a store into one clear sentence."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # what was violated is for the caller to say
    except sqlite3.Error as error:
        raise translated(error, place) from error


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where the error came from the module itself."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another connection was in the way."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


_REFUSALS: Final[dict[int, tuple[type[StoreError], str, str | None]]] = {
    sqlite3.SQLITE_BUSY: (StoreLocked, "the store {place} is locked by another connection", None),
    sqlite3.SQLITE_LOCKED: (StoreLocked, "the store {place} is locked by another connection", None),
    sqlite3.SQLITE_READONLY: (
        StoreReadOnly,
        "the store {place} cannot be written: its file or folder is read-only for this user",
        "Make both writable, or copy it with the files that begin with its name.",
    ),
    sqlite3.SQLITE_FULL: (
        StoreFull,
        "there is no room left for the store {place}; nothing was recorded",
        "Free some space where it lies and try again.",
    ),
    sqlite3.SQLITE_NOTADB: (
        StoreDamaged,
        "{place} is no SQLite database",
        "Check the name; to begin anew, give a file that does not exist yet.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        StoreDamaged,
        "the file {place} is damaged: {error}",
        "Copy it and the files that begin with its name, then bring back a backup.",
    ),
    sqlite3.SQLITE_CANTOPEN: (StoreError, "the store {place} cannot be opened: {error}", None),
    sqlite3.SQLITE_IOERR: (
        StoreError,
        "reading or writing the store {place} failed: {error}",
        "Look at the disk: nothing was recorded.",
    ),
}
_OTHERWISE: Final = (StoreError, "SQLite refused to work on the store {place}: {error}", None)


def translated(error: sqlite3.Error, place: str) -> LeadflowError:
    """The error that a caller of leadflow sees."""
    kind, message, hint = _REFUSALS.get(primary_code(error), _OTHERWISE)
    return kind(message.format(place=place, error=error), hint=hint)


def read_only(place: str) -> StoreError:
    """The store can be read, and not written."""
    kind, message, hint = _REFUSALS[sqlite3.SQLITE_READONLY]
    return kind(message.format(place=place), hint=hint)


def locked(place: str, seconds: float, who: str) -> StoreLocked:
    """The write lock was held for too long, and by whom."""
    return StoreLocked(
        f"the store {place} is locked: {who} has kept it from being written for {seconds:g} s",
        hint="Try again once it is done; a long import or an open transaction is the usual cause.",
    )


def lock_holder(file: Path | None) -> str:
    """The process that has the write lock, where the system tells: Linux does, in /proc/locks."""
    if file is None:
        return "another connection"
    with suppress(OSError, ValueError, IndexError):
        status = file.with_name(file.name + "-shm").stat()
        for line in Path("/proc/locks").read_text().splitlines():
            # 1: POSIX ADVISORY WRITE 4711 08:01:1234 120 120
            fields = line.split()
            first, last = (int(field) for field in fields[6:8])
            if (
                fields[3] == "WRITE"
                and int(fields[5].split(":")[2]) == status.st_ino
                and first <= _WRITE_LOCK_BYTE <= last
            ):
                name = Path(f"/proc/{int(fields[4])}/comm").read_text().strip()
                return f"process {fields[4]} ({name})"
    return "another process"
