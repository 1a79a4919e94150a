"""A figure with its peer's, printed as a table and kept as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement, and what something comparable did in the same run."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times the peer's value this one is."""
        return self.value / self.peer_value if self.peer_value else None

    def as_data(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "peer": self.peer,
            "peer_value": None if self.peer_value is None else _rounded(self.peer_value),
            "ratio": None if self.ratio is None else _rounded(self.ratio),
            "note": self.note,
        }


def show(title: str, figures: Iterable[Figure]) -> None:
    """Print figures below a title."""
    rows = [("", "value", "", "peer", "value", "ratio")]
    for figure in figures:
        data = figure.as_data()
        peer = "" if data["peer_value"] is None else f"{data['peer_value']:,}"
        ratio = "" if data["ratio"] is None else f"{data['ratio']:,}"
        rows.append(
            (figure.name, f"{data['value']:,}", figure.unit, figure.peer or "", peer, ratio)
        )
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    print(f"\n{title}")
    for name, value, unit, peer, peer_value, ratio in rows:
        print(
            f"  {name:{widths[0]}}  {value:>{widths[1]}} {unit:{widths[2]}}  {peer:{widths[3]}}  "
            f"{peer_value:>{widths[4]}}  {ratio:>{widths[5]}}".rstrip()
        )
    for figure in figures:
        if figure.note:
            print(f"  {figure.name}: {figure.note}")


def keep(figures: Sequence[Figure], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([figure.as_data() for figure in figures], indent=2) + "\n")


def _rounded(value: float) -> float:
    if abs(value) >= 100:
        return round(value)
    return round(value, 2 if abs(value) >= 1 else 4)
