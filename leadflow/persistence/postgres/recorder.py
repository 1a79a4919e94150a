"""The eventsourcing library's recorder on PostgreSQL, with leadflow's append in its place."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import IntegrityError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, dict_row

from leadflow.errors import Conflict
from leadflow.persistence.appending import Batch, stored_batch
from leadflow.persistence.keys import Keys
from leadflow.persistence.postgres.connections import CHANNEL, Connections
from leadflow.persistence.postgres.errors import in_our_words
from leadflow.persistence.postgres.writing import write_batch, write_within
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
        originator_id=row[1],
        originator_version=row[2],
        topic=row[3],
        state=row[4],
        recorded_at=row[5],
        wrapped_key=row[6] if len(row) > 6 else None,
    )


class LeadDatastore(PostgresDatastore):
    """The library's datastore, over leadflow's connections."""

    def __init__(self, connections: Connections) -> None:
        self.connections = connections
        self.schema = "public"
        self.originator_id_type = "uuid"
        self.single_row_tracking = True
        self.enable_db_functions = False
        self.lock_timeout = max(1, int(connections.lock_timeout))
        self.db_type_names = set[str]()
        self.psycopg_type_adapters = {}
        self.psycopg_python_types = {}

    def register_type_adapters(self) -> None:
        """None: events are inserted as arrays, not as a composite type."""

    @contextmanager
    def get_connection(self) -> Generator[Connection[DictRow]]:
        # Its rows are dicts and it may LISTEN, so it is not put back among ours.
        connection = self.connections.connect(dict_row)
        try:
            with in_our_words(self.connections.target):
                yield connection
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing: connections are closed with their store."""


class LeadRecorder(PostgresApplicationRecorder):
    """Records and reads events; whatever it inserts takes the one append."""

    def __init__(self, connections: Connections, keys: Keys, *, within: bool = False) -> None:
        """`within` says that others begin and commit the transactions."""
        super().__init__(LeadDatastore(connections))
        self._within = within
        self._connections = connections
        self._keys = keys
        self.channel_name = CHANNEL
        self.sql_create_statements = []  # a store's tables are made with the store

    # Writing

    def append(self, batch: Batch) -> Appended:
        """Record a batch in one transaction."""
        appended = self._connections.persistently(
            lambda connection, again: (
                write_within(connection, batch)
                if self._within
                else write_batch(connection, batch, again=again)
            )
        )
        self._keys.recorded(batch.new_keys)
        return appended

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int]:
        """Append events that the mapper has encoded; returns their positions."""
        if not stored_events:
            return []
        try:
            appended = self.append(stored_batch(stored_events))
        except Conflict as error:
            raise IntegrityError(error.message) from error
        return range(appended.first_position, appended.first_position + len(stored_events))

    def _insert_stored_events(
        self, curs: Cursor[DictRow], stored_events: Sequence[StoredEvent], **_: Any
    ) -> None:
        raise NotImplementedError("events are recorded by insert_events() alone")

    # Reading

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """All rows of one statement, with a new connection when the old one broke."""
        return self._connections.persistently(
            lambda connection, _: connection.execute(query.encode(), values, binary=True).fetchall()
        )

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> list[RecordedEvent]:
        rows = self.rows(
            SELECT_WITH_KEY
            + "WHERE e.originator_id = %s AND e.originator_version > %s"
            + " AND e.originator_version <= %s ORDER BY e.originator_version "
            + ("DESC" if desc else "ASC")
            + " LIMIT %s",
            originator_id,
            0 if gt is None else gt,
            NO_LIMIT if lte is None else lte,
            limit,
        )
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
        rows = self.rows(
            f"{SELECT_EVENTS} WHERE e.position BETWEEN %s AND %s"
            " AND (%s OR e.topic = ANY(%s)) ORDER BY e.position LIMIT %s",
            first,
            NO_LIMIT if stop is None else stop,
            not topics,
            list(topics),
            limit,
        )
        return [recorded(row) for row in rows]

    def max_notification_id(self) -> int:
        position: int = self.rows("SELECT position FROM log_head")[0][0]
        return position
