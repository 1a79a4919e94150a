"""What a metric is asked about: which cycles, counted how, grouped by what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from leadflow.errors import InvalidInput


class Basis(StrEnum):
    """Who is counted when a period is given.

    cohort: the cycles that began in it, wherever they went since. period: what happened
    in it, whenever the cycle began; such a rate may exceed 100 %.
    """

    COHORT = "cohort"
    PERIOD = "period"


@dataclass(frozen=True, slots=True)
class Condition:
    """A field and the value it must have; None asks for those that have none."""

    field: str
    value: str | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cycles a metric counts. Bounds are inclusive; None leaves a side open.

    Conditions on one field are alternatives, conditions on different fields all hold.
    """

    basis: Basis = Basis.COHORT
    since: datetime | None = None
    until: datetime | None = None
    within: timedelta | None = None
    where: tuple[Condition, ...] = ()
    by: str | None = None
    zone: str = "UTC"
    """The zone whose midnight a date stands for that is known only to the day."""

    def __post_init__(self) -> None:
        if self.since and self.until and self.since > self.until:
            raise InvalidInput(
                f"the period ends before it begins: since {_day(self.since)}, "
                f"until {_day(self.until)}",
                hint="exchange --since and --until",
            )
        if self.within is not None and self.within <= timedelta(0):
            raise InvalidInput("the window of --within must be longer than nothing")
        if self.within is not None and self.basis is Basis.PERIOD:
            raise InvalidInput(
                "--within counts each cycle from its own beginning, which only a cohort has",
                hint="use --basis cohort, or leave --within out",
            )

    @property
    def bounded(self) -> bool:
        """Whether the period has a bound on any side."""
        return self.since is not None or self.until is not None

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that must be read, each once."""
        named = [condition.field for condition in self.where]
        return tuple(dict.fromkeys([*named, *([self.by] if self.by else [])]))


@dataclass(frozen=True, slots=True)
class Reading:
    """Where in the log, and as of when, figures were read."""

    position: int
    moment: datetime
    """The moment asked about: as_of, else known_at, else the store's present."""
    as_of: datetime | None = None
    known_at: datetime | None = None
    assumed: int = 0
    """Events that `as_of` left out since their time is only assumed."""


def naive(moment: datetime | None) -> datetime | None:
    """The moment as the tables hold it: UTC, without a zone."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def iso(moment: datetime | None) -> str | None:
    """The moment for machines: RFC 3339 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
