"""Ids that came before in an import, on disk, so that memory does not grow with the rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final, Self

_CACHE_KIB: Final = 8 * 1024
_MOST_PARAMETERS: Final = 500


class Repeats:
    """Which records were seen, and in which line each was first."""

    def __init__(self) -> None:
        self._seen = sqlite3.connect("", isolation_level=None)  # a file of its own, deleted
        self._seen.execute("PRAGMA journal_mode = OFF")
        self._seen.execute("PRAGMA synchronous = OFF")
        self._seen.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        self._seen.execute(
            "CREATE TABLE seen (source INTEGER, record TEXT, line INTEGER,"
            " PRIMARY KEY (source, record)) WITHOUT ROWID"
        )

    def first_lines(self, source: int, records: Sequence[tuple[str, int]]) -> dict[int, int]:
        """Take these records in; of those that came before, by line, the line of the first."""
        known = self._known(source, [record for record, _ in records])
        repeated: dict[int, int] = {}
        new: dict[str, int] = {}
        for record, line in records:
            first = known.get(record, new.get(record))
            if first is None:
                new[record] = line
            else:
                repeated[line] = first
        rows = [(source, record, line) for record, line in new.items()]
        self._seen.execute("BEGIN")
        self._seen.executemany("INSERT INTO seen VALUES (?,?,?)", rows)
        self._seen.execute("COMMIT")
        return repeated

    def _known(self, source: int, records: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for start in range(0, len(records), _MOST_PARAMETERS):
            part = records[start : start + _MOST_PARAMETERS]
            marks = ",".join("?" * len(part))
            query = f"SELECT record, line FROM seen WHERE source = ? AND record IN ({marks})"
            found.update(self._seen.execute(query, (source, *part)).fetchall())
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._seen.close()
