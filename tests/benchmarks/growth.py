"""How rebuilds grow with the log: python -m tests.benchmarks.growth [--events N …] [--keep DIR]

Generates a log of each size, measures, and draws docs/images/rebuild-growth.svg. With `--keep`
the logs stay in a folder, and those that are there already are used.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leadflow import Leadflow
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.running import generate
from leadflow_commands.generating.workers import Workers
from leadflow_projections.pictures.funnel_chart import vega_lite_version
from leadflow_projections.pictures.theme import BLUE, CONFIG, GREEN, VERMILLION
from tests.benchmarks.rebuilding import Run, bare_read, copied, rebuild, run
from tests.benchmarks.recording import EVENTS_PER_LEAD, UNTIL, Silent

SIZES = (10_000, 100_000, 1_000_000)
PICTURE = Path("docs/images/rebuild-growth.svg")


@dataclass(frozen=True, slots=True)
class Size:
    """What was measured over a log of one size."""

    bare: Run
    cold: Run
    twin: Run

    def as_rows(self) -> list[dict[str, Any]]:
        named = {"bare read": self.bare, "from the log": self.cold, "from the archive": self.twin}
        return [
            {"what": name, "events": r.events, "seconds": r.seconds, "megabytes": r.megabytes}
            for name, r in named.items()
        ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth")
    parser.add_argument("--events", type=int, nargs="+", default=SIZES, help="sizes of the log")
    parser.add_argument("--keep", type=Path, help="where the logs stay")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadflow-growth-") as name:
        folder: Path = given.keep or Path(name)
        rows: list[dict[str, Any]] = []
        for events in given.events:
            rows += measure(log_of(folder, events)).as_rows()
            for row in rows[-3:]:
                print(
                    f"{row['events']:>10,} {row['what']:16} {row['seconds']:8.2f} s "
                    f"{row['events'] / row['seconds']:10,.0f}/s {row['megabytes']:5.0f} MB   "
                    f"load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
    Path("build").mkdir(exist_ok=True)
    Path("build/growth.json").write_text(json.dumps(rows, indent=2) + "\n")
    draw(rows)


def log_of(folder: Path, events: int) -> Path:
    """A generated log of about so many events."""
    file = folder / f"{events}.db"
    if not file.exists():
        url = f"sqlite:///{file}"
        plan = Plan(round(events / EVENTS_PER_LEAD), 1, 365, UNTIL)
        with Leadflow.open(url, create=True) as leads:
            generate(leads, plan, Workers(url, None, os.cpu_count() or 1), Silent())
    return file


def measure(file: Path) -> Size:
    """Read and rebuild copies of one log."""
    bare = bare_read(f"file:{file}?mode=ro", "sqlite")
    with copied(file) as store:
        cold = rebuild(store, "--from", "log")
    with copied(file) as store:
        run("archive", "seal", "--store", store)
        return Size(bare, cold, rebuild(store, "--from", "archive"))


def draw(rows: list[dict[str, Any]]) -> None:
    """Seconds over events, both on logarithmic axes: a straight line is linear growth."""
    import vl_convert

    axes = {
        "x": {"field": "events", "type": "quantitative", "title": "events in the log"},
        "y": {"field": "seconds", "type": "quantitative", "title": "seconds, whole process"},
    }
    what: dict[str, Any] = {"field": "what", "type": "nominal", "title": None}
    scale = {"range": [BLUE, VERMILLION, GREEN]}
    chart = {
        "width": 520,
        "height": 300,
        "config": CONFIG,
        "data": {"values": rows},
        "mark": {"type": "line", "point": {"filled": True, "size": 70}},
        "encoding": {
            **{name: {**axis, "scale": {"type": "log"}} for name, axis in axes.items()},
            "color": {**what, "scale": scale},
            "shape": what,
        },
    }
    PICTURE.write_text(vl_convert.vegalite_to_svg(chart, vl_version=vega_lite_version()))


if __name__ == "__main__":
    main()
