"""What a funnel's reading gives back, and its documented JSON shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from leadflow_projections.metrics.selection import Reading, Selection, iso

if TYPE_CHECKING:
    from datetime import datetime


def ratio(part: int, whole: int) -> float | None:
    """Part over whole; over nothing it is undefined, which is None and never 0."""
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class StepLead:
    """One person's cycle behind a figure."""

    lead_id: UUID
    cycle: int
    outcome: str
    """went_on, lost, disqualified, open; immature where its window has not ended."""
    entered: bool
    """Whether the step itself was entered, or only a later one."""
    reached_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "lead_id": str(self.lead_id),
            "cycle": self.cycle,
            "outcome": self.outcome,
            "entered": self.entered,
            "reached_at": iso(self.reached_at),
        }


@dataclass(frozen=True, slots=True)
class StepFigures:
    """One row of a funnel: reached = went_on + lost + disqualified + open, always.

    In the last row there is nowhere to go on to, so `open` holds all that stand there.
    `immature` cycles have reached the step too, but are in none of the other figures.
    """

    stage: str
    reached: int
    entered: int
    went_on: int
    lost: int
    disqualified: int
    open: int
    immature: int
    leads: int
    """Distinct persons among the cycles that reached it."""
    step_conversion: float | None
    """reached / reached of the step before; None in the first row and over nothing."""
    overall_conversion: float | None
    """reached / reached of the first step; None over nothing."""
    behind: tuple[StepLead, ...] | None = None
    """The leads behind the figures, where they were asked for."""

    def to_json(self) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "stage": self.stage,
            "reached": self.reached,
            "entered": self.entered,
            "went_on": self.went_on,
            "lost": self.lost,
            "disqualified": self.disqualified,
            "open": self.open,
            "immature": self.immature,
            "leads": self.leads,
            "step_conversion": self.step_conversion,
            "overall_conversion": self.overall_conversion,
        }
        if self.behind is not None:
            figures["list"] = [lead.to_json() for lead in self.behind]
        return figures


@dataclass(frozen=True, slots=True)
class Group:
    """The steps of the cycles that share a value; None: those that have none."""

    value: str | None
    steps: tuple[StepFigures, ...]
    leads: int
    immature: int

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "leads": self.leads,
            "immature": self.immature,
            "steps": [step.to_json() for step in self.steps],
        }


@dataclass(frozen=True, slots=True)
class Funnel:
    """A funnel, whole or by the groups of a field."""

    reading: Reading
    selection: Selection
    strict: bool
    whole: Group
    """All groups together."""
    groups: tuple[Group, ...] = field(default=())
    """In the order of their size; empty where no field was asked for."""
    assumed_left_out: int = 0
    """Entries whose time is only assumed, and therefore not counted."""

    def to_json(self) -> dict[str, Any]:
        """The shape of `metrics funnel --json`."""
        selection, reading = self.selection, self.reading
        within = selection.within
        head: dict[str, Any] = {
            "as_of": iso(reading.as_of),
            "known_at": iso(reading.known_at),
            "position": reading.position,
            "basis": selection.basis.value,
            "since": iso(selection.since),
            "until": iso(selection.until),
            "within_seconds": None if within is None else within // timedelta(seconds=1),
            "strict": self.strict,
            "leads": self.whole.leads,
            "immature": self.whole.immature,
            "assumed_left_out": self.assumed_left_out,
        }
        if selection.by is None:
            return {**head, "steps": [step.to_json() for step in self.whole.steps]}
        return {
            **head,
            "by": selection.by,
            "groups": [group.to_json() for group in self.groups],
        }
