"""The same import into PostgreSQL: drafted in other processes, again, and changed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from leadflow.persistence.opening import open_store
from leadflow.persistence.verify import verify_log
from leadflow_commands.importing.workers import WORTH_IT
from leadflow_commands.main import cli

MAPPING = """
name = "deals"
system = "crm"
id = { columns = ["deal"] }
[times.opened]
columns = ["opened"]
formats = ["%Y-%m-%d"]
[[rules]]
name = "captured"
event = "lead.captured"
time = "opened"
[rules.data]
source = "source"
personal = { name = "name" }
[[rules]]
name = "won"
event = "lead.purchased"
time = "opened"
when = { column = "stage", equals = "Won" }
data = { order_id = "deal" }
"""
COLUMNS = ("deal", "opened", "source", "name", "stage")


def written(rows: int, *, won: bool) -> str:
    with Path("deals.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        for number in range(rows):
            stage = "Won" if won or number % 2 else "Open"
            out.writerow((f"D{number}", "2025-03-01", "web", f"Person {number}", stage))
    return "deals.csv"


def test_rows_are_recorded_once_and_a_later_export_adds_what_is_new(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    monkeypatch.setenv("LEADFLOW_STORE", postgres_database)
    Path("deals.toml").write_text(MAPPING)
    open_store(postgres_database, create=True).close()
    rows = WORTH_IT + 2

    def imported(file: str) -> str:
        done = CliRunner().invoke(cli, ["import", "csv", file, "--mapping", "deals.toml", "-q"])
        assert done.exit_code == 0, done.output
        return " ".join(done.stdout.split())

    half, whole = written(rows, won=False), rows + rows // 2
    assert f"accepted {rows:,}" in imported(half)
    assert f"unchanged {rows:,}" in imported(half)
    assert f"events {rows - rows // 2:,}" in imported(written(rows, won=True))
    with open_store(postgres_database) as store:
        assert store.head().position == whole + rows - rows // 2 + 1
        verify_log(store)
