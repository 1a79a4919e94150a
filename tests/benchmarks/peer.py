"""The eventsourcing library's own application and projection, keeping the same events.

As it ships: its mapper, its JSON transcoder and its SQLite recorder; only transcodings for
our value types are registered, as its manual asks for. It saves one aggregate at a time,
without encryption, hash chain or command ids.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import JSONTranscoder, Tracking, Transcoding
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from psycopg.sql import SQL, Identifier

from leadflow.domain.events import LeadEvent
from leadflow.domain.lead import Lead
from leadflow.domain.values import Consent, FieldValue, Money, Personal, Value


class _AsValue(Transcoding):
    """One of our value types, as JSON has it."""

    def __init__(self, kind: type[Value]) -> None:
        self.type = kind
        self.name = kind.__name__

    def encode(self, obj: Any) -> Any:
        return obj.model_dump(mode="json", exclude_none=True)

    def decode(self, data: Any) -> Any:
        return self.type(**data)


class Leads(Application[UUID]):
    """The library's application, of leads."""

    def register_transcodings(self, transcoder: JSONTranscoder) -> None:
        super().register_transcodings(transcoder)
        for kind in (Personal, Money, Consent, FieldValue):
            transcoder.register(_AsValue(kind))


def leads_at(path: Path) -> Leads:
    """The application on a SQLite file."""
    return Leads(env={"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)})


class Board(SQLiteTrackingRecorder):
    """A read model with a row for each lead: its stage."""

    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS board (lead_id TEXT PRIMARY KEY, stage TEXT, events INT)",
        ]

    def enter(self, event: LeadEvent, tracking: Tracking) -> None:
        """Count the event, and keep the stage that it entered."""
        stage = None if event.entered is None else str(event.entered)
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO board VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET"
                " stage = COALESCE(excluded.stage, stage), events = events + 1",
                (str(event.originator_id), stage),
            )


class BoardProjection(Projection[Board]):
    """One call and one transaction for each event."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.enter(domain_event, tracking)


class PostgresBoard(PostgresTrackingRecorder):
    """The same in PostgreSQL."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements.append(
            SQL(
                "CREATE TABLE IF NOT EXISTS {0} (lead_id uuid PRIMARY KEY, stage text, events int)"
            ).format(Identifier("board"))
        )

    def enter(self, event: LeadEvent, tracking: Tracking) -> None:
        """Count the event, and keep the stage that it entered."""
        stage = None if event.entered is None else str(event.entered)
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO board VALUES (%s, %s, 1) ON CONFLICT (lead_id) DO UPDATE SET"
                " stage = COALESCE(excluded.stage, board.stage), events = board.events + 1",
                (event.originator_id, stage),
            )


class PostgresBoardProjection(Projection[PostgresBoard]):
    """One call and one transaction for each event."""

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.enter(domain_event, tracking)


def project_in_postgres(url: str, leads: Iterable[Lead]) -> tuple[int, float]:
    """Record the leads' pending events in PostgreSQL, then project them into a table there.

    Gives how many there were, and the seconds that projecting took: the runner is started when
    all are recorded, as for a rebuild.
    """
    parts = urlsplit(url)
    database = {
        "POSTGRES_DBNAME": parts.path.lstrip("/"),
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
    }
    env = {f"LEADS_{name}": value for name, value in database.items()}
    env |= {f"POSTGRESBOARDPROJECTION_{name}": value for name, value in database.items()}
    env["LEADS_PERSISTENCE_MODULE"] = "eventsourcing.postgres"
    env["POSTGRESBOARDPROJECTION_PERSISTENCE_MODULE"] = "eventsourcing.postgres"
    application = Leads(env)
    save_each(application, leads)
    events = application.recorder.max_notification_id() or 0
    application.close()
    begun = time.perf_counter()
    with ProjectionRunner(
        application_class=Leads,
        projection_class=PostgresBoardProjection,
        view_class=PostgresBoard,
        env=env,
    ) as runner:
        runner.wait(events, timeout=300)
    return events, time.perf_counter() - begun


def project(path: Path, leads: Iterable[Lead]) -> int:
    """Project the leads' pending events into a SQLite file; gives how many there were.

    The library's runner cannot follow a log in SQLite, so the log is in memory, which is
    quicker still; the read model is in SQLite.
    """
    with ProjectionRunner(
        application_class=Leads,
        projection_class=BoardProjection,
        view_class=Board,
        env={
            "LEADS_PERSISTENCE_MODULE": "eventsourcing.popo",
            "BOARDPROJECTION_PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "BOARDPROJECTION_SQLITE_DBNAME": str(path),
        },
    ) as runner:
        save_each(runner.app, leads)
        events = runner.app.recorder.max_notification_id() or 0
        runner.wait(events, timeout=120)
    return events


def save_each(application: Leads, leads: Iterable[Lead]) -> None:
    """Save the leads' pending events, one lead at a time."""
    for lead in leads:
        application.save(lead)
