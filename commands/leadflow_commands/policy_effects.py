"""What another policy would do to the leads there are: temperatures, and who is sent to sales."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from leadflow.domain.stages import EXITS, Stage
from leadflow.domain.temperature import temperature
from leadflow.domain.values import Temperature

if TYPE_CHECKING:
    from leadflow import Leadflow
    from leadflow.domain.policy import Policy
    from leadflow.persistence.store import Store

_READY_FROM = (Stage.CAPTURED, Stage.ENRICHED, Stage.QUALIFIED, Stage.NURTURING)
_CLOSED = (*EXITS, Stage.CUSTOMER)


@dataclass(frozen=True, slots=True)
class Change:
    """A lead whose temperature would be another."""

    lead_id: UUID
    before: Temperature
    after: Temperature
    would_enter: bool
    """Whether it would enter the queue with the next thing it does."""

    def as_data(self) -> dict[str, Any]:
        return {
            "lead_id": self.lead_id,
            "before": self.before,
            "after": self.after,
            "would_enter_queue": self.would_enter,
        }


@dataclass
class Effects:
    """What a change of policy does to the open leads at a moment."""

    leads: int = 0
    """Open leads looked at."""
    changed: list[Change] = field(default_factory=list[Change])

    @property
    def would_enter(self) -> list[Change]:
        return [change for change in self.changed if change.would_enter]

    def as_data(self) -> dict[str, Any]:
        return {
            "leads": self.leads,
            "changed": [change.as_data() for change in self.changed],
            "would_enter_queue": len(self.would_enter),
        }


@dataclass(frozen=True, slots=True)
class _Open:
    """What of an open lead decides on its temperature."""

    lead_id: UUID
    stage: Stage
    points_by_day: dict[int, int]
    confirmed: bool


def effects_of(leads: Leadflow, old: Policy, new: Policy) -> Effects:
    """Compare two policies over every open lead, by the store's clock."""
    effects, now = Effects(), leads.store.now()
    for lead in _open_leads(leads.store):
        effects.leads += 1
        before, after = (
            temperature(lead.points_by_day, now, policy, confirmed=lead.confirmed)
            for policy in (old, new)
        )
        if before is not after:
            enters = lead.stage in _READY_FROM and after is Temperature.HOT
            would_enter = enters and _enters(leads, lead.lead_id, new, now)
            effects.changed.append(Change(lead.lead_id, before, after, would_enter))
    return effects


def _enters(leads: Leadflow, lead_id: UUID, policy: Policy, now: datetime) -> bool:
    """After a return or a reopening only what came since counts; the lead itself knows."""
    lead = leads.get(lead_id)
    confirmed = lead.confirmed_at is not None
    heat = temperature(lead.fresh_points_by_day, now, policy, confirmed=confirmed)
    return heat is Temperature.HOT


def _open_leads(store: Store) -> Iterator[_Open]:
    from leadflow_projections.engine import open_engine
    from leadflow_projections.folding import fold_log
    from leadflow_projections.stage_board import STAGE_BOARD

    with open_engine() as engine:
        fold_log(engine, store, STAGE_BOARD.tables, by_person=True)
        rows = engine.execute(
            "SELECT lead_id, stage, points_by_day, confirmed_at IS NOT NULL FROM stage_board"
            " WHERE stage IS NOT NULL AND NOT erased ORDER BY lead_id"
        )
        while batch := rows.fetchmany(10_000):
            for lead_id, stage, points, confirmed in batch:
                if Stage(stage) not in _CLOSED:
                    by_day: dict[str, int] = points or {}
                    days = {int(day): int(total) for day, total in by_day.items()}
                    yield _Open(UUID(str(lead_id)), Stage(stage), days, bool(confirmed))
