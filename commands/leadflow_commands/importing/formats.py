"""Formats of dates, as strptime writes them, read strictly and the same everywhere.

strptime itself takes its month names from the machine's locale and knows no pivot for
two-digit years; and it is slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun")
_MONTHS_AFTER: Final = ("jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NUMBER: Final = {m: n for n, m in enumerate((*_MONTHS, *_MONTHS_AFTER), 1)}
_WEEKDAY_NUMBER: Final = {
    day: n for n, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
}
_LONG_MONTHS: Final = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
)
_LONG_DAYS: Final = "monday|tuesday|wednesday|thursday|friday|saturday|sunday"
_PATTERNS: Final = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "1[0-2]|0?[1-9]",
    "d": "3[01]|[12][0-9]|0?[1-9]",
    "H": "2[0-3]|[01]?[0-9]",
    "I": "1[0-2]|0?[1-9]",
    "M": "[0-5][0-9]",
    "S": "[0-5][0-9]",
    "f": "[0-9]{1,9}",
    "p": "am|pm|a\\.m\\.|p\\.m\\.",
    "b": "|".join(_MONTH_NUMBER),
    "B": _LONG_MONTHS,
    "a": "|".join(_WEEKDAY_NUMBER),
    "A": _LONG_DAYS,
    "z": "z|[+-][0-9]{2}:?[0-9]{2}",
    "Z": "utc|gmt",
}
_SHORT_FOR: Final = {"T": "%H:%M:%S", "R": "%H:%M", "F": "%Y-%m-%d", "D": "%m/%d/%y"}
_TOKEN: Final = re.compile(r"%[-#]?(?P<code>.)|(?P<space>\s+)|(?P<literal>.)", re.DOTALL)

Read = Callable[[str], datetime | None]


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write a moment."""

    written: str
    to_the_day: bool
    """Whether it tells no hour."""
    read: Read
    """The moment that a text tells, without a zone where it names none; None for any other."""


def compiled(written: str, pivot: int) -> Format:
    """A format ready for use; two-digit years up to `pivot` are of this century.

    Raises:
        ValueError: when it has a code that is not known, or does not make a date.
    """
    if written in _NAMED:
        return Format(written, to_the_day=False, read=_NAMED[written])
    for short, long in _SHORT_FOR.items():
        written = written.replace(f"%{short}", long)
    codes: list[str] = []
    pattern = "".join(_part(token, codes, written) for token in _TOKEN.finditer(written))
    for names, what in (("Yy", "year"), ("mbB", "month"), ("d", "day")):
        if not any(code in names for code in codes):
            raise ValueError(f"{written!r} has no {what}")
    if "I" in codes and "p" not in codes:
        raise ValueError(f"{written!r} has hours to 12 (%I), but no %p that says which half")
    whole = re.compile(pattern, re.IGNORECASE)
    return Format(
        written, not any(code in "HI" for code in codes), lambda text: _read(whole, text, pivot)
    )


def _part(token: re.Match[str], codes: list[str], written: str) -> str:
    code = token["code"]
    if code is None:
        return r"\s+" if token["space"] else re.escape(token["literal"])
    if code == "%":
        return "%"
    if code not in _PATTERNS:
        known = " ".join(f"%{known}" for known in _PATTERNS)
        raise ValueError(f"%{code} in {written!r} is not known; known are {known}")
    if code in codes:
        raise ValueError(f"{written!r} has %{code} twice")
    codes.append(code)
    return f"(?P<{code}>{_PATTERNS[code]})"


def _read(pattern: re.Pattern[str], text: str, pivot: int) -> datetime | None:
    match = pattern.fullmatch(text)
    if match is None:
        return None
    found = match.groupdict()
    try:
        moment = datetime(
            _year(found, pivot),
            _month(found),
            int(found["d"]),
            _hour(found),
            int(found.get("M") or 0),
            int(found.get("S") or 0),
            int((found.get("f") or "0").ljust(6, "0")[:6]),
            tzinfo=_zone(found),
        )
    except ValueError:
        return None
    day = found.get("a") or found.get("A")
    if day is not None and _WEEKDAY_NUMBER[day[:3].lower()] != moment.weekday():
        return None
    return moment


def _year(found: dict[str, str], pivot: int) -> int:
    if "Y" in found:
        return int(found["Y"])
    year = int(found["y"])
    return 2000 + year if year <= pivot else 1900 + year


def _month(found: dict[str, str]) -> int:
    name = found.get("b") or found.get("B")
    return int(found["m"]) if name is None else _MONTH_NUMBER[name[:3].lower()]


def _hour(found: dict[str, str]) -> int:
    if "I" not in found:
        return int(found.get("H") or 0)
    afternoon = found["p"].lower().startswith("p")
    return int(found["I"]) % 12 + (12 if afternoon else 0)


def _zone(found: dict[str, str]) -> timezone | None:
    if "Z" in found:
        return UTC
    offset = found.get("z")
    if offset is None:
        return None
    if offset in "zZ":
        return UTC
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes))


_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].+)?", re.IGNORECASE)
_SECONDS: Final = re.compile(r"[0-9]{9,11}(\.[0-9]{1,9})?")
_MILLISECONDS: Final = re.compile(r"[0-9]{12,14}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _iso(text: str) -> datetime | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _unix(text: str) -> datetime | None:
    if not _SECONDS.fullmatch(text):
        return None
    seconds, _, fraction = text.partition(".")
    micro = int((fraction or "0").ljust(6, "0")[:6])
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=micro)


def _unix_ms(text: str) -> datetime | None:
    if not _MILLISECONDS.fullmatch(text):
        return None
    return _EPOCH + timedelta(milliseconds=int(text))


_NAMED: Final[dict[str, Read]] = {"iso": _iso, "unix": _unix, "unix_ms": _unix_ms}
