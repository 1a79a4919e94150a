"""The program, called within this process, on a store with a real company's leads."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from leadflow_commands.main import cli
from tests.conftest import OLIST_FILES


@dataclass(frozen=True)
class Ran:
    """What one call of the program did."""

    code: int
    out: str
    err: str
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


def run(*words: str) -> Ran:
    """Call `leadflow` with these words."""
    result = CliRunner().invoke(cli, list(words))
    assert result.exception is None or isinstance(result.exception, SystemExit)
    raw = result.stdout_bytes
    return Ran(result.exit_code, raw.decode(errors="replace"), result.stderr, raw)


@pytest.fixture(scope="module")
def olist_files(olist_dir: Path) -> tuple[str, ...]:
    """The leads' file and the deals' file."""
    return tuple(str(olist_dir / name) for name in OLIST_FILES)


@pytest.fixture(scope="module")
def olist_store(olist_files: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store into which Olist's files were imported."""
    url = f"sqlite:///{tmp_path_factory.mktemp('olist') / 'olist.db'}"
    imported = run("import", "olist", *olist_files, "--store", url, "--json")
    assert imported.code == 0, imported.err
    return url


@pytest.fixture(scope="module")
def metrics(olist_store: str) -> Run:
    """Calls `leadflow metrics` on that store, and expects it to succeed."""

    def metrics(*words: str, json: bool = True) -> Ran:
        called = run("metrics", *words, "--store", olist_store, *(["--json"] if json else []))
        assert called.code == 0, called.err
        return called

    return metrics
