"""An import that is killed at any row, and run again, ends as if nothing had happened."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from leadflow import Leadflow
from tests.cli.conftest import Run
from tests.integration.importing.test_import_csv import HEADER, MAPPING, row

ROWS = 6_000


@pytest.mark.parametrize("rows_there", [1, 3_000])
def test_a_killed_import_is_completed_by_the_next(
    leadflow: Run, elsewhere: Path, rows_there: int
) -> None:
    export, mapping = elsewhere / "deals.csv", elsewhere / "map.toml"
    mapping.write_text(MAPPING)
    export.write_text(HEADER + "".join(row(n, "Won" if n % 2 else "Open") for n in range(ROWS)))
    words = ("import", "csv", str(export), "--mapping", str(mapping), "--json")

    with subprocess.Popen(
        [sys.executable, "-m", "leadflow_commands", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_for(rows_there * 4, process)
        process.kill()
        process.communicate()
    there = position()
    ran = leadflow(*words)

    assert there < 1 + ROWS * 4 + ROWS // 2
    assert ran.code == 0, ran.err
    assert ran.json["accepted"] + ran.json["unchanged"] == ROWS
    assert ran.json["unchanged"] > 0
    assert ran.json["events"] == ROWS * 4 + ROWS // 2 - (there - 1)
    assert leadflow("log", "verify").code == 0
    assert leadflow("log", "stats", "--json").json["leads"] == ROWS


def wait_for(events: int, process: subprocess.Popen[bytes]) -> None:
    """Until so many events are in the log."""
    until = time.monotonic() + 60
    while position() < events:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.005)


def position() -> int:
    if not Path("leads.db.key").exists() or not Path("leads.db").exists():
        return 0
    try:
        with Leadflow.open("sqlite:///leads.db") as leads:
            return leads.store.head().position
    except Exception:  # noqa: BLE001 - it is being made
        return 0
