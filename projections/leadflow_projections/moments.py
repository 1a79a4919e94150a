"""Moments as whole microseconds since the epoch, in UTC: how columns hold them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """The moment in microseconds since the epoch, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment(value: int) -> datetime:
    """The moment that so many microseconds since the epoch are, in UTC."""
    return _EPOCH + timedelta(microseconds=value)
