"""When things happen: seasons, weekdays, hours of people and of offices.

Moments are whole seconds since the epoch, in UTC, which is quick to reckon with.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Final

from leadflow_commands.generating.world import GROWTH, MONTHS, WEEKDAYS

HOUR: Final = 3_600
DAY: Final = 86_400
_MONDAY: Final = 4 * DAY
"""The first Monday after the epoch, which was a Thursday."""
_WEEK: Final = 7 * DAY
_OPENS, _CLOSES = 8 * HOUR, 17 * HOUR


class Seasons:
    """Spreads leads over the days before `until`, as months and weekdays ask for."""

    def __init__(self, until: date, days: int) -> None:
        first = until - timedelta(days=days)
        self._start = seconds(first)
        weights: list[float] = []
        for number in range(days):
            day = first + timedelta(days=number)
            trend = 1 + GROWTH * number / days
            weights.append(trend * MONTHS[day.month - 1] * WEEKDAYS[day.weekday()])
        self._sums = list(accumulate(weights))

    def moment(self, share: float, rng: Random) -> int:
        """The moment before which this share of all leads came; within a day at waking hours."""
        wanted = share * self._sums[-1]
        day = min(bisect_left(self._sums, wanted), len(self._sums) - 1)
        return self._start + day * DAY + waking(rng)


def seconds(day: date) -> int:
    """The day's first second in UTC."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def instant(moment: int) -> datetime:
    """The moment as events have it."""
    return datetime.fromtimestamp(moment, UTC)


def waking(rng: Random) -> int:
    """A second of the day at which people are about, most of them before noon."""
    return int(rng.triangular(6 * HOUR, 23 * HOUR, 11 * HOUR))


def later(moment: int, days: float, rng: Random) -> int:
    """Some days on, at waking hours; business rests on two weekends of three."""
    then = moment + int(days * DAY)
    if (then - _MONDAY) % _WEEK >= 5 * DAY and rng.random() < 0.66:
        then += 2 * DAY
    if then % DAY < 6 * HOUR:
        then += 7 * HOUR
    return max(then, moment + 60)


def working(moment: int, hours: float = 0.0) -> int:
    """So many office hours (Monday to Friday, 8 to 17) after a moment."""
    then = _opened(moment)
    rest = int(hours * HOUR)
    while rest > 0:
        left = _CLOSES - then % DAY
        if rest < left:
            return then + rest
        rest -= left
        then = _opened(then + left)
    return then


def _opened(moment: int) -> int:
    """The moment itself in office hours, else when the office opens next."""
    if moment % DAY >= _CLOSES:
        moment += DAY - moment % DAY
    if moment % DAY < _OPENS:
        moment += _OPENS - moment % DAY
    weekday = (moment - _MONDAY) % _WEEK // DAY
    if weekday >= 5:
        moment += (7 - weekday) * DAY
        moment -= moment % DAY - _OPENS
    return moment
