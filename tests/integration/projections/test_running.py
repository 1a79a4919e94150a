"""Following the log, rebuilding, and what status says of both."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from leadflow import Leadflow
from leadflow.persistence.store import Store
from leadflow_projections.checkpoints import Owner, all_builds, claim, live_build, release
from leadflow_projections.errors import (
    BuildTaken,
    DefinitionChanged,
    ProjectionMissing,
    UnknownProjection,
)
from leadflow_projections.reading import read_model
from leadflow_projections.rebuilding import Progress
from leadflow_projections.registry import SHIPPED
from leadflow_projections.runtime import list_projections, rebuild, run, status

VIEWS = ("stage_board", "sales_queue", "conversion")


def capture(leads: Leadflow, *numbers: int) -> None:
    with leads.batch() as batch:
        for number in numbers:
            batch.capture(lead=f"shop:{number}", source="fair", personal={"name": "Ada"})


def stages(store: Store) -> dict[str, str]:
    return {str(r["lead_id"]): r["stage"] for r in read_model(store, "stage_board").rows}


def names_in(store: Store) -> set[str]:
    """The tables and views of read models that the database has."""
    query = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')",
        "postgresql": "SELECT relname FROM pg_class WHERE relkind IN ('r', 'v') "
        "AND relnamespace = 'public'::regnamespace",
    }[store.dialect]
    with store.transaction(write=False) as cursor:
        cursor.execute(query)
        found = {str(name) for (name,) in cursor.fetchall()}
    return {name for name in found if name.startswith(VIEWS)}


@contextmanager
def running(store: Store) -> Generator[list[BaseException]]:
    """All projections followed in a thread; what it raised is in the list."""
    stop, failed = Event(), list[BaseException]()

    def follow() -> None:
        try:
            run(store, stop=stop)
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)

    thread = Thread(target=follow)
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join()


def wait_for(store: Store, position: int, failed: list[BaseException]) -> None:
    """Return when every live build is there, or something failed."""
    ready = Event()
    while not ready.wait(0.01):
        live = [build for build in all_builds(store) if build.role == "live"]
        if failed or (len(live) == 3 and all(build.position >= position for build in live)):
            return


def test_an_empty_log_gives_empty_read_models(leads: Leadflow) -> None:
    assert run(leads.store, once=True) == dict.fromkeys(SHIPPED, 0)
    for view in VIEWS:
        assert read_model(leads.store, view).rows == []
    rebuilt = rebuild(leads.store)
    assert rebuilt.events == 0
    assert rebuilt.as_data().keys() >= {
        "projections",
        "events",
        "seconds",
        "events_per_second",
        "peak_memory_mb",
    }


def test_once_ends_at_the_end_and_goes_on_from_there(leads: Leadflow) -> None:
    capture(leads, 1, 2)
    end = leads.store.head().position
    assert run(leads.store, once=True) == dict.fromkeys(SHIPPED, end)
    assert set(stages(leads.store).values()) == {"captured"}

    leads.qualify("shop:1", target=True, tier="SQL")
    later = leads.store.head().position
    assert run(leads.store, once=True) == dict.fromkeys(SHIPPED, later)
    assert sorted(stages(leads.store).values()) == ["captured", "qualified"]
    assert run(leads.store, once=True) == dict.fromkeys(SHIPPED, later), "nothing applied twice"
    [row] = read_model(leads.store, "conversion", where={"last_stage": "qualified"}).rows
    assert (row["captured_visits"], row["qualified_visits"]) == (1, 1)


def test_one_projection_can_be_run_alone(leads: Leadflow) -> None:
    capture(leads, 1)
    run(leads.store, ["conversion"], once=True)
    assert len(read_model(leads.store, "conversion").rows) == 1
    with pytest.raises(ProjectionMissing, match="no read model of stage_board"):
        read_model(leads.store, "stage_board")
    # The others begin later, from the log's beginning.
    run(leads.store, once=True)
    assert len(read_model(leads.store, "stage_board").rows) == 1


def test_unknown_names_suggest_what_was_meant(leads: Leadflow) -> None:
    with pytest.raises(UnknownProjection) as caught:
        rebuild(leads.store, ["stageboard"])
    assert str(caught.value.hint).startswith("did you mean stage_board?")


def test_a_rebuild_makes_a_build_beside_the_others(leads: Leadflow) -> None:
    capture(leads, 1, 2, 3)
    run(leads.store, once=True)
    assert names_in(leads.store) == {*VIEWS, *(f"{view}__1_1" for view in VIEWS)}
    told: list[Progress] = []
    rebuilt = rebuild(leads.store, ["stage_board"], promote=True, progress=told.append)
    assert rebuilt.projections == ["stage_board"]
    assert rebuilt.events == leads.store.head().position
    assert told[-1].phase == "done"
    assert names_in(leads.store) == {
        *VIEWS,
        "stage_board__1_1",
        "stage_board__1_2",
        "sales_queue__1_1",
        "conversion__1_1",
    }
    assert len(stages(leads.store)) == 3


def test_a_runner_takes_in_what_is_recorded_and_survives_a_rebuild(lasting: Leadflow) -> None:
    store = lasting.store
    capture(lasting, 1)
    with running(store) as failed:
        wait_for(store, store.head().position, failed)
        capture(lasting, 2, 3)
        wait_for(store, store.head().position, failed)
        rebuild(store, promote=True)
        capture(lasting, 4)
        wait_for(store, store.head().position, failed)
        assert not failed
        assert {row["state"] for row in status(store) if row["role"] == "live"} == {"following"}
    assert len(stages(store)) == 4
    assert {row["state"] for row in status(store)} == {"stopped"}
    assert {b.build for b in all_builds(store) if b.role == "live"} == {2}


def test_status_has_the_promised_shape(leads: Leadflow) -> None:
    assert status(leads.store) == []
    capture(leads, 1)
    run(leads.store, ["stage_board"], once=True)
    capture(leads, 2)
    [row] = status(leads.store)
    head = leads.store.head().position
    assert row.keys() >= {
        *("projection", "version", "build", "role", "state", "position", "high_water_mark"),
        *("lag_events", "lag_seconds", "events_per_second", "eta_seconds", "parked"),
        *("last_error", "runner"),
    }
    assert (row["projection"], row["version"], row["build"]) == ("stage_board", 1, 1)
    assert (row["role"], row["state"], row["runner"]) == ("live", "stopped", None)
    assert row["high_water_mark"] == head
    assert row["lag_events"] == head - row["position"] > 0
    assert row["lag_seconds"] >= 0
    listed = {row["projection"]: row for row in list_projections(leads.store)}
    assert set(listed) == set(SHIPPED)
    assert listed["stage_board"]["live_build"] == 1
    assert listed["conversion"]["live_build"] is None


def test_two_runners_of_one_projection_are_fenced(leads: Leadflow) -> None:
    capture(leads, 1)
    run(leads.store, once=True)
    other = Owner.new()
    build = live_build(all_builds(leads.store), "stage_board")
    assert build is not None
    held = claim(leads.store, [build], other)
    with pytest.raises(BuildTaken, match=f"process {other.pid}"):
        run(leads.store, ["stage_board"], once=True)
    release(leads.store, held, other)
    run(leads.store, ["stage_board"], once=True)


def test_what_another_definition_built_is_not_folded_into(leads: Leadflow) -> None:
    capture(leads, 1)
    run(leads.store, ["stage_board"], once=True)
    mark = "?" if leads.store.dialect == "sqlite" else "%s"
    with leads.store.transaction(write=True) as cursor:
        cursor.execute(f"UPDATE leadflow_projections SET fingerprint = {mark}", ("other",))
    with pytest.raises(DefinitionChanged, match="stage_board was built by version 1") as caught:
        run(leads.store, ["stage_board"], once=True)
    assert "rebuild stage_board" in str(caught.value.hint)
    rebuild(leads.store, ["stage_board"], promote=True)
    run(leads.store, ["stage_board"], once=True)


def test_what_a_killed_rebuild_left_is_thrown_away(leads: Leadflow) -> None:
    capture(leads, 1)
    run(leads.store, once=True)
    # As after `kill -9`: a shadow with tables, held by a process that is gone.
    with leads.store.transaction(write=True) as cursor:
        cursor.execute("CREATE TABLE stage_board__1_2 (lead_id TEXT)")
        cursor.execute(
            "INSERT INTO leadflow_projections (projection, version, build, role, state, "
            "fingerprint, tables, buckets) VALUES "
            "('stage_board', 1, 2, 'shadow', 'building', 'x', '[\"stage_board\"]', 1)"
        )
        cursor.execute(
            "INSERT INTO leadflow_checkpoints (projection, version, build, bucket, position, "
            "folded, rate, runner) VALUES ('stage_board', 1, 2, 0, 0, 0, 0, 'gone')"
        )
        cursor.execute(
            "INSERT INTO leadflow_runners (token, host, pid, projections, since, heartbeat) "
            "VALUES ('gone', 'elsewhere', 4711, '[]', 1, 1)"
        )
    assert {(row["role"], row["state"]) for row in status(leads.store)} == {
        ("live", "stopped"),
        ("shadow", "stopped"),
    }
    rebuild(leads.store, ["stage_board"], promote=True)
    assert [build.role for build in all_builds(leads.store) if build.role != "previous"] == [
        "live"
    ] * 3
    assert len(stages(leads.store)) == 1
