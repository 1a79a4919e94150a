"""Refused rows as a CSV file, to be mended and imported again."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from leadflow_commands.importing.reading import Row, Table

REASON: Final = "leadflow: reason"
"""The column added to the file's own, which no mapping has to name."""


class RefusedRows:
    """Writes refused rows as they were, each with the reason behind its cells.

    The file has the header, encoding, delimiter and quotes of the one that the rows come
    from, so that the same mapping reads it; rows of a file with another header go to a
    file of their own beside it. Only its owner may read it: it holds what the rows held.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()
        self._writers: dict[tuple[str, ...], Any] = {}
        self.paths: list[Path] = []
        """The files written."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def write(self, table: Table, row: Row, reason: str) -> None:
        """Keep a row that was refused.

        A row with too few or too many fields has as many here: mended, it has the right
        number with the reason, and until then it is refused again.
        """
        writer = self._writers.get(table.header)
        if writer is None:
            writer = self._writers[table.header] = self._begun(table)
        writer.writerow((*_own(table, row), reason))

    def _begun(self, table: Table) -> Any:
        path = self._path
        if self.paths:
            number = len(self.paths) + 1
            path = path.with_name(f"{path.stem}-{number}{path.suffix}")
        reading = table.reading
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        file = self._stack.enter_context(
            os.fdopen(descriptor, "w", encoding=reading.encoding, newline="")
        )
        self.paths.append(path)
        writer = csv.writer(file, delimiter=reading.delimiter, quotechar=reading.quote)
        writer.writerow((*_own(table, Row(1, table.header)), REASON))
        return writer


def _own(table: Table, row: Row) -> Sequence[str]:
    """A row's cells without the reason that an import before may have left there."""
    if table.header[-1] == REASON and len(row.cells) == len(table.header):
        return row.cells[:-1]
    return row.cells
