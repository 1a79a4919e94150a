"""The eventsourcing library's recorder on SQLite, with leadflow's append in its place."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final, cast
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteCursor,
    SQLiteDatastore,
)

from leadflow.errors import Conflict, StoreError
from leadflow.persistence.appending import Batch, found_again, stored_batch
from leadflow.persistence.keys import Keys
from leadflow.persistence.sqlite.connections import Connections
from leadflow.persistence.sqlite.writing import write_batch
from leadflow.persistence.store import Appended, RecordedEvent

NO_LIMIT: Final = 2**63 - 1
SELECT_EVENTS: Final = (
    "SELECT e.position, e.originator_id, e.originator_version, e.topic, e.state, e.recorded_at"
    " FROM stored_events e "
)
SELECT_WITH_KEY: Final = (
    "SELECT e.position, e.originator_id, e.originator_version, e.topic, e.state, e.recorded_at,"
    " k.wrapped FROM stored_events e LEFT JOIN lead_keys k ON k.lead_id = e.originator_id "
)


def recorded(row: Sequence[Any]) -> RecordedEvent:
    """An event from the columns of SELECT_EVENTS or SELECT_WITH_KEY."""
    return RecordedEvent(
        id=row[0],
        originator_id=UUID(row[1]),
        originator_version=row[2],
        topic=row[3],
        state=row[4],
        recorded_at=row[5],
        wrapped_key=row[6] if len(row) > 6 else None,
    )


class LeadDatastore(SQLiteDatastore):
    """The library's datastore, over leadflow's connections."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.single_row_tracking = True
        self.originator_id_type = "uuid"

    @contextmanager
    def transaction(self, *, commit: bool) -> Generator[SQLiteCursor]:
        using = self.connections.writing if commit else self.connections.snapshot
        with using() as connection:
            yield SQLiteCursor(connection.cursor())

    @contextmanager
    def get_connection(self, *, commit: bool) -> Generator[SQLiteConnection]:
        using = self.connections.writing if commit else self.connections.reader
        with using() as connection:
            yield SQLiteConnection(connection, max_age=None)

    def close(self) -> None:
        """Nothing: connections are closed with their store."""


class LeadRecorder(SQLiteApplicationRecorder):
    """Records and reads events; whatever it inserts takes the one append."""

    datastore: LeadDatastore

    def __init__(self, connections: Connections, keys: Keys) -> None:
        super().__init__(LeadDatastore(connections))
        self._connections = connections
        self._keys = keys

    def construct_create_table_statements(self) -> list[str]:
        return []  # a store's tables are made with the store

    # Writing

    def append(self, batch: Batch) -> Appended:
        """Record a batch in one transaction."""
        try:
            with self._connections.writing() as connection:
                appended = write_batch(connection.cursor(), batch)
        except StoreError:
            # The commit may have succeeded and only its acknowledgement failed: the log knows.
            found = self._found(batch)
            if found is None:
                raise
            appended = found
        self._keys.recorded(batch.new_keys)
        return appended

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Append events that the mapper has encoded; returns their positions."""
        if not stored_events:
            return []
        try:
            return _positions(self.append(stored_batch(stored_events)), stored_events)
        except Conflict as error:
            raise IntegrityError(error.message) from error

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: Any
    ) -> Sequence[int]:
        batch = stored_batch(stored_events)
        return _positions(write_batch(c.sqlite_cursor, batch), stored_events)

    def _found(self, batch: Batch) -> Appended | None:
        if not batch.events:
            return None
        sought = batch.events[0]
        with self._connections.reader() as connection:
            row = connection.execute(
                "SELECT state, position, recorded_at FROM stored_events"
                " WHERE originator_id = ? AND originator_version = ?",
                (str(sought.lead_id), sought.version),
            ).fetchone()
        return found_again(batch, *row) if row else None

    # Reading

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[RecordedEvent]:
        with self._connections.reader() as connection:
            rows = connection.execute(
                SELECT_WITH_KEY
                + "WHERE e.originator_id = ? AND e.originator_version > ?"
                + " AND e.originator_version <= ? ORDER BY e.originator_version "
                + ("DESC" if desc else "ASC")
                + " LIMIT ?",
                (
                    str(originator_id),
                    0 if gt is None else gt,
                    NO_LIMIT if lte is None else lte,
                    -1 if limit is None else limit,
                ),
            ).fetchall()
        return [recorded(row) for row in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> list[RecordedEvent]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        chosen = f" AND e.topic IN ({','.join('?' * len(topics))})" if topics else ""
        with self._connections.reader() as connection:
            rows = connection.execute(
                f"{SELECT_EVENTS} WHERE e.position >= ? AND e.position <= ?{chosen}"
                " ORDER BY e.position LIMIT ?",
                (first, NO_LIMIT if stop is None else stop, *topics, limit),
            ).fetchall()
        return [recorded(row) for row in rows]

    def max_notification_id(self) -> int:
        with self._connections.reader() as connection:
            row = connection.execute("SELECT position FROM log_head").fetchone()
        return cast("int", row[0])


def _positions(appended: Appended, stored_events: Sequence[StoredEvent]) -> range:
    return range(appended.first_position, appended.first_position + len(stored_events))
