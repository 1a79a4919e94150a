"""Columns by their names in a header, or by position where names do not tell them apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.suggestions import did_you_mean

_POSITION: Final = re.compile(r"#([1-9]\d{0,4})")


def place_of(column: str, header: Sequence[str]) -> int | None:
    """Where a column stands, from 0; None where it is not there, or not the only one.

    A column is named as in the header, or by its position: `#1` is the first. A name
    that the header has wins, so that a column may be called `#1`, too.
    """
    named = [place for place, name in enumerate(header) if name == column]
    if named:
        return named[0] if len(named) == 1 else None
    position = _POSITION.fullmatch(column)
    if position is None or int(position[1]) > len(header):
        return None
    return int(position[1]) - 1


def check_columns(header: Sequence[str], where: str, mapping: MappingFile) -> None:
    """See that a header has each column that a mapping names, and only once.

    Raises:
        UnreadableFile: naming the first one that it has not, or that it has twice.
    """
    for column, use in mapping.columns():
        if place_of(column, header) is not None:
            continue
        doubled = [f"#{place}" for place, name in enumerate(header, 1) if name == column]
        if doubled:
            raise UnreadableFile(
                f"{where}: the header has the column {column!r} {_times(len(doubled))}, and the "
                f"mapping {mapping.name} names it ({use})",
                hint=f"write {' or '.join(doubled)}, its position, for the one that is meant",
            )
        raise UnreadableFile(
            f"{where}: there is no column {column!r}, which the mapping {mapping.name} names "
            f"({use})",
            hint=_what_else(column, header, mapping),
        )


def _times(count: int) -> str:
    return "twice" if count == 2 else f"{count} times"


def _what_else(column: str, header: Sequence[str], mapping: MappingFile) -> str:
    if len(header) == 1 and (other := next((c for c in ";,\t|" if c in header[0]), None)):
        return (
            f"the header is one field, parted by {mapping.reading.delimiter!r}: "
            f"is the delimiter {other!r}?"
        )
    if _POSITION.fullmatch(column):
        return f"it has {len(header)} columns"
    return did_you_mean(column, header)
