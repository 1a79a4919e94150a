"""Rebuilds of a long log: children do the work, and nothing is lost when one goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leadflow import Leadflow
from leadflow.errors import LeadflowError, LogCorrupt, StoreError
from leadflow_projections import bulk
from leadflow_projections.checkpoints import all_builds
from leadflow_projections.errors import BuildTaken
from leadflow_projections.reading import read_model
from leadflow_projections.rebuilding import Progress, Wish, rebuild_projections
from leadflow_projections.registry import named
from leadflow_projections.runtime import rebuild, run, status
from tests.integration.projections.many import record_many


def totals(leads: Leadflow) -> tuple[int, int, int]:
    """Leads, their points and their revenue, as the board has them."""
    rows = read_model(leads.store, "stage_board").rows
    return (
        len(rows),
        sum(row["points"] for row in rows),
        sum(row["revenue"]["EUR"] for row in rows),
    )


def expected(count: int) -> tuple[int, int, int]:
    return count, sum(number % 50 for number in range(count)), sum(range(count))


def test_children_write_what_this_process_would(
    lasting: Leadflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = record_many(lasting.store, leads=12_000)
    rebuilt = rebuild(lasting.store)
    assert rebuilt.events == end
    assert rebuilt.peak_memory_mb > 0
    assert totals(lasting) == expected(12_000)
    queries = ("stage_board", "conversion")
    by_child = [read_model(lasting.store, name).rows for name in queries]
    monkeypatch.setattr(bulk, "IN_PROCESS_ROWS", 10**9)
    rebuild(lasting.store, promote=True)
    assert [read_model(lasting.store, name).rows for name in queries] == by_child


def test_what_is_recorded_meanwhile_is_taken_in(lasting: Leadflow) -> None:
    record_many(lasting.store, leads=3_000)
    more: list[int] = []

    def record_more(progress: Progress) -> None:
        if not more and progress.phase in {"writing", "catching up"}:
            more.append(record_many(lasting.store, leads=500, since=3_000))

    rebuilt = rebuild(lasting.store, progress=record_more)
    assert rebuilt.events == more[0]
    assert totals(lasting) == expected(3_500)
    assert {row["lag_events"] for row in status(lasting.store)} == {0}


def test_readers_have_the_former_build_until_the_new_one_is_whole(lasting: Leadflow) -> None:
    record_many(lasting.store, leads=1_000)
    run(lasting.store, once=True)
    record_many(lasting.store, leads=1_000, since=1_000)
    seen: set[int] = set()

    def look(_: Progress) -> None:
        seen.add(totals(lasting)[0])

    rebuild(lasting.store, promote=True, progress=look)
    assert seen <= {1_000, 2_000}
    assert totals(lasting) == expected(2_000)


def test_an_event_that_cannot_be_read_changes_nothing_for_readers(lasting: Leadflow) -> None:
    record_many(lasting.store, leads=1_000)
    run(lasting.store, once=True)
    before = totals(lasting)
    _alter(lasting, 2_000, b'{"event_id":"no event"}')
    with pytest.raises(LogCorrupt, match="position 2000"):
        rebuild_projections(lasting.store, named(None), Wish(origin="log"))
    assert totals(lasting) == before
    failed = [row for row in status(lasting.store) if row["role"] == "shadow"]
    assert {row["state"] for row in failed} == {"failed"}
    assert all("position 2000" in row["last_error"] for row in failed)
    # Where nothing is live yet, it is not half there either.
    with pytest.raises(LeadflowError, match="position 2000"):
        rebuild_projections(lasting.store, named(["conversion"]), Wish(origin="log"))


@pytest.mark.parametrize("position", [1, 57])
def test_an_event_that_was_removed_is_noticed(leads: Leadflow, position: int) -> None:
    record_many(leads.store, leads=10)
    run(leads.store, once=True)
    record_many(leads.store, leads=20, since=10)
    with leads.store.transaction(write=True) as cursor:
        cursor.execute(f"DELETE FROM stored_events WHERE position = {position}")
    with pytest.raises(LogCorrupt, match="not every event from position"):
        # Sealed segments would still have it; `archive verify` tells them from the log.
        rebuild_projections(leads.store, named(None), Wish(origin="log"))
    if position > 40:
        with pytest.raises(LogCorrupt, match="not every event from position 41"):
            run(leads.store, once=True)
    assert totals(leads) == expected(10)


def test_rows_that_did_not_arrive_are_noticed(
    leads: Leadflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_many(leads.store, leads=10)

    def forget(*_: Any, **__: Any) -> None:
        return

    monkeypatch.setattr(bulk._Inserting, "write", forget)
    monkeypatch.setattr(bulk._Copying, "write", forget)
    with pytest.raises(StoreError, match="0 rows of stage_board are in the store where 10"):
        rebuild(leads.store)


def test_whose_build_was_taken_over_writes_no_more(leads: Leadflow) -> None:
    record_many(leads.store, leads=1_000)

    def take_over(progress: Progress) -> None:
        if progress.phase == "writing":
            with leads.store.transaction(write=True) as cursor:
                cursor.execute("UPDATE leadflow_checkpoints SET runner = 'another'")

    with pytest.raises(BuildTaken):
        rebuild(leads.store, progress=take_over)
    with leads.store.transaction(write=False) as cursor:
        cursor.execute("SELECT count(*) FROM stage_board__1_1")
        assert cursor.fetchone()[0] == 0


REBUILD = """
import sys
from leadflow.persistence.opening import open_store
from leadflow_projections.runtime import rebuild
with open_store(sys.argv[1]) as store:
    rebuild(store, progress=lambda progress: print(progress.phase, flush=True))
"""


@pytest.mark.parametrize("phase", ["reading", "writing"])
def test_a_rebuild_that_is_killed_is_done_again(tmp_path: Path, phase: str) -> None:
    url = f"sqlite:///{tmp_path / 'leads.db'}"
    with Leadflow.open(url, create=True) as leads:
        record_many(leads.store, leads=12_000)
        command = [sys.executable, "-c", REBUILD, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.strip() == phase:
                    os.kill(process.pid, signal.SIGKILL)
                    break
        live = [build for build in all_builds(leads.store) if build.role == "live"]
        assert live == [], "a half-built model is never live"
        assert {row["state"] for row in status(leads.store)} == {"stopped"}
        rebuild(leads.store)
        assert totals(leads) == expected(12_000)
        assert {build.role for build in all_builds(leads.store)} == {"live"}


def _alter(leads: Leadflow, position: int, state: bytes) -> None:
    mark = "?" if leads.store.dialect == "sqlite" else "%s"
    with leads.store.transaction(write=True) as cursor:
        cursor.execute(
            f"UPDATE stored_events SET state = {mark} WHERE position = {mark}", (state, position)
        )
