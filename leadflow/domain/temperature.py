"""Temperature and decay: pure functions of points, days and the moment asked about.

Nothing here is stored. Decay touches temperature and the queue's order, never the score.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from leadflow.domain.policy import Policy
from leadflow.domain.values import Temperature

_DAY: Final = 86_400
TEMPERATURE_RANK: Final = {Temperature.COLD: 0, Temperature.WARM: 1, Temperature.HOT: 2}


def day_number(moment: datetime) -> int:
    """Whole days since 1970-01-01, in UTC: the key of points by day."""
    return int(moment.timestamp() // _DAY)


def decayed_score(
    points_by_day: Mapping[int, int], moment: datetime, half_life_days: int | None
) -> float:
    """The points as they still count at a moment, in points, to two decimals.

    Each day's points halve every `half_life_days` whole days; None means they never
    do. Days after the moment count undiminished.
    """
    if half_life_days is None:
        return float(sum(points_by_day.values()))
    today = day_number(moment)
    decayed: float = sum(
        points * 0.5 ** (max(today - day, 0) / half_life_days)
        for day, points in points_by_day.items()
    )
    return round(decayed, 2)


def temperature(
    points_by_day: Mapping[int, int],
    moment: datetime,
    policy: Policy,
    *,
    confirmed: bool = False,
) -> Temperature:
    """Cold, warm or hot at a moment: by thresholds, and hot when interest is confirmed."""
    if confirmed:
        return Temperature.HOT
    score = decayed_score(points_by_day, moment, policy.half_life_days)
    if score >= policy.thresholds.hot:
        return Temperature.HOT
    return Temperature.WARM if score >= policy.thresholds.warm else Temperature.COLD
