"""Moments on the command line, and how times and durations are shown to people.

A moment is written as ISO 8601 with a zone, or as a bare date, which means the whole
day in the zone of `--tz` (UTC unless said otherwise).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

import click

from leadflow_commands.suggestions import did_you_mean

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class GivenMoment:
    """A moment as it was written: an instant, or a day whose zone is known later."""

    written: datetime | date

    @property
    def is_day(self) -> bool:
        return not isinstance(self.written, datetime)

    def first(self, zone: tzinfo) -> datetime:
        """The instant, or the day's first one."""
        if isinstance(self.written, datetime):
            return self.written.astimezone(UTC)
        return datetime.combine(self.written, time(), zone).astimezone(UTC)

    def last(self, zone: tzinfo) -> datetime:
        """The instant, or the day's last one (a moment is inclusive)."""
        if isinstance(self.written, datetime):
            return self.written.astimezone(UTC)
        tomorrow = datetime.combine(self.written + timedelta(days=1), time(), zone)
        return tomorrow.astimezone(UTC) - timedelta(microseconds=1)


class MomentType(click.ParamType[GivenMoment]):
    """Reads `2026-03-01` and `2026-03-01T09:30:00+01:00`."""

    name = "moment"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> GivenMoment:
        if isinstance(value, GivenMoment):
            return value
        try:
            return parse_moment(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)


MOMENT: Final = MomentType()


def parse_moment(text: str) -> GivenMoment:
    """Read a moment.

    Raises:
        ValueError: saying how to write it, when it is no date or has no time zone.
    """
    try:
        if _DATE.fullmatch(text):
            return GivenMoment(date.fromisoformat(text))
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment; write 2026-03-01 or 2026-03-01T09:30:00Z"
        ) from None
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write {text}Z for UTC, or a bare date")
    return GivenMoment(instant)


_UNITS: Final = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,6})\s*([a-z]+)")


class DurationType(click.ParamType[timedelta]):
    """Reads `90d`, `4h`, `30min`."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = _DURATION.fullmatch(value.strip())
        if match is None:
            self.fail(f"{value!r} is no duration; write 90d, 4h or 30min", param, ctx)
        number, unit = match.groups()
        if unit not in _UNITS:
            self.fail(f"unknown unit in {value!r}; {did_you_mean(unit, _UNITS)}", param, ctx)
        return timedelta(seconds=int(number) * _UNITS[unit])


DURATION: Final = DurationType()


def iso(moment: datetime | None) -> str | None:
    """The moment for machines: RFC 3339 in UTC."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def from_microseconds(value: int) -> datetime:
    """The moment that the log keeps as microseconds since the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)


def when(moment: datetime | None, zone: tzinfo) -> str:
    """The moment for people, to the minute; the zone stands in the column's title."""
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def duration(seconds: float | None) -> str:
    """A duration for people, in its two greatest units: `3d 4h`, `12 min`, `8 s`."""
    if seconds is None:
        return ""
    sign = "-" if seconds < 0 else ""
    minutes, rest = divmod(round(abs(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h" if hours else f"{sign}{days}d"
    if hours:
        return f"{sign}{hours}h {minutes}min" if minutes else f"{sign}{hours}h"
    return f"{sign}{minutes} min" if minutes else f"{sign}{rest} s"
