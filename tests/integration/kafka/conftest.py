"""A topic, and a store on either database."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from leadflow.persistence.opening import open_store
from tests.integration.kafka.inboxes import Topic

POSTGRES = pytest.param("postgresql", marks=pytest.mark.postgres)


@pytest.fixture(autouse=True)
def sockets_of_the_client() -> Iterator[None]:
    """What kafka-python leaves open is collected with its own test, not in some other one."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def topic(kafka_broker: str, unique: Callable[[str], str]) -> Iterator[Topic]:
    made = Topic(kafka_broker, unique("inbox"))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", POSTGRES])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store."""
    monkeypatch.delenv("LEADFLOW_KEY", raising=False)
    if request.param == "sqlite":
        monkeypatch.delenv("LEADFLOW_KEY_FILE", raising=False)
        made = f"sqlite:///{tmp_path / 'leads.db'}"
    else:
        monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
        made = request.getfixturevalue("postgres_database")
    open_store(made, create=True).close()
    return made


@pytest.fixture
def postgres_store(postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store in PostgreSQL."""
    monkeypatch.delenv("LEADFLOW_KEY", raising=False)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    open_store(postgres_database, create=True).close()
    return postgres_database


@pytest.fixture
def sqlite_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty store in a SQLite file."""
    for variable in ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    made = f"sqlite:///{tmp_path / 'leads.db'}"
    open_store(made, create=True).close()
    return made
