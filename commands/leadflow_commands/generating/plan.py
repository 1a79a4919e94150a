"""What a synthetic history is made from; the same plan always makes the same events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final
from uuid import UUID, uuid5

from leadflow.domain.identity import LEADFLOW_NS, lead_id_for
from leadflow_commands.generating.clock import seconds
from leadflow_commands.generating.world import SYSTEM

PART: Final = 100
"""Leads that are told together, in one process."""
ALL_IN_ORDER: Final = 5_000
"""Up to so many leads the whole history is recorded in the order of time."""
COHORT: Final = 200
"""Greater ones are so by cohorts alone: a transaction whose events belong to a few leads
touches a few pages of the database's index, and not one page for each event."""
_TWINS: Final = 150
"""Of so many leads in a row, two are one person."""


def part_id(seed: int, what: str) -> UUID:
    """The command id of a part of the history of a seed."""
    return uuid5(LEADFLOW_NS, f"generate:{seed}:{what}")


@dataclass(frozen=True, slots=True)
class Plan:
    """Size and seed of a history that ends when `until` begins, in UTC."""

    leads: int
    seed: int
    days: int
    until: date

    def __str__(self) -> str:
        return f"seed={self.seed} leads={self.leads} days={self.days} until={self.until}"

    @property
    def end(self) -> int:
        """The moment nothing happens after, in seconds since the epoch."""
        return seconds(self.until)

    @property
    def first_day(self) -> date:
        return self.until - timedelta(days=self.days)

    def id_of(self, what: str) -> UUID:
        """The command id of a part of this history."""
        return part_id(self.seed, what)

    def lead_id(self, number: int) -> UUID:
        """The id of a lead, which is known as gen:SEED-NUMBER too."""
        return lead_id_for(f"{SYSTEM}:{self.seed}-{number:06d}")

    def randomness(self, number: int) -> Random:
        """A lead's own randomness, which no other lead's depends on."""
        return Random(f"{self.seed}/{number}")

    def twin_of(self, number: int) -> int | None:
        """The lead that this one turns out to be the same person as."""
        return number - 1 if number % _TWINS == _TWINS - 1 else None

    def has_twin(self, number: int) -> bool:
        return number + 1 < self.leads and self.twin_of(number + 1) == number

    def windows(self) -> Iterator[tuple[range, ...]]:
        """The leads, in windows that are put in the order of time, each of several parts.

        Twins stand in one part.
        """
        size = self.leads if self.leads <= ALL_IN_ORDER else COHORT
        for first in range(0, self.leads, size):
            last = min(first + size, self.leads)
            yield tuple(range(start, min(start + PART, last)) for start in range(first, last, PART))
