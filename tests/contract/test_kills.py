"""Writers and servers killed at any moment: the log stays whole, and keeps what it promised."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen
from uuid import UUID

import pytest

from leadflow.errors import StoreReadOnly
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import record_histories
from tests.contract.processes import writers
from tests.postgres import PostgresServer, ServerUnavailableError, cannot_run

ROUNDS = 5  # each kills two writers
MORE_ROUNDS = 150


def kill_writers(url: str, rounds: int) -> None:
    """Start two writers and kill each after some acknowledgements, as often as asked."""
    chance = random.Random()
    acknowledged: dict[UUID, int] = {}
    for _ in range(rounds):
        with writers(("endless", url), ("endless", url)) as started:
            first, second = started
            acknowledged |= read_acknowledgements(first, chance.randint(0, 40))
            os.kill(first.pid, signal.SIGKILL)
            acknowledged |= read_acknowledgements(second, chance.randint(1, 10))
            os.kill(second.pid, signal.SIGKILL)
            for process in started:
                assert process.stdout is not None
                acknowledged |= _parse(process.stdout.readlines())
        with open_store(url) as store:
            check(store, acknowledged)


def read_acknowledgements(process: Popen[str], count: int) -> dict[UUID, int]:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    assert all(line.endswith("\n") for line in lines), process.communicate()
    return _parse(lines)


def _parse(lines: list[str]) -> dict[UUID, int]:
    """Lead and number of events of each whole line; a kill may cut off the last one."""
    whole = [line.split() for line in lines if line.endswith("\n")]
    return {UUID(lead): int(count) for lead, count in whole}


def check(store: Store, acknowledged: dict[UUID, int]) -> None:
    """The chain holds, positions have no gaps, every history is whole, none promised is gone."""
    head = store.head()
    assert verify_log(store) == Verified(head.position, head.hash)
    histories: dict[UUID, int] = {}
    after = 0
    while (page := store.page(after=after, limit=5000)).events:
        for event in page.events:
            assert isinstance(event.originator_id, UUID)
            after += 1
            assert event.position == after
            histories[event.originator_id] = histories.get(event.originator_id, 0) + 1
            assert event.originator_version == histories[event.originator_id]
    assert after == head.position
    for lead, count in acknowledged.items():
        assert histories.get(lead) == count
    lead = next(iter(histories))
    assert store.load(lead)[0].personal is not None  # type: ignore[attr-defined]


def test_writers_killed_at_any_moment(lasting_url: str) -> None:
    kill_writers(lasting_url, ROUNDS)


@pytest.mark.torture
def test_writers_killed_at_any_moment_for_long(lasting_url: str) -> None:
    kill_writers(lasting_url, MORE_ROUNDS)


@pytest.fixture
def crashing_server() -> Iterator[PostgresServer]:
    """A server that waits for the disk, to be crashed."""
    folder = Path(tempfile.mkdtemp(prefix="leadflow-crash-"))
    try:
        server = PostgresServer(folder, durable=True)
        server.start()
    except (OSError, ServerUnavailableError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        cannot_run(f"no PostgreSQL server: {error}")
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def crash_server(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crashes: int
) -> None:
    monkeypatch.delenv("LEADFLOW_KEY", raising=False)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    open_store(server.url, create=True).close()
    acknowledged: dict[UUID, int] = {}
    chance = random.Random()
    for _ in range(crashes):
        with writers(("endless", server.url), ("endless", server.url)) as started:
            acknowledged |= read_acknowledgements(started[0], chance.randint(1, 60))
            server.stop(signal.SIGQUIT)
            server.start()
            # They found a new connection, and what they were about was recorded once.
            acknowledged |= read_acknowledgements(started[0], 3)
            for process in started:
                os.kill(process.pid, signal.SIGKILL)
                assert process.stdout is not None
                acknowledged |= _parse(process.stdout.readlines())
        with open_store(server.url) as store:
            check(store, acknowledged)


@pytest.mark.postgres
def test_a_server_that_crashes_under_its_writers(
    crashing_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_server(crashing_server, tmp_path, monkeypatch, 2)


@pytest.mark.postgres
def test_reading_from_a_standby(
    crashing_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = crashing_server
    monkeypatch.delenv("LEADFLOW_KEY", raising=False)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    with open_store(server.url, create=True) as store:
        record_histories(store, 2)
    server.stop()
    (server._data / "standby.signal").touch()
    server.start()
    with pytest.raises(StoreReadOnly, match="the server is a standby"):
        open_store(server.url)
    with open_store(server.url, must_write=False) as store:
        assert isinstance(verify_log(store), Verified)
        store.wait(after=0, timeout=10)
        store.wait(after=6, timeout=0.05)


@pytest.mark.torture
@pytest.mark.postgres
def test_a_server_that_crashes_again_and_again(
    crashing_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash_server(crashing_server, tmp_path, monkeypatch, 40)
