"""What a reading is, in words: the same under a table, a picture and a page."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from leadflow_projections.metrics.selection import Basis

if TYPE_CHECKING:
    from leadflow_projections.metrics.selection import Reading, Selection

DEFINITIONS: Final = {
    "cycle": "One run of a person through the funnel; a lead that was reopened has several.",
    "entered": "An event entered the step itself.",
    "reached": "Entered the step or any later one; lost and disqualified are exits, no steps.",
    "went on": "Of those that reached the step: reached the next step shown.",
    "lost": "Of those that reached the step and did not go on: fell off.",
    "disqualified": "Of those that reached the step and did not go on: were sorted out.",
    "open": "Of those that reached the step: all others; in the last row, all that stand there.",
    "step conversion": "Reached this step / reached the step before; undefined over nothing.",
    "overall conversion": "Reached this step / reached the first step; undefined over nothing.",
}
"""One line for each figure of a funnel."""

BASIS_DEFINITIONS: Final = {
    Basis.COHORT: "Counted are the cycles that began in the period, wherever they went since.",
    Basis.PERIOD: "Counted is what happened in the period, whenever the cycle began; "
    "a conversion may exceed 100 %.",
}
WITHIN_DEFINITION: Final = (
    "Each cycle is counted from its beginning to the end of its window; one whose window has "
    "not ended is immature: in no figure, and never lost."
)


def describe_selection(selection: Selection) -> str:
    """Which cycles are counted: `Cycles begun 2018-01-01 to 2018-01-31, source = email`."""
    since, until = (_bound(at, selection.zone) for at in (selection.since, selection.until))
    period = selection.basis is Basis.PERIOD
    what = "What happened" if period else "Cycles begun"
    if since and until:
        said = f"{what} {since}" if since == until else f"{what} {since} to {until}"
    elif since:
        said = f"{what} from {since} on"
    elif until:
        said = f"{what} up to {until}"
    else:
        said = "All that happened" if period else "All cycles"
    if selection.within is not None:
        said += f", each for {_length(selection.within.total_seconds())}"
    values: dict[str, list[str]] = {}
    for condition in selection.where:
        values.setdefault(condition.field, []).append(condition.value or "blank")
    conditions = [f"{field} = {' or '.join(either)}" for field, either in values.items()]
    return ", ".join([said, *conditions])


def describe_reading(reading: Reading, zone: str) -> str:
    """When and where it was read: `as of 2018-05-31 UTC, log position 8,843`."""
    said = [f"log position {reading.position:,}"]
    if reading.known_at is not None:
        said.insert(0, f"as known at {_bound(reading.known_at, zone)} {zone}")
    if reading.as_of is not None:
        said.insert(0, f"as of {_bound(reading.as_of, zone)} {zone}")
    return ", ".join(said)


def describe_moment(reading: Reading, zone: str) -> str:
    """The same, with the moment of the reading where it was read as it stands now."""
    said = describe_reading(reading, zone)
    if reading.as_of is None and reading.known_at is None:
        said = f"read {_bound(reading.moment, zone)} {zone}, {said}"
    return said[:1].upper() + said[1:]


def _bound(moment: datetime | None, zone: str) -> str:
    """A moment; the first or last one of a day is that day."""
    if moment is None:
        return ""
    local = moment.astimezone(ZoneInfo(zone))
    is_day = (local.hour, local.minute, local.second, local.microsecond) in {
        (0, 0, 0, 0),
        (23, 59, 59, 999_999),
    }
    return local.strftime("%Y-%m-%d" if is_day else "%Y-%m-%d %H:%M")


def _length(seconds: float) -> str:
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f} {name}{'s' if seconds != size else ''}"
    return f"{seconds:g} seconds"
