"""Checkpoints: made, shared, given up for dead, and those of an older leadflow."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from leadflow import Leadflow
from leadflow.persistence.store import Store
from leadflow_projections.buckets import bucket_of
from leadflow_projections.checkpoint_tables import CHECKPOINTS, PARKED, RUNNERS
from leadflow_projections.checkpoints import (
    Build,
    Owner,
    all_builds,
    announce,
    claim,
    live_build,
    release,
)
from leadflow_projections.errors import BuildTaken, DefinitionChanged
from leadflow_projections.heartbeat import beating
from leadflow_projections.registry import SHIPPED
from leadflow_projections.runtime import rebuild, run, status
from leadflow_projections.sharing import share_in
from tests.integration.projections.many import record_many


def board(store: Store) -> Build:
    build = live_build(all_builds(store), "stage_board")
    assert build is not None
    return build


def test_buckets_are_the_last_digit() -> None:
    assert bucket_of("00000000-0000-4000-8000-00000000000a") == 10
    assert bucket_of("no id") == 13
    assert bucket_of("") == 0


def test_an_older_stores_builds_keep_their_rows(leads: Leadflow) -> None:
    """As leadflow 0.1 made the table: with the checkpoint in it."""
    store = leads.store
    end = record_many(store, leads=3)
    run(store, once=True)
    number, text = ("INTEGER", "TEXT") if store.dialect == "sqlite" else ("bigint", "text")
    with store.transaction(write=True) as cursor:
        for table in (CHECKPOINTS, RUNNERS, PARKED, "leadflow_projections"):
            cursor.execute(f"DROP TABLE {table}")
        cursor.execute(
            f"CREATE TABLE leadflow_projections (projection {text}, version {number}, "
            f"build {number}, role {text}, state {text}, position {number}, fingerprint {text}, "
            f"tables {text}, rate {number}, parked {number}, last_error {text}, runner {text}, "
            f"host {text}, pid {number}, heartbeat {number}, "
            "PRIMARY KEY (projection, version, build))"
        )
        for name, projection in SHIPPED.items():
            cursor.execute(
                "INSERT INTO leadflow_projections VALUES "
                f"('{name}', 1, 1, 'live', 'following', {end}, '{projection.fingerprint}', "
                f"'{json.dumps([name])}', 0, 0, NULL, 'gone', 'elsewhere', 1, 1)"
            )
    assert {(row["position"], row["state"]) for row in status(store)} == {(end, "stopped")}
    more = record_many(store, leads=1, since=3)
    assert run(store, once=True) == dict.fromkeys(SHIPPED, more)
    assert (board(store).folded, board(store).position) == (more, more)


def test_a_runner_without_a_heartbeat_is_not_well_even_at_the_logs_end(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=1)
    run(store, once=True)
    owner = Owner.new()
    claim(store, all_builds(store), owner)
    assert {row["state"] for row in status(store)} == {"following"}
    elsewhere = Owner(owner.token, "elsewhere", 1)
    for seconds, state in ((14, "following"), (16, "stopped")):
        with store.transaction(write=True) as cursor:
            cursor.execute(f"DELETE FROM {RUNNERS}")
            moment = store.now() - timedelta(seconds=seconds)
            announce(cursor, store.dialect, elsewhere, moment)
        assert {row["state"] for row in status(store)} == {state}
        assert {row["lag_events"] for row in status(store)} == {0}
    run(store, once=True)


def test_a_process_that_is_gone_is_not_waited_for(leads: Leadflow) -> None:
    store = leads.store
    run(store, once=True)
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    here = Owner.new()
    claim(store, all_builds(store), Owner("gone", here.host, child))
    assert {row["state"] for row in status(store)} == {"stopped"}
    claim(store, all_builds(store), here)
    with pytest.raises(BuildTaken, match=f"process {here.pid}"):
        run(store, once=True)
    release(store, all_builds(store), here)


def test_heartbeats_are_rows_of_their_own(leads: Leadflow) -> None:
    store = leads.store
    run(store, once=True)
    owner = Owner.new()
    claim(store, all_builds(store), owner)
    with beating(store, owner):
        assert {row["runner"]["pid"] for row in status(store)} == {os.getpid()}
    release(store, all_builds(store), owner)
    with store.transaction(write=False) as cursor:
        cursor.execute(f"SELECT count(*) FROM {RUNNERS}")
        assert cursor.fetchone()[0] == 0, "who has given everything back is on no list"


def test_fair_shares(postgres_leads: Leadflow) -> None:
    store = postgres_leads.store
    record_many(store, leads=20)
    run(store, once=True)
    key = board(store).key
    owners = [Owner(token, Owner.new().host, os.getpid()) for token in ("a", "b", "c")]

    def held() -> list[int]:
        return [len(share_in(store, owner, [key])[0].checkpoints) for owner in owners]

    assert len(share_in(store, owners[0], [key])[0].checkpoints) == 16
    assert held()[0] == 16 or sum(held()) == 16
    assert [held() for _ in range(3)][-1] == [6, 5, 5]
    release(store, [board(store)], owners[1])
    owners.pop(1)
    assert [held() for _ in range(3)][-1] == [8, 8]


@pytest.fixture
def postgres_leads(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leadflow]:
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    with Leadflow.open(postgres_database, create=True) as leads:
        yield leads


def test_another_programs_build_is_followed_no_more(lasting: Leadflow) -> None:
    """As when a newer program promotes its build while this one runs."""
    store = lasting.store
    record_many(store, leads=2)
    run(store, once=True)
    said: list[str] = []
    stop = Event()

    def hear(sentence: str) -> None:
        said.append(sentence)
        stop.set()

    mark = "?" if store.dialect == "sqlite" else "%s"
    with store.transaction(write=True) as cursor:
        cursor.execute(
            f"UPDATE leadflow_projections SET fingerprint = 'newer', version = 2 "
            f"WHERE projection = {mark}",
            ("stage_board",),
        )
        cursor.execute(
            f"UPDATE {CHECKPOINTS} SET version = 2 WHERE projection = {mark}", ("stage_board",)
        )
    run(store, stop=stop, say=hear)
    assert len(said) == 1
    assert "Not followed: stage_board was built by version 2" in said[0]
    with pytest.raises(DefinitionChanged):
        run(store, ["stage_board"], stop=Event(), say=hear)


def test_promotion_by_another_is_followed(lasting: Leadflow) -> None:
    store = lasting.store
    record_many(store, leads=2)
    run(store, once=True)
    stop, said = Event(), list[str]()
    thread = Thread(target=lambda: run(store, stop=stop, say=said.append))
    thread.start()
    try:
        rebuild(store, ["stage_board"], promote=True)
        end = record_many(store, leads=1, since=2)
        for _ in range(2_000):
            if board(store).build == 2 and board(store).position == end:
                break
            stop.wait(0.01)
        assert (board(store).build, board(store).position) == (2, end)
    finally:
        stop.set()
        thread.join()
    assert said == ["stage_board has another live build, 1.2: following that one."]
