"""One suite over every store: a file, memory, and a PostgreSQL database."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store

POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)

Open = Callable[[], Store]


@pytest.fixture(params=["sqlite", "memory", POSTGRES])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """An empty store."""
    if request.param == "memory":
        url = "sqlite:///:memory:"
    else:
        url = _url(request, tmp_path, monkeypatch)
    with open_store(url, create=True) as opened:
        yield opened


@pytest.fixture(params=["sqlite", POSTGRES])
def lasting_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of an empty store that other connections and processes can open."""
    url = _url(request, tmp_path, monkeypatch)
    open_store(url, create=True).close()
    return url


def _url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    for variable in ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'leads.db'}"
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def sqlite_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a SQLite store may be made."""
    for variable in ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "leads.db"


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """What file modes forbid is forbidden: root, whom they do not bind, steps down for a test."""
    if os.geteuid() != 0:
        yield
        return
    import pwd

    nobody = pwd.getpwnam("nobody")
    os.setegid(nobody.pw_gid)
    os.seteuid(nobody.pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def shared_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that any user may use, unlike those that pytest makes for root."""
    for variable in ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    folder = Path(tempfile.mkdtemp(prefix="leadflow-shared-"))
    folder.chmod(0o777)
    yield folder
    folder.chmod(0o777)
    shutil.rmtree(folder)
