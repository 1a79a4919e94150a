"""Files that rows of other files are joined with by a key: accounts, products, owners."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from leadflow_commands.importing.cells import Row
from leadflow_commands.importing.columns import place_of
from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.reading import Table

MOST_ROWS = 1_000_000
"""Rows of a looked-up file, which is held in memory."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The rows of a file by their key, and only the columns that are asked for."""

    name: str
    columns: tuple[str, ...]
    rows: Mapping[tuple[str, ...], Row]
    refuse_missing: bool

    def blank(self) -> Row:
        return ("",) * len(self.columns)


def read_lookup(
    table: Table, key: Sequence[str], columns: Sequence[str], *, refuse_missing: bool
) -> Lookup:
    """Hold a file in memory, by its key.

    Raises:
        UnreadableFile: when a column is missing, a key comes twice, or it is too long.
    """
    where = f"{table.name}, line 1"
    key_places = [_place(column, table, where) for column in key]
    places = [_place(column, table, where) for column in columns]
    rows: dict[tuple[str, ...], Row] = {}
    lines: dict[tuple[str, ...], int] = {}
    if table.rows > MOST_ROWS:
        raise UnreadableFile(
            f"{table.name} has {table.rows:,} rows, and at most {MOST_ROWS:,} can be looked up"
        )
    for line, cells in table:
        if len(cells) != len(table.header):
            raise UnreadableFile(
                f"{table.name}, line {line}: {len(cells)} fields where the header has "
                f"{len(table.header)}"
            )
        own = tuple(cells[place].strip() for place in key_places)
        if own in rows:
            raise UnreadableFile(
                f"{table.name}, line {line}: the key in {' and '.join(key)} was in line "
                f"{lines[own]} before, so that it is not clear which row is meant"
            )
        rows[own], lines[own] = tuple(cells[place] for place in places), line
    return Lookup(table.name, tuple(columns), rows, refuse_missing)


def _place(column: str, table: Table, where: str) -> int:
    place = place_of(column, table.header)
    if place is None:
        raise UnreadableFile(f"{where}: there is no column {column!r}, which the mapping names")
    return place
