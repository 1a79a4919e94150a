"""Where in a TOML text a key is set: line and column, which tomllib does not tell.

Looked for again by table headers and by keys at a line's beginning, which is how people
write TOML; within inline tables the keys are followed in the order they are named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, cast

KeyPath = tuple[str | int, ...]

_TABLE: Final = re.compile(r"\s*\[(?P<array>\[)?\s*(?P<name>[^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_KEY: Final = re.compile(r"\s*(?P<name>[A-Za-z0-9_\-.\"' ]+?)\s*=")


class Place(NamedTuple):
    """A place in a text, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


class _Set(NamedTuple):
    """A table header or a key at the beginning of a line."""

    key: KeyPath
    place: Place


def place_of_key(text: str, path: Sequence[str | int]) -> Place | None:
    """The place that sets a key of a TOML text, or the nearest part of it that has one."""
    wanted = tuple(path)
    found = list(_keys(text))
    best = max(
        (entry for entry in found if wanted[: len(entry.key)] == entry.key),
        key=lambda entry: len(entry.key),
        default=None,
    )
    if best is None:
        return None
    after = next((e.place.line for e in found if e.place > best.place), None)
    return _within(text.splitlines()[:after], best.place, wanted[len(best.key) :])


def _within(lines: Sequence[str], place: Place, rest: Sequence[str | int]) -> Place:
    """The place of the further keys in an inline table that begins at a place."""
    for key in rest:
        if isinstance(key, int):
            continue
        pattern = re.compile(rf"""(?<![\w"'-])["']?{re.escape(key)}["']?\s*=""")
        found = _next(lines, place, pattern)
        if found is None:
            return place
        place = found
    return place


def _next(lines: Sequence[str], after: Place, pattern: re.Pattern[str]) -> Place | None:
    for number in range(after.line, len(lines) + 1):
        start = after.column if number == after.line else 0
        match = pattern.search(lines[number - 1], start)
        if match is not None:
            return Place(number, match.start() + 1)
    return None


def _keys(text: str) -> Iterator[_Set]:
    table: KeyPath = ()
    counts: dict[KeyPath, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        place = Place(number, len(line) - len(line.lstrip()) + 1)
        if (header := _TABLE.fullmatch(line)) is not None:
            table = _resolve(_split(header["name"]), counts)
            if header["array"]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield _Set(table, place)
        elif (key := _KEY.match(line)) is not None:
            yield _Set((*table, *_split(key["name"])), place)


def _resolve(names: Sequence[str], counts: Mapping[KeyPath, int]) -> KeyPath:
    """A table's path, with the number of the array element that each part stands in."""
    path: KeyPath = ()
    for name in names[:-1]:
        path = (*path, name)
        path = (*path, counts[path]) if path in counts else path
    return (*path, names[-1])


def _split(dotted: str) -> tuple[str, ...]:
    parts = cast("list[str]", re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", dotted))
    return tuple(part.strip("\"'") for part in parts)
