"""Two installations of the program side by side, of which one has another definition."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NAME = "stage_board"
PATIENCE = 60.0


@dataclass(frozen=True)
class Installed:
    """A program installed into a folder of its own."""

    site: Path
    url: str

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.site), "LEADFLOW_STORE": self.url}

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "leadflow_commands", *words],
            env=self._environment,
            cwd=self.site,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, fails: str | None = None) -> Any:
        """What it prints as JSON; or `fails`, with this code of an error."""
        process = self.start(*words, "--json")
        out, err = process.communicate(timeout=PATIENCE)
        if fails is not None:
            assert process.returncode == 1, (out, err)
            error = json.loads(err.splitlines()[-1])["error"]
            assert error["code"] == fails, error
            assert "leadflow projections" in error["hint"] or "program" in error["hint"]
            return error
        assert process.returncode == 0, err
        return json.loads(out)

    def rewrite(self, *pairs: tuple[str, str]) -> None:
        """Change the definition of the board."""
        file = self.site / "leadflow_projections" / "stage_board.py"
        source = file.read_text()
        for before, after in pairs:
            assert source.count(before) == 1
            source = source.replace(before, after)
        file.write_text(source)


MORE = (
    '"irregular": count(when=',
    '"claims": count("lead.claimed"),\n                "irregular": count(when=',
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".*", "build", "demo", "dist", "tests", "docs", "__pycache__")
    shutil.copytree(ROOT, source, ignore=ignored)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
    return built


def install(wheel: Path, site: Path, url: str) -> Installed:
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    command += ["--disable-pip-version-check", "--target", str(site), str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Installed(site, url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in list(os.environ):
        if name.startswith("LEADFLOW_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'leads.db'}"
    place: str = request.getfixturevalue("postgres_database")
    return place


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_old_program_keeps_its_build_fresh_until_the_promotion(
    wheel: Path, tmp_path: Path, url: str
) -> None:
    old = install(wheel, tmp_path / "old", url)
    new = install(wheel, tmp_path / "new", url)
    new.rewrite(("    version=1,\n", "    version=2,\n"), MORE)
    old("store", "init")
    old("lead", "capture", "--id", "shop:1", "--source", "web")
    old("projections", "run", NAME, "--once")
    runner = old.start("projections", "run", NAME)
    try:
        # The new one starts no fold into the old one's build …
        new("projections", "run", NAME, "--once", fails="definition_changed")
        # … and makes its own beside it, which the old one keeps following.
        [ready] = new("projections", "rebuild", NAME)["ready"]
        assert (ready["version"], ready["build"]) == (2, 1)
        new("lead", "capture", "--id", "shop:2", "--source", "web")
        until(lambda: live(old)["lag_events"] == 0 and live(old)["position"] > ready["position"])
        assert live(old)["version"] == 1
        assert len(old("board")) == 2
        # The old one does not promote what it could not keep up.
        old("projections", "promote", NAME, fails="definition_changed")
        old("projections", "verify", NAME, "--build", "2.1", fails="definition_changed")
        [promoted] = new("projections", "promote", NAME)
        assert promoted["replaced"] == "1.1"
        # Nobody folds the old definition into the new build.
        until(lambda: runner.poll() is not None or not live(new)["runner"])
        new("projections", "run", NAME, "--once")
        old("projections", "run", NAME, "--once", fails="definition_changed")
        assert new("projections", "verify", NAME)[0]["ok"]
        # The way back, by the old program: its own view, its own runner.
        old("projections", "rollback", NAME)
        old("projections", "run", NAME, "--once")
        assert live(old)["version"] == 1
        assert old("projections", "verify", NAME)[0]["ok"]
    finally:
        runner.kill()
        runner.communicate()


def test_a_definition_that_changed_without_its_version_is_noticed(
    wheel: Path, tmp_path: Path, url: str
) -> None:
    old = install(wheel, tmp_path / "old", url)
    new = install(wheel, tmp_path / "new", url)
    new.rewrite(MORE)
    old("store", "init")
    old("lead", "capture", "--id", "shop:1", "--source", "web")
    old("projections", "run", NAME, "--once")
    error = new("projections", "run", NAME, "--once", fails="definition_changed")
    assert "version 1" in error["message"]
    new("projections", "verify", NAME, fails="definition_changed")
    assert [r["current"] for r in new("projections", "list") if r["projection"] == NAME] == [False]
    process = new.start("projections", "rebuild", NAME)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    assert "its version is still 1" in err
    new("projections", "promote", NAME)
    new("projections", "run", NAME, "--once")
    old("projections", "run", NAME, "--once", fails="definition_changed")


def live(program: Installed) -> Any:
    rows = program("projections", "status")
    [row] = [row for row in rows if row["role"] == "live"]
    return row
