"""Moments out of cells: strict formats tried in order, then what the mapping falls back to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from leadflow.domain.values import TimeBasis
from leadflow_commands.importing.mapping import Time

_HOURS: Final = ("%H", "%I", "%c", "%X", "%s", "%T", "%R")


@dataclass(frozen=True, slots=True)
class Known:
    """A moment and how well it is known."""

    moment: datetime
    basis: TimeBasis


TextOf = Callable[[str], str | None]
"""A column's text in the row at hand; None where it is blank."""


class Unknown(ValueError):
    """A row gives no moment, or one that cannot be read."""


def known_time(name: str, times: Mapping[str, Time], text_of: TextOf) -> Known:
    """The moment that `[times.NAME]` gives for a row.

    Raises:
        Unknown: saying which columns are blank, or which text is no date.
    """
    time = times[name]
    for column in time.columns:
        text = text_of(column)
        if text is not None:
            return _read(column, text, time)
    if time.otherwise is not None:
        return Known(known_time(time.otherwise, times, text_of).moment, TimeBasis.ASSUMED)
    if time.constant is not None:
        return Known(time.constant.astimezone(UTC), TimeBasis.ASSUMED)
    raise Unknown(f"{' and '.join(time.columns)}: blank, and there is no other time")


def _read(column: str, text: str, time: Time) -> Known:
    for form in time.formats:
        moment = _parsed(text, form, time.zone)
        if moment is not None:
            basis = TimeBasis.EXACT if any(code in form for code in _HOURS) else TimeBasis.DAY
            return Known(moment, time.basis or basis)
    expected = " or ".join(time.formats)
    raise Unknown(f"{column}: {text!r} is no date of the form {expected}")


@lru_cache(maxsize=16_384)
def _parsed(text: str, form: str, zone: str) -> datetime | None:
    """The instant in UTC; a text without a zone is a time in the mapping's zone."""
    try:
        moment = datetime.strptime(text, form)  # noqa: DTZ007 - its zone follows
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone))
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
