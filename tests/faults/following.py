"""Runners and rebuilds as processes, and what must hold of the read models after all of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from leadflow.errors import LeadflowError
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.checkpoints import Build, all_builds
from leadflow_projections.following import Followed
from leadflow_projections.registry import SHIPPED
from leadflow_projections.verifying import verify_builds

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds after which a test gives up waiting."""


def start(url: str, *words: str) -> subprocess.Popen[str]:
    """`leadflow projections …` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "leadflow_commands", "projections", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"LEADFLOW_STORE": url},
    )


@contextmanager
def runners(url: str, count: int = 1) -> Generator[list[subprocess.Popen[str]]]:
    """Running projections; those still alive are killed at the end."""
    started = [start(url, "run") for _ in range(count)]
    try:
        for process in started:
            assert process.stderr is not None
            first = process.stderr.readline()
            assert "Ctrl-C stops it" in first, first
        yield started
    finally:
        for process in started:
            kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    """As `kill -9` does it."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.communicate()


def stopped(process: subprocess.Popen[str]) -> list[str]:
    """What a runner said on stderr, once it was told to stop and has."""
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    return err.splitlines()


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


def live(store: Store) -> list[Build]:
    """The live builds, all three, once they are there."""
    return [build for build in all_builds(store) if build.role == "live"]


def is_caught_up(store: Store) -> bool:
    """Whether every live build has the whole log."""
    try:
        builds, head = live(store), store.head().position
    except LeadflowError:  # the database may be away
        return False
    return len(builds) == len(SHIPPED) and all(build.position == head for build in builds)


def check(url: str) -> int:
    """Nothing skipped, nothing twice: every build holds what a fold from scratch gives.

    Gives the log's end.
    """
    with open_store(url) as store:
        builds = [b for b in all_builds(store) if b.state != "building"]
        found = verify_builds(store, [Followed(b, SHIPPED[b.projection]) for b in builds])
        assert len(found) >= len(SHIPPED)
        for each in found:
            assert each.is_balanced, each.as_data()
            assert each.is_equal, each.as_data()
        return store.head().position


def ended(process: subprocess.Popen[str], codes: Sequence[int] = (0,)) -> str:
    """What a command said on stderr, once it has ended in one of these ways."""
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode in codes, err
    return err
