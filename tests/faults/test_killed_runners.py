"""Runners killed at any moment, alone and with a rebuild, while the log grows."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from leadflow.persistence.opening import open_store
from tests.contract.processes import writers
from tests.faults.following import check, is_caught_up, kill, runners, start, stopped, until

ROUNDS = 2
MORE_ROUNDS = 120


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that other processes can open."""
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    place = f"sqlite:///{tmp_path / 'leads.db'}"
    if request.param != "sqlite":
        place = request.getfixturevalue("postgres_database")
    with open_store(place, create=True):
        return place


def kill_at_random(url: str, rounds: int, *, rebuild: bool) -> None:
    """Kill a runner, and a rebuild beside it, again and again; then let one finish."""
    chance = random.Random()
    with writers(("endless", url)):
        for _ in range(rounds):
            with runners(url) as started:
                others = [start(url, "rebuild", "--promote")] if rebuild else []
                time.sleep(chance.uniform(0.2, 1.5))
                for process in chance.sample([*started, *others], len(started) + len(others)):
                    kill(process)
        with runners(url) as [runner]:
            time.sleep(0.2)
            stopped(runner)
    with open_store(url) as store, runners(url) as [runner]:
        until(lambda: is_caught_up(store), "the runner has caught up")
        stopped(runner)
    assert check(url) > 0


@pytest.mark.parametrize("rebuild", [False, True], ids=["alone", "with a rebuild"])
def test_killed_runners(url: str, *, rebuild: bool) -> None:
    kill_at_random(url, ROUNDS, rebuild=rebuild)


@pytest.mark.torture
@pytest.mark.parametrize("rebuild", [False, True], ids=["alone", "with a rebuild"])
def test_many_killed_runners(url: str, *, rebuild: bool) -> None:
    kill_at_random(url, MORE_ROUNDS, rebuild=rebuild)
