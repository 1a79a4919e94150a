"""What `leadflow doctor` looks at: each check gives findings and changes nothing."""

from __future__ import annotations

import platform
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import KeyUnavailable, LeadflowError
from leadflow_commands.moments import duration, from_microseconds, iso

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_commands.session import Session


class Verdict(Enum):
    """How grave a finding is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    name: str
    verdict: Verdict
    says: str
    hint: str | None = None

    def as_data(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "says": self.says,
            "hint": self.hint,
        }


_LIBRARIES: Final = {
    "pydantic": "",
    "eventsourcing": "",
    "click": "",
    "psycopg": "postgres",
    "duckdb": "analytics",
    "pyarrow": "analytics",
    "altair": "analytics",
}
"""What is looked for, and the extra that brings it."""

_LEAST_FREE_BYTES: Final = 1 << 30
_LARGE_WAL_BYTES: Final = 256 << 20
_LARGEST_CLOCK_DIFFERENCE: Final = 5.0


def examine(session: Session) -> list[Finding]:
    """Run every check that can be run."""
    findings = [*_programs()]
    try:
        with session.store() as store:
            findings.append(Finding("store", Verdict.OK, f"{store.url} can be read"))
            findings.append(Finding("key", Verdict.OK, "is the one that the store was made with"))
            for check in _STORE_CHECKS:
                findings.extend(check(store))
    except KeyUnavailable as problem:
        findings.append(Finding("key", Verdict.WRONG, problem.message, problem.hint))
    except LeadflowError as problem:
        findings.append(Finding("store", Verdict.WRONG, problem.message, problem.hint))
    return findings


def _programs() -> Iterator[Finding]:
    yield Finding("leadflow", Verdict.OK, version("leadflow"))
    yield Finding("Python", Verdict.OK, platform.python_version())
    yield _sqlite()
    for name, extra in _LIBRARIES.items():
        try:
            yield Finding(name, Verdict.OK, version(name))
        except PackageNotFoundError:
            yield Finding(
                name,
                Verdict.WARNING if extra else Verdict.WRONG,
                "is not installed",
                f"pip install 'leadflow[{extra}]'" if extra else f"pip install {name}",
            )


def _sqlite() -> Finding:
    from leadflow.persistence.describing import has_wal_bug

    if not has_wal_bug(sqlite3.sqlite_version_info):
        return Finding("SQLite", Verdict.OK, sqlite3.sqlite_version)
    return Finding(
        "SQLite",
        Verdict.WARNING,
        f"{sqlite3.sqlite_version} has a rare bug that can corrupt a store when several "
        "processes write to it at the same moment",
        "use Python with SQLite 3.51.3 or later, or let one process write at a time",
    )


def _schema(store: Store) -> Iterator[Finding]:
    from leadflow.persistence.describing import describe

    described = describe(store)
    yield Finding("schema", Verdict.OK, f"version {described.schema_version} on {described.server}")


def _end_of_log(store: Store) -> Iterator[Finding]:
    from leadflow.persistence.chain import event_hash

    head = store.head()
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT coalesce(max(position), 0), count(*) FROM stored_events")
        last, count = cursor.fetchone()
        cursor.execute("SELECT position, hash FROM stored_events ORDER BY position DESC LIMIT 2")
        hashes = {int(position): bytes(stored) for position, stored in cursor.fetchall()}
    repair = "restore a backup; `leadflow log verify` says from which position on"
    if last != head.position or count != last:
        yield Finding(
            "log",
            Verdict.WRONG,
            f"its head says position {head.position:,}, its last event is {last:,} of {count:,}",
            repair,
        )
        return
    if last:
        event = store.events_at(last, 1)[0]
        expected = event_hash(
            hashes.get(last - 1, bytes(32)),
            last,
            _uuid_bytes(event.originator_id),
            event.originator_version,
            event.recorded_at,
            event.topic.encode(),
            event.state,
        )
        if not expected == hashes[last] == head.hash:
            yield Finding("log", Verdict.WRONG, f"the event at {last:,} was altered", repair)
            return
    yield Finding("log", Verdict.OK, f"{count:,} events, the chain's end fits")


def _uuid_bytes(value: Any) -> bytes:
    from uuid import UUID

    return value.bytes if isinstance(value, UUID) else UUID(str(value)).bytes


def _clock(store: Store) -> Iterator[Finding]:
    now, here = store.now(), datetime.now(UTC)
    apart = abs((now - here).total_seconds())
    if apart > _LARGEST_CLOCK_DIFFERENCE:
        yield Finding(
            "clock",
            Verdict.WARNING,
            f"the database's clock and this machine's are {duration(apart)} apart",
            "synchronise both by NTP; leadflow goes by the database's",
        )
    recorded_at = store.head().recorded_at
    ahead = (from_microseconds(recorded_at) - now).total_seconds() if recorded_at else 0.0
    if ahead > _LARGEST_CLOCK_DIFFERENCE:
        yield Finding(
            "clock",
            Verdict.WARNING,
            f"the last event was recorded {duration(ahead)} after now: the clock was set back",
            "events keep the later time until the clock has caught up",
        )
    elif apart <= _LARGEST_CLOCK_DIFFERENCE:
        yield Finding("clock", Verdict.OK, f"{iso(now.replace(microsecond=0))}")


def _disk(store: Store) -> Iterator[Finding]:
    file = sqlite_file(store)
    if file is None:
        return
    free = shutil.disk_usage(file.parent).free
    enough = free > _LEAST_FREE_BYTES
    yield Finding(
        "disk",
        Verdict.OK if enough else Verdict.WARNING,
        f"{free / (1 << 30):,.1f} GB free beside the store",
        None if enough else "make room before the store cannot write any more",
    )
    wal = file.with_name(file.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    large = size > _LARGE_WAL_BYTES
    yield Finding(
        "write-ahead log",
        Verdict.WARNING if large else Verdict.OK,
        f"{size / (1 << 20):,.1f} MB",
        "a process holds a reading open for long: find it and end it" if large else None,
    )


def _key_file(store: Store) -> Iterator[Finding]:
    from leadflow.persistence.master_key import open_to_others

    file = store.key_source.file
    if file is not None and open_to_others(file):
        hint = f"chmod 600 {file}"
        yield Finding("key", Verdict.WARNING, f"{file} can be read by others than its owner", hint)


def sqlite_file(store: Store) -> Path | None:
    """The file of a SQLite store; None for another, and in memory."""
    from leadflow.persistence.urls import SQLiteURL, parse_store_url

    parsed = parse_store_url(store.url)
    return parsed.path if isinstance(parsed, SQLiteURL) else None


def _read_models(store: Store) -> Iterator[Finding]:
    from leadflow_projections.runtime import list_projections, status

    end = store.head().position
    builds = status(store)
    for build in builds:
        name = build["projection"]
        if build["role"] == "previous":
            continue
        if build["position"] > end:
            yield Finding(
                name,
                Verdict.WRONG,
                f"its checkpoint {build['position']:,} lies beyond the log's end {end:,}: "
                "the log was restored from an older copy",
                f"leadflow projections rebuild {name} --promote",
            )
        elif build["last_error"]:
            hint = f"mend what it names, then: leadflow projections run {name}"
            yield Finding(name, Verdict.WARNING, f"stopped: {build['last_error']}", hint)
    for row in list_projections(store):
        if row["live_build"] is not None and not row["current"]:
            yield Finding(
                row["projection"],
                Verdict.WARNING,
                "was built by another definition than this program's",
                f"leadflow projections rebuild {row['projection']} --promote",
            )
    behind = max((build["lag_events"] for build in builds if build["role"] == "live"), default=0)
    says = f"up to {behind:,} events behind the log" if behind else "are up to date with the log"
    says = says if builds else "none is built yet"
    yield Finding("read models", Verdict.OK, says)


_STORE_CHECKS: Final[tuple[Callable[[Store], Iterator[Finding]], ...]] = (
    _schema,
    _end_of_log,
    _key_file,
    _clock,
    _disk,
    _read_models,
)
