"""Several runners on one PostgreSQL log: they share it, and take over from one that dies."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from tests.contract.processes import writers
from tests.faults.following import check, is_caught_up, kill, live, runners, stopped, until


def shares(store: Store) -> dict[int, int]:
    """How many checkpoints of the live builds each process holds."""
    held: dict[int, int] = {}
    for build in live(store):
        for each in build.checkpoints:
            if each.runner is not None:
                held[each.runner.pid] = held.get(each.runner.pid, 0) + 1
    return held


def test_runners_share_and_take_over(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    url = postgres_database
    with (
        open_store(url, create=True) as store,
        writers(("endless", url)) as [writer],
        runners(url) as [first],
    ):
        until(lambda: set(shares(store)) == {first.pid}, "the first has everything")
        with runners(url, 2) as [second, third]:
            until(
                lambda: sorted(shares(store).values()) == [15, 15, 18],
                "three have their fair share of three times sixteen buckets",
            )
            kill(second)
            until(
                lambda: shares(store) == {first.pid: 24, third.pid: 24},
                "the others have taken over what the dead one held",
            )
            positions = {each.position for build in live(store) for each in build.checkpoints}
            assert live(store)[0].position <= max(positions), "the least of its buckets' counts"
            stopped(third)
            until(lambda: shares(store) == {first.pid: 48}, "what was given back is taken")
        time.sleep(0.1)
        kill(writer)
        until(lambda: is_caught_up(store), "the last one has caught up")
        stopped(first)
        assert shares(store) == {}
    assert check(url) > 0
