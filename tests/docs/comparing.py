"""Whether a program printed what a page shows.

`...` stands for whatever varies: within a line for a part of it, alone on a line for any
lines. A moment of today (or of the next days, such as the end of a lease) may differ from
the one that was today when the page was written; a moment of the past must be the same.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_MOMENT: Final = r"\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?"
_PART = re.compile(rf"(?P<moment>{_MOMENT})|(?P<gap>\.\.\.)")
_GAP: Final = r"(?:\n[^\n]*)*?"
_FIRST_GAP: Final = r"(?:[^\n]*\n)*?"
_RECENT = (timedelta(days=2), timedelta(days=7))


def difference(expected: str, actual: str) -> str | None:
    """None where the output is as the page shows it, else both, for a message."""
    expected, actual = _plain(expected), _plain(actual)
    pattern, moments = _pattern(expected)
    match = re.fullmatch(pattern, actual)
    if match is not None and all(
        _same_moment(written, shown) for written, shown in zip(moments, match.groups(), strict=True)
    ):
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
            parts.append(
                ("\n" if parts and parts[-1] != _FIRST_GAP else "") + _line_pattern(line, moments)
            )
    return "".join(parts), moments


def _line_pattern(line: str, moments: list[str]) -> str:
    parts: list[str] = []
    end = 0
    for found in _PART.finditer(line):
        parts.append(re.escape(line[end : found.start()]))
        if found["gap"]:
            parts.append(r"[^\n]*?")
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
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines()) or "    (nothing)"
