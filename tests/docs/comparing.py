"""Whether a program printed what a page shows.

Pages show real output. What must differ from run to run may differ: rates, sizes and spans
of time where they are said to be such, random ids, the hash that a chain ends with, the
width of a table's columns, and moments of today (or of the next days, such as the end of a
lease), which need only be of the day on which they are printed; a moment of the past must be
the same. For anything else that varies a page writes `...`: within a line for a part of it,
alone on a line for any lines.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_MOMENT: Final = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?"
_VARYING: Final = (
    r"[0-9a-f]{64}",
    r"Content [0-9a-f]{32}",
    r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
    r"[\d,.]+ events/s",
    r"[\d,.]+ [kMG]B",
    r"in [\d.]+ s\b",
    r"\d+ s\b",
    r"in \d+(?: min|h|d)(?: \d+(?:min|h))?\b",
    r"seconds +[\d.]+",
    r"events per second +[\d,]+",
    r'"(?:seconds|events_per_second|peak_memory_mb)": [\d.]+',
)
_PART: Final = re.compile(
    rf"(?P<moment>{_MOMENT})|(?P<varying>{'|'.join(_VARYING)})|(?P<gap>\.\.\.)"
)
_GAP: Final = r"(?:\n[^\n]*)*?"
_FIRST_GAP: Final = r"(?:[^\n]*\n)*?"
_RECENT: Final = (timedelta(days=2), timedelta(days=7))


def difference(expected: str, actual: str) -> str | None:
    """None where the output is as the page shows it, else both, for a message."""
    expected, actual = _plain(expected), _plain(actual)
    pattern, moments = _pattern(expected)
    match = re.fullmatch(pattern, actual)
    if match is not None and all(map(_same_moment, moments, match.groups())):
        return None
    return f"expected:\n{_indented(expected)}\ngot:\n{_indented(actual)}"


def _pattern(expected: str) -> tuple[str, list[str]]:
    """A regular expression with one group for each moment, and the moments as written."""
    parts: list[str] = []
    moments: list[str] = []
    for number, line in enumerate(expected.split("\n")):
        if line.strip() == "...":
            parts.append(_GAP if number else _FIRST_GAP)
        else:
            follows = bool(parts) and parts[-1] != _FIRST_GAP
            parts.append(("\n" if follows else "") + _line_pattern(line, moments))
    return "".join(parts), moments


def _line_pattern(line: str, moments: list[str]) -> str:
    parts: list[str] = []
    end = 0
    for found in _PART.finditer(line):
        parts.append(re.escape(line[end : found.start()]))
        if found["gap"]:
            parts.append(r"[^\n]*?")
        elif found["varying"]:
            parts.append(next(f"(?:{p})" for p in _VARYING if re.fullmatch(p, found[0])))
        else:
            parts.append(f"({_MOMENT})")
            moments.append(found["moment"])
        end = found.end()
    return "".join(parts) + re.escape(line[end:])


def _same_moment(written: str, shown: str) -> bool:
    if written == shown:
        return True
    moment = datetime.fromisoformat(shown)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    now = datetime.now(UTC)
    return len(written) == len(shown) and now - _RECENT[0] <= moment <= now + _RECENT[1]


def _plain(text: str) -> str:
    return "\n".join(
        re.sub(r"(?<=\S) {2,}", "  ", line.rstrip()) for line in text.strip("\n").splitlines()
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (nothing)"
