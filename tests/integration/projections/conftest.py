"""Read models on every store: a SQLite file, one in memory, a PostgreSQL database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadflow import Leadflow

POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)


@pytest.fixture(params=["sqlite", "memory", POSTGRES])
def leads(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leadflow]:
    """An empty store behind the service facade."""
    if request.param == "memory":
        url = "sqlite:///:memory:"
    else:
        url = _url(request, tmp_path, monkeypatch)
    with Leadflow.open(url, create=True, producer="test") as opened:
        yield opened


@pytest.fixture(params=["sqlite", POSTGRES])
def lasting(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leadflow]:
    """An empty store that other processes can open too."""
    url = _url(request, tmp_path, monkeypatch)
    with Leadflow.open(url, create=True, producer="test") as opened:
        yield opened


def _url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable in ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'leads.db'}"
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    url: str = request.getfixturevalue("postgres_database")
    return url
