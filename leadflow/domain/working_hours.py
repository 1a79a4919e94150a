"""Time that counts only while somebody is at work."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator

from leadflow.domain.values import Value

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WorkingHours(Value):
    """The days and hours of a week that count, in one time zone, less the holidays."""

    zone: str = "UTC"
    days: tuple[str, ...] = DAYS[:5]
    start: time = time(9)
    end: time = time(17)
    holidays: tuple[date, ...] = ()

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(
                f"unknown time zone {zone!r}; write one such as Europe/Berlin"
            ) from error
        return zone

    @field_validator("days")
    @classmethod
    def _known_days(cls, days: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [day for day in days if day not in DAYS]
        if unknown or not days:
            raise ValueError(f"days are {', '.join(DAYS)}, at least one; not {unknown}")
        return days

    @model_validator(mode="after")
    def _start_before_end(self) -> WorkingHours:
        if self.start >= self.end:
            raise ValueError(f"working hours end ({self.end}) after they start ({self.start})")
        return self

    def add(self, moment: datetime, hours: float) -> datetime:
        """The instant at which `hours` of working time have passed since `moment`."""
        zone = ZoneInfo(self.zone)
        left = timedelta(hours=hours)
        local = moment.astimezone(zone)
        # A year of holidays in a row means that nobody ever works; stop there.
        for ahead in range(3660):
            day = local.date() + timedelta(days=ahead)
            opens, closes = self._hours_of(day, zone)
            if opens is None or closes is None:
                continue
            begins = max(opens, moment.astimezone(UTC))
            if begins >= closes:
                continue
            if begins + left <= closes:
                return begins + left
            left -= closes - begins
        return moment + timedelta(hours=hours)

    def between(self, first: datetime, last: datetime) -> timedelta:
        """How much working time lies between two instants; none when they are reversed."""
        zone = ZoneInfo(self.zone)
        total = timedelta()
        day = first.astimezone(zone).date()
        while day <= last.astimezone(zone).date():
            opens, closes = self._hours_of(day, zone)
            if opens is not None and closes is not None:
                total += max(min(closes, last) - max(opens, first), timedelta())
            day += timedelta(days=1)
        return total

    def _hours_of(self, day: date, zone: ZoneInfo) -> tuple[datetime | None, datetime | None]:
        if DAYS[day.weekday()] not in self.days or day in self.holidays:
            return None, None
        opens = datetime.combine(day, self.start, zone).astimezone(UTC)
        return opens, datetime.combine(day, self.end, zone).astimezone(UTC)


class ResponseTimes(Value):
    """Within how many working hours sales should answer."""

    sales_ready_hours: float = Field(default=4, gt=0)
    handed_over_hours: float = Field(default=8, gt=0)
