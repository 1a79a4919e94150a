"""`leadflow projections`: rebuild, diff, promote, rollback, drop, cancel, verify, as typed."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def built(leadflow: Run, ada: str) -> None:
    """The three projections live, and an event more."""
    leadflow("projections", "run", "--once")
    leadflow("lead", "engage", ada, "--kind", "visit")


def test_from_plan_to_drop(leadflow: Run, built: None) -> None:
    plan = leadflow("projections", "rebuild", "--plan", "--json").json
    assert plan["events"] == leadflow("log", "stats", "--json").json["last_position"]
    assert plan["seconds"] < 60
    assert plan["fits"] is True
    rebuilt = leadflow("projections", "rebuild", "stage_board", "--json").json
    assert rebuilt["next"] == "leadflow projections promote stage_board"
    assert rebuilt["promoted"] == []
    assert rebuilt["diff"]["changed"] == 0
    listed = leadflow("projections", "list", "--json").json
    sizes = [build["disk_bytes"] for row in listed for build in row["builds"]]
    assert len(sizes) == 4
    assert all(sizes)
    assert leadflow(*rebuilt["next"].split()[1:]).code == 0
    back = leadflow("projections", "rollback", "stage_board")
    assert "stage_board shows again build 1.1" in back.out
    assert "behind the log" in back.err
    refused = leadflow("projections", "drop", "stage_board")
    assert refused.code == 1
    assert "--yes" in refused.err
    dropped = leadflow("projections", "drop", "stage_board", "--yes")
    assert dropped.out == "Dropped stage_board 1.2.\n"
    none = leadflow("projections", "rollback", "stage_board", "--json")
    assert (none.code, none.error["code"]) == (1, "build_missing")


def test_a_diff_in_a_pipeline(leadflow: Run, built: None) -> None:
    database = sqlite3.connect("leads.db")
    with database:
        database.execute("UPDATE stage_board__1_1 SET stage = 'lost'")
    database.close()
    ran = leadflow("projections", "rebuild", "stage_board", "--promote", "--fail-if-changed", "0")
    assert ran.code == 3
    assert "1 lead from lost to" in ran.out
    assert "nothing was promoted" in ran.out
    assert leadflow("projections", "diff", "--fail-if-changed").code == 3
    assert leadflow("projections", "diff", "--fail-if-changed", "1").code == 0
    assert leadflow("projections", "cancel").out == "Cancelled stage_board 1.2.\n"
    verified = leadflow("projections", "verify", "stage_board", "--json")
    assert verified.code == 3
    [difference] = verified.json[0]["differences"]
    assert difference["columns"]["stage"]["stored"] == "lost"


def test_wrong_usage(leadflow: Run, built: None) -> None:
    for words in (
        ["rollback", "--build", "1.1"],
        ["drop", "stage_board", "--build", "one"],
        ["verify", "--sample", "0%"],
        ["verify", "--sample", "5", "--from", "archive"],
        ["status", "--fail-if-lag-over", "5 parsecs"],
        ["rebuild", "--threads", "0"],
    ):
        assert leadflow("projections", *words).code == 2, words


def test_a_lag_can_fail(leadflow: Run, built: None) -> None:
    assert leadflow("projections", "status", "--fail-if-lag-over", "1d").code == 0
    assert leadflow("projections", "status", "--fail-if-lag-over", "9").code == 0
    ran = leadflow("projections", "status", "--fail-if-lag-over", "0", "--json")
    assert ran.code == 3
    assert len(ran.json) == 3


def test_nothing_built_is_not_well(leadflow: Run, ada: str) -> None:
    assert leadflow("projections", "status", "--fail-if-lag-over", "5s").code == 3


def test_watching_ends_cleanly(built: None) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "leadflow_commands", "projections", "status", "--watch", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith('[{"projection"')
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=60)
    assert (watching.returncode, err.strip()) == (130, "")
