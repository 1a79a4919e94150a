"""The store on SQLite: one file with everything in it, or a database in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeVar, cast
from uuid import UUID

from leadflow.domain.events import LogEvent
from leadflow.errors import InvalidInput
from leadflow.persistence.appending import encode_batch
from leadflow.persistence.codec import LeadMapper, Stored, to_moment
from leadflow.persistence.keys import Keys
from leadflow.persistence.master_key import KeySource
from leadflow.persistence.prefixes import uuid_range
from leadflow.persistence.sqlite.connections import Connections
from leadflow.persistence.sqlite.recorder import NO_LIMIT, SELECT_EVENTS, LeadRecorder, recorded
from leadflow.persistence.sqlite.writing import clock, read_head
from leadflow.persistence.store import (
    Append,
    Appended,
    CommandRow,
    Cursor,
    Head,
    Page,
    RecordedEvent,
    Store,
)

T = TypeVar("T")

_MOST_PARAMETERS: Final = 500
_LOAD: Final = (
    "SELECT e.position, e.originator_version, e.topic, e.state, e.recorded_at, k.wrapped"
    " FROM stored_events e LEFT JOIN lead_keys k ON k.lead_id = e.originator_id"
    " WHERE e.originator_id = ? AND e.originator_version > ? AND e.originator_version <= ?"
    " ORDER BY e.originator_version"
)

_LOAD_MANY: Final = (
    "SELECT e.originator_id, e.position, e.originator_version, e.topic, e.state, e.recorded_at,"
    " k.wrapped FROM stored_events e LEFT JOIN lead_keys k ON k.lead_id = e.originator_id"
    " WHERE e.originator_id IN"
)


class SQLiteStore:
    """See `leadflow.persistence.store.Store`."""

    dialect: Literal["sqlite", "postgresql"] = "sqlite"

    def __init__(
        self, url: str, connections: Connections, master_key: bytes, key_source: KeySource
    ) -> None:
        self.url = url
        self.connections = connections
        self.key_source = key_source
        self.keys = Keys(master_key, self._wrapped_keys)
        self.mapper = LeadMapper(self.keys)
        self.recorder = LeadRecorder(connections, self.keys)
        self._erasing = False
        file = connections.place.file
        self.archive: Path | None = file and file.with_name(f"{file.name}.archive")

    @property
    def path(self) -> Path | None:
        """The file, absolute; None in memory."""
        return self.connections.place.file

    # Writing

    def within(self, connection: object) -> Store:
        raise InvalidInput(
            f"{self.url} cannot be written within a {type(connection).__name__}: only a store in "
            "PostgreSQL records inside a transaction of the caller's",
            hint="Record from an outbox; docs/how-to/outbox.md shows one.",
        )

    def append(self, append: Append) -> Appended:
        appended = self.recorder.append(encode_batch(append, self.keys))
        if append.destroy_keys or self._erasing:
            # The erased keys are overwritten in the file, but older pages of it stay in the
            # write-ahead log until that is emptied. A reader may prevent it: try next time.
            self._erasing = not self.connections.checkpoint()
        return appended

    # Reading

    def head(self) -> Head:
        with self.connections.reader() as connection:
            return read_head(connection)

    def now(self) -> datetime:
        return to_moment(clock())

    def load(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[LogEvent]:
        upto = NO_LIMIT if upto_version is None else upto_version
        with self.connections.reader() as connection:
            rows = connection.execute(_LOAD, (str(lead_id), after_version, upto)).fetchall()
        decode = self.mapper.decode
        return [
            decode(Stored(position, lead_id, version, topic, state, recorded_at), wrapped)
            for position, version, topic, state, recorded_at, wrapped in rows
        ]

    def load_many(self, leads: Collection[UUID]) -> dict[UUID, list[LogEvent]]:
        found: dict[UUID, list[LogEvent]] = {}
        for lead, *row, wrapped in self._in_parts(_LOAD_MANY, [str(lead) for lead in leads]):
            position, version, topic, state, recorded_at = row
            lead_id = UUID(lead)
            stored = Stored(position, lead_id, version, topic, state, recorded_at)
            found.setdefault(lead_id, []).append(self.mapper.decode(stored, wrapped))
        for events in found.values():
            events.sort(key=attrgetter("originator_version"))
        return found

    def lead_events(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[RecordedEvent]:
        return self.recorder.select_events(lead_id, gt=after_version, lte=upto_version)

    def events_at(self, first: int, count: int) -> list[RecordedEvent]:
        return self.recorder.select_notifications(first, count)

    def page(self, *, after: int, limit: int) -> Page:
        with self.connections.snapshot() as connection:
            high_water = read_head(connection).position
            rows = connection.execute(
                f"{SELECT_EVENTS} WHERE e.position > ? ORDER BY e.position LIMIT ?",
                (after, limit),
            ).fetchall()
        return Page(high_water, [recorded(row) for row in rows])

    def commands(self, ids: Collection[UUID]) -> dict[UUID, CommandRow]:
        rows = self._in_parts(
            "SELECT command_id, fingerprint, first_position, count FROM commands"
            " WHERE command_id IN",
            [command_id.bytes for command_id in ids],
        )
        found = (CommandRow(UUID(bytes=row[0]), *row[1:]) for row in rows)
        return {row.command_id: row for row in found}

    def begun(self, leads: Collection[UUID]) -> set[UUID]:
        query = (
            "SELECT originator_id FROM stored_events"
            " WHERE originator_version = 1 AND originator_id IN"
        )
        return {UUID(row[0]) for row in self._in_parts(query, [str(lead) for lead in leads])}

    def leads_by_prefix(self, prefix: str, limit: int = 2) -> list[UUID]:
        between = uuid_range(prefix)
        if between is None:
            return []
        return self._leads(
            "SELECT originator_id FROM stored_events WHERE originator_id BETWEEN ? AND ?"
            " AND originator_version = 1 AND topic GLOB 'lead.*' ORDER BY originator_id LIMIT ?",
            str(between[0]),
            str(between[1]),
            limit,
        )

    def lead_by_alias(self, external_id: str) -> UUID | None:
        found = self._leads("SELECT lead_id FROM lead_aliases WHERE external_id = ?", external_id)
        return found[0] if found else None

    def leads_by_aliases(self, external_ids: Collection[str]) -> dict[str, UUID]:
        query = "SELECT external_id, lead_id FROM lead_aliases WHERE external_id IN"
        return {external: UUID(lead) for external, lead in self._in_parts(query, external_ids)}

    def leads_by_address(self, digest: bytes) -> list[UUID]:
        return self._leads(
            "SELECT lead_id FROM lead_addresses WHERE digest = ? ORDER BY lead_id", digest
        )

    def _leads(self, query: str, *values: object) -> list[UUID]:
        with self.connections.reader() as connection:
            return [UUID(row[0]) for row in connection.execute(query, values).fetchall()]

    def _wrapped_keys(self, leads: Collection[UUID]) -> dict[UUID, bytes | None]:
        rows = self._in_parts(
            "SELECT lead_id, wrapped FROM lead_keys WHERE lead_id IN", [str(x) for x in leads]
        )
        return {UUID(lead_id): wrapped for lead_id, wrapped in rows}

    def _in_parts(self, query: str, values: Collection[object]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        with self.connections.reader() as connection:
            for part in _parts(values, _MOST_PARAMETERS):
                marks = ",".join("?" * len(part))
                rows += connection.execute(f"{query} ({marks})", part).fetchall()
        return rows

    # Everything else

    @contextmanager
    def transaction(self, *, write: bool) -> Generator[Cursor]:
        using = self.connections.writing if write else self.connections.snapshot
        with using() as connection:
            cursor = connection.cursor()
            try:
                yield cursor
            finally:
                cursor.close()

    def wait(self, *, after: int, timeout: float) -> None:
        """Ask SQLite whether the file changed, each 5 ms at first and 50 ms when nothing does."""
        until = time.monotonic() + timeout
        pause = 0.005
        with self._data_version() as data_version:
            seen = None
            while True:
                version = data_version()
                if (version is None or version != seen) and self.head().position > after:
                    return
                seen = version
                left = until - time.monotonic()
                if left <= 0:
                    return
                time.sleep(min(pause, left))
                pause = min(pause * 1.2, 0.05)

    @contextmanager
    def _data_version(self) -> Generator[Callable[[], int | None]]:
        """A number that changes when another connection commits; None where none tells."""
        if self.path is None:
            yield lambda: None
            return
        with self.connections.reader() as connection:
            yield lambda: cast("int", connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        if self._erasing:
            self.connections.checkpoint()
        self.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    everything = list(values)
    for start in range(0, len(everything), size):
        yield everything[start : start + size]
