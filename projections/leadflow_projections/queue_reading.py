"""The queue's head, with the events that brought each lead there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from leadflow.domain import events as e
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
    """What brought a lead into the queue: its cycle's points, and what made it sales-ready."""
    history = [e_ for e_ in store.load(lead_id) if isinstance(e_, e.LeadEvent)]
    cycle = max((event.cycle for event in history), default=1)
    found: list[Mapping[str, Any]] = []
    for event in history:
        if event.cycle == cycle:
            reason = _reason(event)
            if reason is not None:
                found.append(
                    {
                        "event": event.topic,
                        "occurred_at": iso(event.occurred_at),
                        "position": event.position,
                        **reason,
                    }
                )
    return tuple(found)


def _reason(event: e.LeadEvent) -> dict[str, Any] | None:
    if isinstance(event, e.Scored):
        return {"reason": event.reason, "points": event.points}
    if isinstance(event, e.Engaged) and event.confirms:
        return {"reason": f"{event.kind}: interest confirmed by repeated actions"}
    if isinstance(event, e.BecameSalesReady):
        return {"reason": event.trigger or ("by hand" if event.override else None)}
    return None
