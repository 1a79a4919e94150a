"""Partial rows beyond memory: written to files as they gather, merged slice by slice at the end.

Partial rows merge in any order, so a long fold need not hold all of them: whenever enough
have gathered, they go to a file, ordered by a number made of their lead's id, and the rows
of a table are then made one range of these numbers after the other. In a folder of its own
a fold that was killed goes on from its last file.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from leadflow_projections.event_sql import literal, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PLACE: Final = "place_in_order"
"""The column by which a file's rows are ordered."""

_ROW_GROUP: Final = 8_192
_MANIFEST: Final = "spool.json"
_SHAPE: Final = 1
"""Raised when files of before cannot be read any more."""


def place_sql(is_of_leads: bool) -> str:
    """A number in the order of a lead's id: its first 60 bits; 0 where there are no leads."""
    if not is_of_leads:
        return "CAST(0 AS BIGINT)"
    digits = "replace(left(CAST(lead_id AS VARCHAR), 18), '-', '')"
    return f"CAST('0x' || left({digits}, 15) AS BIGINT)"


@dataclass
class Spooled:
    """What a spool holds: the fold of all events up to a position."""

    stamp: str
    """What is folded; see `Spool`."""
    shape: int = _SHAPE
    position: int = 0
    events: int = 0
    files: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """For each group of tables its files."""
    sizes: dict[str, int] = field(default_factory=dict[str, int])


class Spool:
    """Files of partial rows in a folder, and what they hold.

    A file counts once the manifest names it; both are written beside their names and renamed.
    """

    def __init__(self, folder: Path, stamp: str = "") -> None:
        """Use a folder, which is made when it is needed.

        Args:
            folder: nothing else is in it.
            stamp: says what is folded; files under another stamp are thrown away.
        """
        self.folder = folder
        self._held = self._read(stamp) or Spooled(stamp)

    @property
    def position(self) -> int:
        """Up to here the log is in the files."""
        return self._held.position

    @property
    def events(self) -> int:
        """How many events are in the files."""
        return self._held.events

    def files(self, group: str) -> list[Path]:
        """A group's files."""
        return [self.folder / name for name in self._held.files.get(group, [])]

    def keep(
        self, engine: DuckDBPyConnection, groups: Mapping[str, bool], *, position: int, events: int
    ) -> None:
        """Write the rows of groups' tables to files.

        Args:
            engine: has the tables.
            groups: their names, and whether their rows are leads'.
            position: up to here the log is in the files then.
            events: how many events are in them then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for group, is_of_leads in groups.items():
            name = f"{group}-{len(self._held.files.get(group, [])):06}.parquet"
            part = self.folder / f"{name}.part"
            engine.execute(
                f"COPY (SELECT *, {place_sql(is_of_leads)} AS {PLACE} FROM {quoted(group)} "
                f"ORDER BY {PLACE}) TO {literal(str(part))} (FORMAT parquet, COMPRESSION lz4_raw, "
                f"ROW_GROUP_SIZE {_ROW_GROUP})"
            )
            part.rename(self.folder / name)
            self._held.files.setdefault(group, []).append(name)
            self._held.sizes[name] = (self.folder / name).stat().st_size
        self._held.position, self._held.events = position, events
        manifest = self.folder / f"{_MANIFEST}.part"
        manifest.write_text(json.dumps(asdict(self._held)))
        manifest.rename(self.folder / _MANIFEST)

    def clear(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._held = Spooled(self._held.stamp)

    def _read(self, stamp: str) -> Spooled | None:
        """What an earlier process left, where it is whole and ours."""
        with suppress(OSError, ValueError, TypeError):
            held = Spooled(**json.loads((self.folder / _MANIFEST).read_text()))
            sizes = {name: (self.folder / name).stat().st_size for name in held.sizes}
            if (held.stamp, held.shape, held.sizes) == (stamp, _SHAPE, sizes):
                return held
        shutil.rmtree(self.folder, ignore_errors=True)
        return None


def remove_spools(folder: Path, is_unwanted: Callable[[str], bool]) -> None:
    """Remove those spools within a folder whose stamp is unwanted, and what is no spool."""
    for each in folder.glob("*"):
        stamp = ""
        with suppress(OSError, ValueError, TypeError):
            stamp = Spooled(**json.loads((each / _MANIFEST).read_text())).stamp
        if is_unwanted(stamp):
            shutil.rmtree(each, ignore_errors=True)


def slices(engine: DuckDBPyConnection, rows: str, size: int) -> list[str | None]:
    """Conditions on partial rows, each true for about as many, in order of the leads' ids.

    None is the one that is always true.

    Args:
        engine: reads the rows.
        rows: a relation that has the column `place_in_order`.
        size: about so many rows are merged at once.
    """
    ((count,),) = engine.execute(f"SELECT count(*) FROM {rows}").fetchall()
    parts = -(-int(count) // max(1, size))
    if parts <= 1:
        return [None]
    shares = ", ".join(str(part / parts) for part in range(1, parts))
    ((bounds,),) = engine.execute(
        f"SELECT quantile_disc({PLACE}, [{shares}]) FROM {rows}"
    ).fetchall()
    ends = sorted(set(bounds))
    return [
        f"{PLACE} <= {ends[0]}",
        *(f"{PLACE} > {low} AND {PLACE} <= {high}" for low, high in pairwise(ends)),
        f"{PLACE} > {ends[-1]}",
    ]
