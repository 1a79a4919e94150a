"""How long it takes: lead time and time to handover.

Both are counted once a person, from the capture: to the first purchase (the lead time,
the whole), and to the first handover (marketing's part of it), in whichever cycle that
was. What is not there yet is *open*: counted, and in no average.

Between two dates known only to the day there are whole days. Between such a date and an
instant the date counts as its 00:00 in the zone, and the duration keeps its fraction.
Durations with an end whose time is assumed are left out, with their number.

The median of an even count is the mean of the two middle ones; quartiles interpolate
linearly between the neighbours in the same way (Hyndman and Fan's type 7, the default of
NumPy, R and DuckDB). `measuring.py` computes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from leadflow_projections.metrics.selection import Reading, Selection, iso

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class DurationLead:
    """One person behind a duration's figures."""

    lead_id: UUID
    cycle: int
    """The cycle in which it ended, else the person's latest."""
    outcome: str
    """done, open, ended (closed, or gone past it, without it), immature, or assumed."""
    began_at: datetime
    ended_at: datetime | None
    days: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "lead_id": str(self.lead_id),
            "cycle": self.cycle,
            "outcome": self.outcome,
            "began_at": iso(self.began_at),
            "ended_at": iso(self.ended_at),
            "days": self.days,
        }


@dataclass(frozen=True, slots=True)
class DurationFigures:
    """The spread of one duration, in days; None where nothing was counted."""

    name: str
    value: str | None
    """The group's value, where figures are grouped."""
    n: int
    open: int
    """Captured, and neither there nor closed yet."""
    ended: int
    """Lost or disqualified before, or gone past it to a later step."""
    negative: int
    """Of n: those whose end is recorded as before their beginning."""
    assumed: int
    """Left out, since the time of an end is only assumed."""
    immature: int
    """Left out, since their window has not ended."""
    mean: float | None
    median: float | None
    q1: float | None
    q3: float | None
    least: float | None
    greatest: float | None
    behind: tuple[DurationLead, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "name": self.name,
            "n": self.n,
            "open": self.open,
            "mean": self.mean,
            "median": self.median,
            "q1": self.q1,
            "q3": self.q3,
            "least": self.least,
            "greatest": self.greatest,
            "unit": "days",
            "ended": self.ended,
            "negative": self.negative,
            "assumed_left_out": self.assumed,
            "immature": self.immature,
        }
        if self.behind is not None:
            figures["list"] = [lead.to_json() for lead in self.behind]
        return figures


@dataclass(frozen=True, slots=True)
class Durations:
    """All durations of a reading, group by group where a field was asked for."""

    reading: Reading
    selection: Selection
    figures: tuple[DurationFigures, ...]

    def to_json(self) -> list[dict[str, Any]]:
        """The shape of `metrics durations --json`."""
        by = self.selection.by
        return [
            {
                **figures.to_json(),
                **({} if by is None else {"by": by, "value": figures.value}),
                "as_of": iso(self.reading.as_of),
                "known_at": iso(self.reading.known_at),
                "position": self.reading.position,
            }
            for figures in self.figures
        ]
