"""`leadflow projections`: built, followed, rebuilt; and what doctor says of them."""

import signal
import sqlite3
import subprocess
import sys
from typing import Any

from tests.cli.conftest import Run

NAMES = ["stage_board", "sales_queue", "conversion"]
STATUS = {
    "projection",
    "version",
    "build",
    "role",
    "state",
    "position",
    "high_water_mark",
    "lag_events",
    "lag_seconds",
    "events_per_second",
    "eta_seconds",
    "parked",
    "last_error",
    "runner",
}


def test_before_anything_is_built(leadflow: Run, ada: str) -> None:
    listed = leadflow("projections", "list", "--json").json
    assert [row["projection"] for row in listed] == NAMES
    assert all(row["live_build"] is None for row in listed)
    ran = leadflow("projections", "status")
    assert (ran.code, ran.out) == (0, "")
    assert "run --once" in ran.err
    assert leadflow("projections", "status", "--json").json == []


def test_run_once_builds_and_catches_up(leadflow: Run, ada: str) -> None:
    end = leadflow("log", "stats", "--json").json["last_position"]
    ran = leadflow("projections", "run", "--once", "--json")
    assert ran.json == {"positions": dict.fromkeys(NAMES, end)}
    leadflow("lead", "engage", ada, "--kind", "visit")
    behind = leadflow("projections", "status", "--json").json
    assert all(set(row) >= STATUS for row in behind)
    assert all(row["lag_events"] > 0 and row["state"] == "stopped" for row in behind)
    leadflow("projections", "run", "stage_board", "--once")
    lags = {
        r["projection"]: r["lag_events"] for r in leadflow("projections", "status", "--json").json
    }
    assert lags["stage_board"] == 0 < lags["conversion"]


def test_rebuild_says_its_rate(leadflow: Run, ada: str) -> None:
    ran = leadflow("projections", "rebuild", "--json")
    assert set(ran.json) >= {
        "projections",
        "events",
        "seconds",
        "events_per_second",
        "peak_memory_mb",
    }
    assert sorted(ran.json["projections"]) == sorted(NAMES)
    one = leadflow("projections", "rebuild", "sales_queue")
    assert one.code == 0
    assert one.out.startswith("Rebuilt sales_queue: 5 events in")
    assert "events/s" in one.out


def test_an_unknown_projection(leadflow: Run, ada: str) -> None:
    ran = leadflow("projections", "rebuild", "stagebord")
    assert ran.code == 2
    assert "did you mean stage_board?" in ran.err


def test_an_empty_log(leadflow: Run) -> None:
    leadflow("store", "init")
    assert leadflow("projections", "rebuild", "--json").json["events"] == 0
    assert leadflow("projections", "run", "--once").code == 0


def test_doctor_finds_a_checkpoint_beyond_the_log(leadflow: Run, ada: str) -> None:
    leadflow("projections", "run", "--once")
    assert leadflow("doctor").code == 0
    connection = sqlite3.connect("leads.db")
    with connection:
        connection.execute("UPDATE leadflow_checkpoints SET position = 999")
    connection.close()
    ran = leadflow("doctor", "--json")
    assert ran.code == 3
    wrong = [check for check in ran.json["checks"] if check["verdict"] == "wrong"]
    assert sorted(check["name"] for check in wrong) == sorted(NAMES)
    assert "beyond the log's end" in wrong[0]["says"]
    leadflow("projections", "rebuild", "--promote")
    assert leadflow("doctor").code == 0


def test_a_runner_follows_until_it_is_ended(leadflow: Run, ada: str) -> None:
    leadflow("projections", "run", "--once")
    running = subprocess.Popen(
        [sys.executable, "-m", "leadflow_commands", "projections", "run"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert "Ctrl-C stops it" in running.stderr.readline()
    leadflow("lead", "engage", ada, "--kind", "visit")
    rows: list[dict[str, Any]] = []
    for _ in range(1_000):
        rows = leadflow("projections", "status", "--json").json
        if all(row["state"] == "following" and row["lag_events"] == 0 for row in rows):
            break
    assert {row["runner"]["pid"] for row in rows} == {running.pid}
    second = leadflow("projections", "run", "--json")
    assert (second.code, second.error["code"]) == (1, "build_taken")
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, ""), "stopped as it was told, with nothing half done"
    assert "stage_board is at position" in out
    assert all(r["runner"] is None for r in leadflow("projections", "status", "--json").json)
