"""PostgreSQL restarted, in order and by a crash, under running projections."""

from __future__ import annotations

import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadflow.persistence.opening import open_store
from tests.contract.making import record_histories
from tests.faults.following import check, is_caught_up, runners, stopped, until
from tests.postgres import PostgresServer, ServerUnavailableError, cannot_run


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    folder = Path(tempfile.mkdtemp(prefix="leadflow-postgres-"))
    try:
        server = PostgresServer(folder, durable=True)
        server.start()
    except (OSError, KeyError, ServerUnavailableError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        cannot_run(f"no PostgreSQL server: {error}")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.postgres
def test_a_runner_outlasts_restarts(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    with open_store(server.url, create=True) as store, runners(server.url) as [runner]:
        for how in (signal.SIGINT, signal.SIGQUIT):
            record_histories(store, 20)
            until(lambda: is_caught_up(store), "the runner has caught up")
            server.stop(how)
            server.start()
            record_histories(store, 20)
            until(lambda: is_caught_up(store), f"it has caught up after {how.name}")
        said = stopped(runner)
    outages = [line for line in said if line.startswith("Waiting for the store")]
    assert len(outages) == 2, said
    assert all("Traceback" not in line for line in said)
    assert len([line for line in said if "answers again" in line]) == 2, said
    check(server.url)
