"""The eventsourcing library's own application and projection, as its documentation has them.

It keeps the same pydantic events in SQLite with its own recorder, one aggregate at a time,
without encryption, hash chain or command ids.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Tracking, Transcoder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.sqlite import SQLiteTrackingRecorder
from eventsourcing.utils import get_topic, resolve_topic
from pydantic import BaseModel

from leadflow.domain.events import LeadEvent
from leadflow.domain.lead import Lead


class OrjsonTranscoder(Transcoder):
    """The faster of the transcoders that the library's documentation shows."""

    def encode(self, obj: Any) -> bytes:
        return orjson.dumps(obj)

    def decode(self, data: bytes) -> Any:
        return orjson.loads(data)


class PydanticMapper(Mapper[UUID]):
    """As in the library's example of aggregates with pydantic events."""

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        state = cast("BaseModel", domain_event).model_dump(mode="json")
        return StoredEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=get_topic(domain_event.__class__),
            state=self.transcoder.encode(state),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        state: dict[str, Any] = self.transcoder.decode(stored_event.state)
        event: DomainEventProtocol[UUID] = resolve_topic(stored_event.topic)(**state)
        return event


class Leads(Application[UUID]):
    """The library's application, of leads."""

    def construct_mapper(self) -> Mapper[UUID]:
        return PydanticMapper(OrjsonTranscoder())


def leads_at(path: Path) -> Leads:
    """The application on a SQLite file."""
    return Leads(env=_environment(path))


def _environment(path: Path) -> dict[str, str]:
    return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(path)}


class Board(SQLiteTrackingRecorder):
    """A read model with a row for each lead: its stage."""

    def construct_create_table_statements(self) -> list[str]:
        return [
            *super().construct_create_table_statements(),
            "CREATE TABLE IF NOT EXISTS board (lead_id TEXT PRIMARY KEY, stage TEXT, events INT)",
        ]

    def enter(self, event: LeadEvent, tracking: Tracking) -> None:
        """Count the event, and keep the stage that it entered."""
        stage = None if event.entered is None else event.entered.value
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


def project(path: Path, upto: int, timeout: float = 120) -> None:
    """Run the projection over the application's events until this position."""
    environment = _environment(path)
    with ProjectionRunner(
        application_class=Leads, projection_class=BoardProjection, view_class=Board, env=environment
    ) as runner:
        runner.wait(upto, timeout=timeout)
    assert threading.active_count() >= 1


def save_each(application: Leads, leads: Iterable[Lead]) -> None:
    """Save the leads' pending events, one lead at a time."""
    for lead in leads:
        application.save(lead)
