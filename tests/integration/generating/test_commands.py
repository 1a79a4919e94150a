"""`leadflow generate` and `leadflow demo`, as they are typed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from leadflow import Leadflow
from tests.cli.conftest import Run

SMALL = ("demo", "--leads", "200")


def test_generate_makes_a_store_and_adds_nothing_twice(leadflow: Run) -> None:
    words = ("generate", "--leads", "60", "--seed", "3", "--until", "2026-11-20", "--json")

    first = leadflow(*words)
    assert first.code == 0, first.err
    assert (first.json["leads"], first.json["seed"], first.json["until"]) == (60, 3, "2026-11-20")
    again = leadflow(*words)
    assert (again.json["leads"], again.json["events"]) == (0, 0)
    stats = leadflow("log", "stats", "--json").json
    assert (stats["leads"], stats["events"]) == (60, first.json["events"])


def test_generate_in_processes_of_its_own(process: Run) -> None:
    done = process("generate", "--leads", "1600", "--json", "--until", "2026-11-20")

    assert done.code == 0, done.err
    assert process("log", "verify").code == 0
    assert process("log", "stats", "--json").json["leads"] == 1_600


def test_generate_leaves_a_store_of_leads_alone(leadflow: Run) -> None:
    leadflow("lead", "capture", "--id", "shop:1", "--source", "fair")

    ran = leadflow("generate", "--leads", "60", "--json")

    assert ran.code == 1
    assert ran.error["code"] == "not_generated"
    assert leadflow("log", "stats", "--json").json["leads"] == 1


@pytest.mark.parametrize(
    "words",
    [("--leads", "0"), ("--seed", "-1"), ("--days", "0"), ("--until", "2026-01-01T00:00:00Z")],
)
def test_generate_says_what_is_wrong_with_an_option(leadflow: Run, words: tuple[str, ...]) -> None:
    ran = leadflow("generate", *words)

    assert (ran.code, ran.out) == (2, "")
    assert words[0] in ran.err
    assert not Path("leads.db").exists()


@dataclass(frozen=True)
class Shown:
    """A demo that has run: where, and what it printed."""

    folder: Path
    text: str


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("shown")
    done = subprocess.run(
        [sys.executable, "-m", "leadflow_commands", *SMALL],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith("LEADFLOW_")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Shown(folder, done.stdout)


def test_the_demo_shows_board_queue_and_funnel(shown: Shown) -> None:
    for part in (
        "Where the leads stand",
        "queue list",
        "metrics funnel --by source",
        "sales ready",
    ):
        assert part in shown.text
    assert "referral" in shown.text


def test_the_demo_writes_into_its_folder_and_nowhere_else(shown: Shown) -> None:
    assert [path.name for path in shown.folder.iterdir()] == ["demo"]
    written = {path.name for path in (shown.folder / "demo").iterdir()}
    assert written == {
        *("leads.db", "leads.db.archive", "leads.db.key"),
        *("funnel.png", "funnel.html"),
    }
    assert (shown.folder / "demo/funnel.png").read_bytes().startswith(b"\x89PNG")
    page = (shown.folder / "demo/funnel.html").read_text()
    assert "<html" in page
    assert 'src="http' not in page


def test_every_command_that_the_demo_names_works(
    shown: Shown, leadflow: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shown.folder)
    typed = [line.removeprefix("$ ") for line in shown.text.splitlines() if "leadflow " in line]
    assert len(typed) >= 9

    for line in typed:
        _, *words = shlex.split(line)
        ran = leadflow(*words)
        assert ran.code == 0, f"{line}: {ran.err}"


def test_the_demo_can_be_run_again(leadflow: Run) -> None:
    assert leadflow(*SMALL).code == 0
    with Leadflow.open("sqlite:///demo/leads.db") as leads:
        leads.capture("shop:1", source="fair")

    again = leadflow(*SMALL, "--json")

    assert again.code == 0, again.err
    assert sum(again.json["stages"].values()) == again.json["leads"] == 200
    assert leadflow("lead", "show", "shop:1", "--store", "sqlite:///demo/leads.db").code == 1


def test_the_demo_leaves_a_store_that_is_not_its_own(leadflow: Run, elsewhere: Path) -> None:
    (elsewhere / "demo").mkdir()
    store = ("--store", "sqlite:///demo/leads.db")
    leadflow("lead", "capture", "--id", "shop:1", "--source", "fair", *store)

    ran = leadflow(*SMALL, "--json")

    assert (ran.code, ran.error["code"]) == (1, "not_the_demos")
    assert leadflow("lead", "show", "shop:1", *store).code == 0


def test_the_demo_leaves_a_file_that_is_no_store(leadflow: Run, elsewhere: Path) -> None:
    (elsewhere / "demo").mkdir()
    (elsewhere / "demo/leads.db").write_text("my notes")

    ran = leadflow(*SMALL)

    assert ran.code == 1
    assert "is no store of a demo" in ran.err
    assert (elsewhere / "demo/leads.db").read_text() == "my notes"
