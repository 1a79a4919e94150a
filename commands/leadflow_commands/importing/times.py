"""Moments out of cells: strict formats, then what the mapping falls back to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from leadflow.domain.values import TimeBasis
from leadflow_commands.importing.formats import Format, compiled
from leadflow_commands.importing.mapping import Time

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Known:
    """A moment and how well it is known."""

    moment: datetime
    basis: TimeBasis


class Unknown(ValueError):
    """A row gives no moment, or one that cannot be read."""


TextOf = Callable[[Row], str | None]
"""A column's text in a row; None where it is blank."""
Shown = Callable[[str, str], str]
"""A column and its text for a message, without the text where that is personal."""


class Moments:
    """The times of a mapping, bound to where the columns stand in a file."""

    def __init__(
        self, times: Mapping[str, Time], text_of: Callable[[str], TextOf], shown: Shown
    ) -> None:
        self._times = times
        self._text_of = text_of
        self._shown = shown
        self._readers: dict[str, Callable[[Row], Known]] = {}

    def reader(self, name: str) -> Callable[[Row], Known]:
        """What reads `[times.NAME]` from a row; it raises `Unknown`, saying why."""
        if name not in self._readers:
            self._readers[name] = self._bound(self._times[name])
        return self._readers[name]

    def _bound(self, time: Time) -> Callable[[Row], Known]:
        columns = [(column, self._text_of(column)) for column in time.columns]
        otherwise = None if time.otherwise is None else self.reader(time.otherwise)
        constant = None if time.constant is None else Known(_constant(time), TimeBasis.ASSUMED)
        shown = self._shown
        read = _reader(time)

        def known(row: Row) -> Known:
            for column, text_of in columns:
                text = text_of(row)
                if text is not None:
                    try:
                        return read(text)
                    except Unknown as error:
                        raise Unknown(f"{shown(column, text)} {error}") from None
            if otherwise is not None:
                return Known(otherwise(row).moment, TimeBasis.ASSUMED)
            if constant is not None:
                return constant
            names = " and ".join(time.columns)
            raise Unknown(f"{names}: blank, and there is no other time")

        return known


def _constant(time: Time) -> datetime:
    given = time.constant
    zone = ZoneInfo(time.zone)
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)
    assert isinstance(given, date)
    return datetime.combine(given, datetime.min.time(), zone).astimezone(UTC)


def _reader(time: Time) -> Callable[[str], Known]:
    formats = [compiled(written, time.pivot) for written in time.formats]
    zone = ZoneInfo(time.zone)

    @lru_cache(maxsize=16_384)
    def read(text: str) -> Known:
        found = [(form, moment) for form in formats if (moment := _instant(form, text, zone))]
        if not found:
            raise Unknown(f"is no date of the form {' or '.join(time.formats)}")
        form, moment = found[0]
        for other, different in found[1:]:
            if different != moment:
                raise Unknown(
                    f"is ambiguous: {moment.astimezone(zone):%Y-%m-%d} as {form.written}, "
                    f"{different.astimezone(zone):%Y-%m-%d} as {other.written}"
                )
        basis = TimeBasis.DAY if _to_the_day(form, text) else TimeBasis.EXACT
        return Known(moment, time.basis or basis)

    return read


def _to_the_day(form: Format, text: str) -> bool:
    return form.to_the_day or (form.written == "iso" and len(text) == 10)


def _instant(form: Format, text: str, zone: ZoneInfo) -> datetime | None:
    """The instant in UTC; a text without a zone is a time in the mapping's zone."""
    moment = form.read(text)
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return None
