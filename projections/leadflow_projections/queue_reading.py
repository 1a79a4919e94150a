"""The queue's head, with the events that brought each lead there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from leadflow.domain import events as e
from leadflow_projections.judging import decoded
from leadflow_projections.ranking import QueueEntry, iso, rank_queue
from leadflow_projections.reading import read_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from leadflow.domain.policy import Policy
    from leadflow.persistence.store import Store


def read_queue(
    store: Store, policy: Policy, now: datetime | None = None, *, limit: int | None = None
) -> list[QueueEntry]:
    """The sales-ready queue, best first, as its live read model has it.

    Args:
        store: the store.
        policy: the one in force.
        now: the moment asked about; None means now by the store's clock.
        limit: give so many entries at most; None gives all.

    Raises:
        ProjectionMissing: the store has no read model of the queue yet.
    """
    now = now or store.now()
    ranked = rank_queue(read_model(store, "sales_queue").rows, policy, now)[:limit]
    return [replace(entry, why=reasons(store, entry.lead_id)) for entry in ranked]


def reasons(store: Store, lead_id: UUID) -> tuple[Mapping[str, Any], ...]:
    """What brought a lead into the queue: its cycle's points, and what made it sales-ready.

    The events of leads that were merged into it count with its own.
    """
    history = sorted(_history(store, lead_id, {lead_id}), key=lambda event: event.position or 0)
    cycle = max((event.cycle for event in history), default=1)
    found: list[Mapping[str, Any]] = []
    for event in history:
        reason = _reason(event) if event.cycle == cycle else None
        if reason is not None:
            where = {"event": event.topic, "occurred_at": iso(event.occurred_at)}
            found.append({**where, "position": event.position, **reason})
    return tuple(found)


def _history(store: Store, lead_id: UUID, seen: set[UUID]) -> list[e.LeadEvent]:
    events = [
        event
        for event in map(decoded, store.lead_events(lead_id))
        if isinstance(event, e.LeadEvent)
    ]
    absorbed: set[UUID] = set()
    for event in events:
        if isinstance(event, e.Merged) and event.survivor:
            absorbed.add(event.other)
        elif isinstance(event, e.Unmerged) and event.survivor:
            absorbed.discard(event.other)
    for other in absorbed - seen:
        seen.add(other)
        events += _history(store, other, seen)
    return events


def _reason(event: e.LeadEvent) -> dict[str, Any] | None:
    if isinstance(event, e.Scored):
        return {"reason": event.reason, "points": event.points}
    if isinstance(event, e.Engaged) and event.confirms:
        return {"reason": f"{event.kind}: interest confirmed by repeated actions"}
    if isinstance(event, e.BecameSalesReady):
        return {"reason": event.trigger or ("by hand" if event.override else None)}
    return None
