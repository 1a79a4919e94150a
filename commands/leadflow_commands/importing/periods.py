"""The days that a spend was for, out of the texts that exports write for them."""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

_YEAR: Final = re.compile(r"\d{4}")
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})")
_QUARTER: Final = re.compile(r"(\d{4})-?[Qq]([1-4])")
_WEEK: Final = re.compile(r"(\d{4})-?[Ww](\d{2})")
_RANGE: Final = re.compile(r"(.+?)\s*(?:/|\.\.| - | – )\s*(.+)")
ISO_DATE: Final = "%Y-%m-%d"


@dataclass(frozen=True, slots=True)
class Period:
    """Days, the last one included."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"it ends on {self.last}, before it begins on {self.first}")


def read_period(text: str, form: str = ISO_DATE) -> Period:
    """A period in one text: `2026-03`, `2026-Q1`, `2026-W10`, `2026`, a day, or two days.

    `form` is how days are written, as strptime has it; one without a day is a month.

    Raises:
        ValueError: when it is none of them; says how to write it.
    """
    try:
        named = _named(text) or _as_written(text, form)
        if named is not None:
            return named
        if two := _RANGE.fullmatch(text):
            return Period(_day(two[1], form), _day(two[2], form))
    except ValueError as error:
        raise ValueError(f"{text!r} is no period: {error}") from None
    raise ValueError(
        f"{text!r} is no period; write 2026-03, 2026-Q1, 2026-W10, 2026-03-31 or "
        "2026-03-01/2026-03-31, or say by --date-format how days are written"
    )


def read_days(first: str, last: str, form: str = ISO_DATE) -> Period:
    """A period in two texts, its first and its last day.

    Raises:
        ValueError: when one is no day, or they are the wrong way round.
    """
    return Period(_day(first, form), _day(last, form))


def _day(text: str, form: str) -> date:
    try:
        return datetime.strptime(text, form).date()  # noqa: DTZ007 - a day, of no zone
    except ValueError:
        raise ValueError(f"{text!r} is no day of the form {form}") from None


def _named(text: str) -> Period | None:
    if match := _MONTH.fullmatch(text):
        return _month(date(int(match[1]), int(match[2]), 1))
    if match := _QUARTER.fullmatch(text):
        first = date(int(match[1]), 3 * int(match[2]) - 2, 1)
        return Period(first, _month(first.replace(month=first.month + 2)).last)
    if match := _WEEK.fullmatch(text):
        monday = date.fromisocalendar(int(match[1]), int(match[2]), 1)
        return Period(monday, monday + timedelta(days=6))
    if _YEAR.fullmatch(text):
        return Period(date(int(text), 1, 1), date(int(text), 12, 31))
    return None


def _as_written(text: str, form: str) -> Period | None:
    try:
        day = _day(text, form)
    except ValueError:
        return None
    return Period(day, day) if "%d" in form or "%j" in form else _month(day)


def _month(first: date) -> Period:
    return Period(first.replace(day=1), first.replace(day=monthrange(first.year, first.month)[1]))
