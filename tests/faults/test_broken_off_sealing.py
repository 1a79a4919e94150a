"""Sealers that are killed, run out of room, or meet each other leave a twin that can be used."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.archive.verifying import verify_twin
from leadflow_projections.errors import ArchiveBusy, ArchiveError
from tests.integration.archive.twins import SHIPPED_TABLES, rows_from, seal_all, twin_of
from tests.integration.projections.many import record_many

LEADS = 2_000
EVENTS = 4 * LEADS
SIZE = 500

SEAL = """
import sys
from leadflow.persistence.opening import open_store
from tests.integration.archive.twins import seal_all
with open_store(sys.argv[1]) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    print(seal_all(store, int(sys.argv[2])).end)
"""


def rows(store: Store, **how: Any) -> dict[str, list[tuple[Any, ...]]]:
    """What a fold of one table gives."""
    return rows_from(store, tables=SHIPPED_TABLES[:1], **how)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("broken")
    with open_store(f"sqlite:///{folder}/leads.db", create=True) as opened:
        assert record_many(opened, LEADS) == EVENTS
        yield opened


@pytest.fixture
def store(log: Store, tmp_path: Path) -> Store:
    """The store, of which nothing is sealed."""
    log.archive = tmp_path / "archive"
    return log


def sealer(store: Store, folder: Path) -> subprocess.Popen[str]:
    """A process that is about to seal the store's log into a folder."""
    script = SEAL.replace("as store:\n", f"as store:\n    store.archive = {str(folder)!r}\n")
    script = script.replace("import sys\n", "import sys\nfrom pathlib import Path\n").replace(
        repr(str(folder)), f"Path({str(folder)!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, store.url, str(SIZE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(n, marks=pytest.mark.torture) for n in range(2, 60))]
)
def test_killed_sealers(store: Store, seed: int) -> None:
    assert store.archive is not None
    moments = random.Random(seed)
    kills, reached = 0, 0
    for _ in range(4):
        with sealer(store, store.archive) as process:
            go(process)
            time.sleep(moments.uniform(0.05, 0.5))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
        survey = twin_of(store, SIZE).survey()
        assert survey.doubts == (), "what has a name is whole"
        assert survey.end >= reached, "what was sealed stays"
        reached = survey.end
    assert kills
    done = seal_all(store, SIZE)
    assert done.end == EVENTS
    assert twin_of(store, SIZE).survey().leftovers == ()
    assert not verify_twin(store, twin_of(store, SIZE)).differences


def test_two_sealers_at_once(store: Store) -> None:
    assert store.archive is not None
    processes = [sealer(store, store.archive) for _ in range(3)]
    for process in processes:
        go(process)
    said = [process.communicate(timeout=60) for process in processes]
    codes = [process.returncode for process in processes]
    assert codes.count(0) >= 1
    for code, (_, error) in zip(codes, said, strict=True):
        assert code == 0 or "ArchiveBusy" in error
    assert twin_of(store, SIZE).survey().end == EVENTS
    assert not verify_twin(store, twin_of(store, SIZE)).differences


def test_the_second_sealer_is_told_who_seals(store: Store) -> None:
    from leadflow_projections.archive.sealing import locked
    from leadflow_projections.archive.writing import make_folder

    make_folder(twin_of(store, SIZE), None)
    with (
        locked(twin_of(store, SIZE)),
        pytest.raises(ArchiveBusy, match=f"process {os.getpid()} seals"),
    ):
        seal_all(store, SIZE)
    assert seal_all(store, SIZE).end == EVENTS, "the lock is given back"


def limited(size: int) -> None:
    """In a child, before it runs: no file may grow beyond so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("size", [4_096, 100])
def test_no_room_on_the_disk(store: Store, size: int) -> None:
    """The limit bites within the Parquet file, or within the manifest."""
    assert store.archive is not None
    script = SEAL.replace("as store:\n", "as store:\n    store.archive = Path(sys.argv[3])\n")
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from pathlib import Path\n" + script),
            *(store.url, "2000", str(store.archive)),
        ],
        input="\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: limited(size),
    )
    assert done.returncode == 1
    assert "ArchiveError: the archive" in done.stderr
    assert "cannot be written" in done.stderr
    survey = twin_of(store, 2_000).survey()
    assert (survey.segments, survey.doubts, survey.leftovers) == ((), (), ())
    assert seal_all(store, SIZE).end == EVENTS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 200 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "leadflow-test", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_while_sealing(store: Store, small_disk: Path) -> None:
    store.archive = small_disk / "archive"
    with pytest.raises(ArchiveError, match="cannot be written"):
        seal_all(store, SIZE)
    survey = twin_of(store, SIZE).survey()
    assert survey.segments, "what was sealed before stays"
    assert (survey.doubts, survey.leftovers) == ((), ())
    assert rows(store) == rows(store, origin="log")


def test_a_full_disk_while_a_rebuild_seals(
    store: Store,
    small_disk: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from leadflow_projections.archive import twin

    monkeypatch.setattr(twin, "SEGMENT_EVENTS", SIZE)
    store.archive = small_disk / "archive"
    assert rows(store, seal=True) == rows(store, origin="log")
    assert "cannot be written" in caplog.text, "said, and no reason to stop"
