"""A power cut at any byte of SQLite's write-ahead log leaves a prefix of the log, and no less."""

from __future__ import annotations

import random
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from leadflow.persistence.opening import open_store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import captured, history, record, record_histories

TEARS = 40
MORE_TEARS = 3_000


def written(folder: Path) -> Path:
    """A store in whose write-ahead log 30 appends of 4 events lie, as a power cut finds it."""
    origin, copy = folder / "origin.db", folder / "cut.db"
    with open_store(f"sqlite:///{origin}", create=True) as store:
        for _ in range(30):
            record(store, *history(uuid4(), 4))
        for suffix in ("", "-wal", ".key"):
            subprocess.run(["cp", f"{origin}{suffix}", f"{copy}{suffix}"], check=True)
    return copy


def check_torn(folder: Path, number: int, spoil: str) -> None:
    """Spoil the end of the write-ahead log at a chance place; what opens then is a prefix."""
    chance = random.Random(number)
    copy = folder / "torn.db"
    for suffix in ("", ".key", "-wal"):
        shutil.copy(f"{folder}/cut.db{suffix}", f"{copy}{suffix}")
    log = folder / "torn.db-wal"
    content = bytearray(log.read_bytes())
    at = chance.randrange(len(content))
    if spoil == "cut":
        del content[at:]
    elif spoil == "flip":
        content[at] ^= 1 << chance.randrange(8)
    else:
        content[at:] = bytes(len(content) - at)
    log.write_bytes(content)
    with open_store(f"sqlite:///{copy}") as store:
        head = store.head()
        assert head.position % 4 == 0  # each append whole or not at all
        assert verify_log(store) == Verified(head.position, head.hash)
        record(store, captured(uuid4()))
        assert store.head().position == head.position + 1
    for file in folder.glob("torn.db*"):
        file.unlink()


@pytest.mark.parametrize("spoil", ["cut", "flip", "zeros"])
def test_a_torn_write_ahead_log(tmp_path: Path, spoil: str) -> None:
    written(tmp_path)
    for number in range(TEARS):
        check_torn(tmp_path, number, spoil)


@pytest.mark.torture
@pytest.mark.parametrize("spoil", ["cut", "flip", "zeros"])
def test_a_torn_write_ahead_log_at_many_places(tmp_path: Path, spoil: str) -> None:
    written(tmp_path)
    for number in range(MORE_TEARS):
        check_torn(tmp_path, number, spoil)


def test_a_whole_write_ahead_log_loses_nothing(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{written(tmp_path)}") as store:
        assert store.head().position == 120
        record_histories(store, 1)
        assert isinstance(verify_log(store), Verified)
