"""The store in a PostgreSQL database."""

from __future__ import annotations

import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, Literal, Self, cast
from uuid import UUID

import psycopg

from leadflow.domain.events import LogEvent
from leadflow.errors import ConnectionLost, InvalidInput, LogCorrupt, StoreReadOnly
from leadflow.persistence.appending import encode_batch
from leadflow.persistence.codec import LeadMapper, Stored, to_moment
from leadflow.persistence.keys import Keys
from leadflow.persistence.master_key import KeySource
from leadflow.persistence.postgres.borrowed import BorrowedConnection
from leadflow.persistence.postgres.connections import AnyConnection, Connections
from leadflow.persistence.postgres.recorder import NO_LIMIT, LeadRecorder, recorded
from leadflow.persistence.prefixes import uuid_range
from leadflow.persistence.store import (
    Append,
    Appended,
    CommandRow,
    Cursor,
    Head,
    Page,
    RecordedEvent,
)

_LOAD: Final = (
    "SELECT e.position, e.originator_version, e.topic, e.state, e.recorded_at, k.wrapped"
    " FROM stored_events e LEFT JOIN lead_keys k ON k.lead_id = e.originator_id"
    " WHERE e.originator_id = %s AND e.originator_version > %s AND e.originator_version <= %s"
    " ORDER BY e.originator_version"
)
_LOAD_MANY: Final = (
    "SELECT e.originator_id, e.position, e.originator_version, e.topic, e.state, e.recorded_at,"
    " k.wrapped FROM stored_events e LEFT JOIN lead_keys k ON k.lead_id = e.originator_id"
    " WHERE e.originator_id = ANY(%s) ORDER BY e.originator_id, e.originator_version"
)
# One statement is one snapshot: the log's end, and the events below it.
_PAGE: Final = (
    "SELECT h.position, e.* FROM log_head h LEFT JOIN LATERAL"
    " (SELECT position, originator_id, originator_version, topic, state, recorded_at"
    " FROM stored_events WHERE position > %s ORDER BY position LIMIT %s) e ON true"
    " ORDER BY e.position"
)


class PostgresStore:
    """See `leadflow.persistence.store.Store`."""

    dialect: Literal["sqlite", "postgresql"] = "postgresql"

    def __init__(
        self,
        connections: Connections,
        keys: Keys | bytes,
        key_source: KeySource,
        *,
        within: bool = False,
    ) -> None:
        """`keys` may be the master key; `within` says that others begin and commit."""
        self.url = connections.target.url
        self.connections = connections
        self.key_source = key_source
        self.archive: Path | None = None
        self.keys = (
            Keys(keys, self._wrapped_keys)
            if isinstance(keys, bytes)
            else keys.reading(self._wrapped_keys)
        )
        self.mapper = LeadMapper(self.keys)
        self.recorder = LeadRecorder(connections, self.keys, within=within)
        self._rows = self.recorder.rows

    @property
    def dsn(self) -> str:
        """The URL with its password, for another driver: never shown."""
        return self.connections.target.conninfo

    def within(self, connection: object) -> PostgresStore:
        if not isinstance(connection, psycopg.Connection):
            kind = type(connection).__name__
            raise InvalidInput(f"events are recorded within a psycopg connection, not a {kind}")
        borrowed = BorrowedConnection(self.connections, cast("AnyConnection", connection))
        within = PostgresStore(borrowed, self.keys, self.key_source, within=True)
        if within._store_id != self._store_id:
            raise InvalidInput(
                f"the connection to record within is to another store than {self.url}"
            )
        return within

    @cached_property
    def _store_id(self) -> str:
        [(store_id,)] = self._rows("SELECT value FROM leadflow_meta WHERE name = 'store_id'")
        return str(store_id)

    def append(self, append: Append) -> Appended:
        # An erased key is gone for every reader at once. Its old row's bytes stay in the
        # table's free space until they are overwritten, or by `VACUUM FULL lead_keys` at once.
        return self.recorder.append(encode_batch(append, self.keys))

    def head(self) -> Head:
        rows = self._rows("SELECT position, hash, recorded_at, policy_position FROM log_head")
        if not rows:
            raise LogCorrupt("the log has lost its head: the row of log_head is gone", position=0)
        return Head(*rows[0])

    def now(self) -> datetime:
        rows = self._rows("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
        return to_moment(rows[0][0])

    def load(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[LogEvent]:
        upto = NO_LIMIT if upto_version is None else upto_version
        decode = self.mapper.decode
        return [
            decode(Stored(position, lead_id, version, topic, state, recorded_at), wrapped)
            for position, version, topic, state, recorded_at, wrapped in self._rows(
                _LOAD, lead_id, after_version, upto
            )
        ]

    def load_many(self, leads: Collection[UUID]) -> dict[UUID, list[LogEvent]]:
        found: dict[UUID, list[LogEvent]] = {}
        for lead_id, *row, wrapped in self._rows(_LOAD_MANY, list(leads)):
            position, version, topic, state, recorded_at = row
            stored = Stored(position, lead_id, version, topic, state, recorded_at)
            found.setdefault(lead_id, []).append(self.mapper.decode(stored, wrapped))
        return found

    def lead_events(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[RecordedEvent]:
        return self.recorder.select_events(lead_id, gt=after_version, lte=upto_version)

    def events_at(self, first: int, count: int) -> list[RecordedEvent]:
        return self.recorder.select_notifications(first, count)

    def page(self, *, after: int, limit: int) -> Page:
        rows = self._rows(_PAGE, after, limit)
        if not rows:
            raise LogCorrupt("the log has lost its head: the row of log_head is gone", position=0)
        return Page(rows[0][0], [recorded(row[1:]) for row in rows if row[1] is not None])

    def commands(self, ids: Collection[UUID]) -> dict[UUID, CommandRow]:
        rows = self._rows(
            "SELECT command_id, fingerprint, first_position, count FROM commands"
            " WHERE command_id = ANY(%s)",
            list(ids),
        )
        return {row[0]: CommandRow(*row) for row in rows}

    def begun(self, leads: Collection[UUID]) -> set[UUID]:
        query = (
            "SELECT originator_id FROM stored_events"
            " WHERE originator_version = 1 AND originator_id = ANY(%s)"
        )
        return set(self._leads(query, list(leads)))

    def leads_by_prefix(self, prefix: str, limit: int = 2) -> list[UUID]:
        between = uuid_range(prefix)
        if between is None:
            return []
        return self._leads(
            "SELECT originator_id FROM stored_events WHERE originator_id BETWEEN %s AND %s"
            " AND originator_version = 1 AND starts_with(topic, 'lead.')"
            " ORDER BY originator_id LIMIT %s",
            *between,
            limit,
        )

    def lead_by_alias(self, external_id: str) -> UUID | None:
        found = self._leads("SELECT lead_id FROM lead_aliases WHERE external_id = %s", external_id)
        return found[0] if found else None

    def leads_by_aliases(self, external_ids: Collection[str]) -> dict[str, UUID]:
        query = "SELECT external_id, lead_id FROM lead_aliases WHERE external_id = ANY(%s)"
        return dict(self._rows(query, list(external_ids)))

    def leads_by_address(self, digest: bytes) -> list[UUID]:
        return self._leads(
            "SELECT lead_id FROM lead_addresses WHERE digest = %s ORDER BY lead_id", digest
        )

    def _leads(self, query: str, *values: object) -> list[UUID]:
        return [row[0] for row in self._rows(query, *values)]

    def _wrapped_keys(self, leads: Collection[UUID]) -> dict[UUID, bytes | None]:
        rows = self._rows(
            "SELECT lead_id, wrapped FROM lead_keys WHERE lead_id = ANY(%s)", list(leads)
        )
        return dict(rows)

    @contextmanager
    def transaction(self, *, write: bool) -> Generator[Cursor]:
        if isinstance(self.connections, BorrowedConnection):
            with self.connections.connection() as connection, connection.transaction():
                yield connection.cursor()
            return
        begin = "READ COMMITTED" if write else "REPEATABLE READ READ ONLY"
        with self.connections.begun(f"BEGIN ISOLATION LEVEL {begin}") as connection:
            with connection.cursor() as cursor:
                yield cursor
            connection.commit()

    def wait(self, *, after: int, timeout: float) -> None:
        """Listen for what every append notifies; a lost connection is made again."""
        until = time.monotonic() + timeout
        while True:
            try:
                with self.connections.listener() as connection:
                    self._listen(connection, after, until)
                    return
            except StoreReadOnly:  # a standby lets nobody listen
                self._poll(after, until)
                return
            except ConnectionLost:
                if time.monotonic() + 0.1 > until:
                    raise
                time.sleep(0.1)

    def _listen(self, connection: AnyConnection, after: int, until: float) -> None:
        while True:
            row = connection.execute("SELECT position FROM log_head").fetchone()
            left = until - time.monotonic()
            if (row is not None and row[0] > after) or left <= 0:
                return
            for _ in connection.notifies(timeout=left, stop_after=1):
                pass

    def _poll(self, after: int, until: float) -> None:
        pause = 0.02
        while self.head().position <= after:
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, 0.5)

    def close(self) -> None:
        self.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
