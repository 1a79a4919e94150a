"""Running the program: as a process of its own, and within this one for breadth."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from leadflow_commands.main import cli


@dataclass(frozen=True)
class Ran:
    """What one call of the program did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The last line of stderr, which with --json is the error."""
        error: dict[str, Any] = json.loads(self.err.splitlines()[-1])["error"]
        return error


Run = Callable[..., Ran]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no settings but the test's own."""
    for name in list(os.environ):
        if name.startswith(("LEADFLOW_", "_LEADFLOW")) and name != "LEADFLOW_OLIST_DIR":
            monkeypatch.delenv(name)
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "80")
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def leadflow(elsewhere: Path) -> Run:
    """Calls the program within this process: quick."""

    def run(*words: str, stdin: str = "") -> Ran:
        result = CliRunner().invoke(cli, list(words), input=stdin)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def process(elsewhere: Path) -> Run:
    """Calls the program as a process of its own: the real thing."""

    def run(*words: str, stdin: str = "", as_anybody: bool = False, **environment: str) -> Ran:
        """`as_anybody`: without the power to write where permissions forbid it."""
        done = subprocess.run(
            [
                *(_powerless() if as_anybody else ()),
                sys.executable,
                "-m",
                "leadflow_commands",
                *words,
            ],
            input=stdin,
            capture_output=True,
            text=True,
            env=os.environ | environment,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def _powerless() -> list[str]:
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write anywhere, and there is no setpriv to give that up")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture
def ada(leadflow: Run) -> str:
    """A store with one lead, captured, who then asked for a trial; her external id."""
    captured = leadflow(
        *("lead", "capture", "--id", "shop:4711", "--name", "Ada Example"),
        *("--email", "ada@example.org", "--source", "paid_search", "--occurred-at", "2026-03-01"),
    )
    assert captured.code == 0, captured.err
    engaged = leadflow(
        *("lead", "engage", "shop:4711", "--kind", "trial_requested"),
        *("--occurred-at", "2026-03-02T10:00:00Z"),
    )
    assert engaged.code == 0, engaged.err
    return "shop:4711"
