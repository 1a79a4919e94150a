"""Rebuilds as processes: killed at any moment, on a full disk, under the eyes of readers."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.checkpoints import all_builds
from leadflow_projections.reading import read_model
from leadflow_projections.runtime import run
from tests.faults.following import check, kill, start
from tests.integration.projections.many import record_many

LEADS = 6_000
ROUNDS = 3
MORE_ROUNDS = 100


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a store that other processes can open, its read models live."""
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    place = f"sqlite:///{tmp_path / 'leads.db'}"
    if request.param != "sqlite":
        place = request.getfixturevalue("postgres_database")
    with open_store(place, create=True) as store:
        record_many(store, leads=LEADS)
        run(store, once=True)
    return place


def kill_at_random(url: str, rounds: int) -> None:
    chance = random.Random()
    with open_store(url) as store:
        for number in range(rounds):
            process = start(url, "rebuild", "--promote")
            time.sleep(chance.uniform(0.5, 3.0))
            kill(process)
            assert_never_half(store)
            record_many(store, leads=10, since=LEADS + 10 * number)
        # Whoever held it is gone, so it is gone on with at once.
        process = start(url, "rebuild", "--promote")
        out, err = process.communicate()
        assert process.returncode == 0, err
        assert "Rebuilt" in out
        assert {build.role for build in all_builds(store)} <= {"live", "previous"}
        assert len(read_model(store, "stage_board").rows) == LEADS + 10 * rounds
    assert check(url) > 0


def assert_never_half(store: Store) -> None:
    rows = len(read_model(store, "stage_board").rows)
    assert rows >= LEADS
    live = [build for build in all_builds(store) if build.role == "live"]
    assert len(live) == 3
    assert all(build.position >= 4 * LEADS for build in live)


def test_killed_rebuilds(url: str) -> None:
    kill_at_random(url, ROUNDS)


@pytest.mark.torture
def test_many_killed_rebuilds(url: str) -> None:
    kill_at_random(url, MORE_ROUNDS)


READER = """
import sys, threading
from leadflow.persistence.opening import open_store
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set())).start()
seen = set()
with open_store(sys.argv[1]) as store:
    print("reading", flush=True)
    while not ended.is_set():
        with store.transaction(write=False) as cursor:
            cursor.execute("SELECT count(*), sum(points) FROM stage_board")
            seen.add(tuple(map(int, cursor.fetchone())))
print(sorted(seen))
"""


def test_readers_see_whole_boards_only(url: str) -> None:
    """In a process of its own, from before a rebuild until after its promotion."""
    with subprocess.Popen(
        [sys.executable, "-c", READER, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        for _ in range(2):
            process = start(url, "rebuild", "stage_board", "--promote")
            _, err = process.communicate()
            assert process.returncode == 0, err
        process = start(url, "rollback", "stage_board")
        _, err = process.communicate()
        assert process.returncode == 0, err
        out, _ = reader.communicate()
        assert reader.returncode == 0
    assert out.strip() == str([(LEADS, sum(number % 50 for number in range(LEADS)))])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    command = [mount, "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("left", [200_000, 1_500_000])
def test_a_full_disk_changes_nothing_and_the_rebuild_goes_on_afterwards(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(small_disk / "leads.key"))
    url = f"sqlite:///{small_disk / 'leads.db'}"
    with open_store(url, create=True) as store:
        record_many(store, leads=LEADS)
        run(store, once=True)
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(shutil.disk_usage(small_disk).free - left))
    process = start(url, "rebuild", "--from", "log")
    out, err = process.communicate()
    assert process.returncode == 1, (out, err)
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1, err
    assert "room" in errors[0] or "full" in errors[0], err
    assert "Traceback" not in err
    hints = [line for line in err.splitlines() if line.startswith("Hint: ")]
    assert "leadflow projections" in hints[0]
    with open_store(url) as store:
        assert_never_half(store)
    ballast.unlink()
    process = start(url, "rebuild", "--promote")
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert check(url) > 0
