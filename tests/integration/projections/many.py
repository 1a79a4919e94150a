"""A log long enough that children read it and write its rows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.domain.values import Money, Phase
from leadflow.persistence.store import Append, Store
from leadflow_projections.log_reader import IN_PROCESS_EVENTS

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EVENTS_EACH = 4


def events(leads: int, *, since: int = 0) -> Iterator[e.LeadEvent]:
    """Four events of each lead: captured, engaged, scored, bought."""
    for number in range(since, since + leads):
        lead = UUID(int=(number * 2_654_435_761 % 2**32) << 96 | 0x4000 << 64 | 0x8 << 60)
        common: dict[str, Any] = {
            "originator_id": lead,
            "cycle": 1,
            "occurred_at": BEGIN + timedelta(minutes=number),
        }

        def ids(version: int, number: int = number) -> dict[str, Any]:
            return {
                "originator_version": version,
                "event_id": UUID(int=number * EVENTS_EACH + version),
            }

        yield e.Captured(
            **common, **ids(1), entered=Stage.CAPTURED, visit=1, source=f"s{number % 7}"
        )
        yield e.Engaged(**common, **ids(2), kind="visit", phase=Phase.EARLY)
        yield e.Scored(**common, **ids(3), points=number % 50, reason="visit")
        yield e.Purchased(
            **common,
            **ids(4),
            entered=Stage.CUSTOMER,
            visit=1,
            order_id=f"p{number}",
            amount=Money(minor=number, currency="EUR"),
        )


def record_many(store: Store, leads: int | None = None, *, since: int = 0) -> int:
    """Record them; by default so many that a child is worth its start. Gives the position."""
    leads = IN_PROCESS_EVENTS // EVENTS_EACH + 100 if leads is None else leads
    history = list(events(leads, since=since))
    for first in range(0, len(history), 10_000):
        store.append(Append(events=history[first : first + 10_000]))
    return store.head().position
