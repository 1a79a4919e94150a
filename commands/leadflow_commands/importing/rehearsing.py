"""A store to rehearse an import on: it reads another, and keeps what is recorded for itself.

What is rehearsed lies in a temporary file beside nothing of yours, so that memory does
not grow with it; without personal data, for which it needs no keys.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from leadflow import Leadflow
from leadflow.domain.events import LeadEvent, LogEvent
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Appended, CommandRow, RecordedEvent, Store


@contextmanager
def rehearsal(leads: Leadflow) -> Generator[Leadflow]:
    """The same leads, of whom nothing is recorded for good."""
    with tempfile.TemporaryDirectory(prefix="leadflow-rehearsal-") as folder:
        overlay = open_store(f"sqlite:///{Path(folder) / 'rehearsal.db'}", create=True)
        with overlay:
            # Typed as the store that it answers for: all but what is below is the other's.
            store = cast("Store", _Rehearsed(leads.store, overlay))
            yield Leadflow(store, producer=leads.producer)


class _Rehearsed:
    """A store whose appends go elsewhere, and whose answers know of both."""

    def __init__(self, base: Store, overlay: Store) -> None:
        self._base = base
        self._overlay = overlay
        self._end = base.head().position
        """Positions beyond it are the overlay's."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._base, name)

    def append(self, append: Append) -> Appended:
        events = [_without_personal(event) for event in append.events]
        return self._overlay.append(
            replace(append, events=events, genesis=(), expect_policy=None, addresses=())
        )

    def load(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[LogEvent]:
        both = [
            store.load(lead_id, after_version=after_version, upto_version=upto_version)
            for store in (self._base, self._overlay)
        ]
        return [event for events in both for event in events]

    def load_many(self, leads: Collection[UUID]) -> dict[UUID, list[LogEvent]]:
        found = self._base.load_many(leads)
        for lead_id, events in self._overlay.load_many(leads).items():
            found.setdefault(lead_id, []).extend(events)
        return found

    def lead_events(self, lead_id: UUID, **limits: Any) -> list[RecordedEvent]:
        base = self._base.lead_events(lead_id, **limits)
        return [*base, *self._overlay.lead_events(lead_id, **limits)]

    def events_at(self, first: int, count: int) -> list[RecordedEvent]:
        if first <= self._end:
            return self._base.events_at(first, count)
        return self._overlay.events_at(first - self._end, count)

    def commands(self, ids: Collection[UUID]) -> dict[UUID, CommandRow]:
        rehearsed = {
            command_id: replace(row, first_position=row.first_position + self._end)
            if row.first_position
            else row
            for command_id, row in self._overlay.commands(ids).items()
        }
        return self._base.commands(ids) | rehearsed

    def begun(self, leads: Collection[UUID]) -> set[UUID]:
        return self._base.begun(leads) | self._overlay.begun(leads)

    def lead_by_alias(self, external_id: str) -> UUID | None:
        found = self._base.lead_by_alias(external_id)
        return found or self._overlay.lead_by_alias(external_id)

    def leads_by_aliases(self, external_ids: Collection[str]) -> dict[str, UUID]:
        rehearsed = self._overlay.leads_by_aliases(external_ids)
        return rehearsed | self._base.leads_by_aliases(external_ids)


def _without_personal(event: LogEvent) -> LogEvent:
    if isinstance(event, LeadEvent) and event.personal is not None:
        return event.model_copy(update={"personal": None})
    return event
