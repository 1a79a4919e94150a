"""Reading the log by columns: in this process, and by a child."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from leadflow import Leadflow
from leadflow.errors import StoreError
from leadflow_projections import log_reader
from leadflow_projections.log_reader import in_chunks, log_schema, open_log, read_log
from tests.integration.projections.many import record_many


def children() -> set[int]:
    """The processes that this one has started and not yet taken leave of."""
    found = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(None, 1) for line in found.stdout.splitlines()]
    return {int(pid) for pid, command in lines if "leadflow_projections" in command}


def test_a_child_and_this_process_read_the_same(
    lasting: Leadflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = record_many(lasting.store)
    by_child = read_log(lasting.store).read_all()
    monkeypatch.setattr(log_reader, "IN_PROCESS_EVENTS", end)
    by_this = read_log(lasting.store).read_all()
    assert by_child.schema == by_this.schema == log_schema()
    assert by_child.equals(by_this)
    assert by_child["position"].to_pylist() == list(range(1, end + 1))
    assert not children()


def test_only_the_range_that_was_asked_for(leads: Leadflow) -> None:
    for number in range(4):
        leads.capture(lead=f"shop:{number}")
    end = leads.store.head().position

    def positions(**bounds: int) -> list[int]:
        with open_log(leads.store, **bounds) as log:
            return [row["position"] for batch in log for row in batch.to_pylist()]

    assert positions() == list(range(1, end + 1))
    assert positions(after=2) == list(range(3, end + 1))
    assert positions(after=1, upto=3) == [2, 3]
    assert positions(after=end) == []
    assert positions(upto=end + 100) == list(range(1, end + 1))


def test_leaving_early_ends_the_child(lasting: Leadflow) -> None:
    record_many(lasting.store)
    with open_log(lasting.store) as log:
        next(log)
        assert len(children()) == 1
    assert not children()


def test_a_child_that_dies_is_one_clear_error(lasting: Leadflow) -> None:
    record_many(lasting.store, leads=40_000)
    with open_log(lasting.store) as log:
        next(log)
        [child] = children()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(StoreError, match="that reads the log failed after position"):
            list(log)
    assert not children()
    assert read_log(lasting.store, upto=5).read_all().num_rows == 5


def test_a_file_that_is_gone_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEADFLOW_KEY_FILE", raising=False)
    file = tmp_path / "leads.db"
    with Leadflow.open(f"sqlite:///{file}", create=True) as leads:
        record_many(leads.store)
        moved = file.rename(tmp_path / "moved.db")
        with pytest.raises(StoreError, match="the process that reads the log failed"):
            read_log(leads.store).read_all()
        moved.rename(file)


def test_batches_are_gathered_into_chunks() -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        for rows in (3, 4, 5, 1):
            yield pa.record_batch({"n": list(range(rows))})

    assert [chunk.num_rows for chunk in in_chunks(batches(), 6)] == [7, 6]
