"""Verifying: rows altered, deleted and added by hand, a checkpoint moved; and a diff's words."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from leadflow import Leadflow
from leadflow.persistence.store import Store
from leadflow_projections import log_reader, reaches, stored_rows
from leadflow_projections.checkpoints import all_builds
from leadflow_projections.comparisons import diff_ready, verify_sample, verify_whole
from leadflow_projections.errors import BuildMissing, DefinitionChanged, ProjectionMissing
from leadflow_projections.metrics.reading import read_funnel
from leadflow_projections.runtime import rebuild, run
from tests.integration.projections.many import record_many

NAMES = ["stage_board", "sales_queue", "conversion"]


def alter(store: Store, statement: str) -> None:
    with store.transaction(write=True) as cursor:
        cursor.execute(statement)
        assert cursor.rowcount != 0


def found(store: Store, name: str) -> list[dict[str, Any]]:
    [verified] = verify_whole(store, [name])
    differences: list[dict[str, Any]] = verified.as_data()["differences"]
    return differences


@pytest.fixture(params=["in process", "by a child"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "by a child":
        monkeypatch.setattr(stored_rows, "IN_PROCESS_EVENTS", 0)
        monkeypatch.setattr(log_reader, "IN_PROCESS_EVENTS", 0)


def test_what_the_log_says_is_well(leads: Leadflow, reading: None) -> None:
    store = leads.store
    record_many(store, leads=40)
    run(store, once=True)
    for verified in verify_whole(store):
        assert verified.is_well
        assert verified.events == verified.folded == 160
        assert verified.tables[0].comparison.left_rows == 40
    assert all(each.is_well for each in verify_sample(store, None, "25%"))
    assert [each.sample for each in verify_sample(store, ["conversion"], "7")] == [7]


def test_every_kind_of_hand_is_found(leads: Leadflow, reading: None) -> None:
    store = leads.store
    record_many(store, leads=40)
    run(store, once=True)
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT lead_id FROM stage_board ORDER BY lead_id")
        first, second, third, *_ = [str(lead) for (lead,) in cursor.fetchall()]
    alter(store, f"UPDATE stage_board__1_1 SET stage = 'lost' WHERE lead_id = '{first}'")
    alter(store, f"DELETE FROM stage_board__1_1 WHERE lead_id = '{second}'")
    other = third[:-1] + ("0" if third[-1] != "0" else "1")
    copied = "(SELECT * FROM stage_board__1_1 WHERE lead_id = '{0}')"
    with store.transaction(write=True) as cursor:
        cursor.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {copied.format(third)} AS k")
        cursor.execute(f"UPDATE kept SET lead_id = '{other}'")
        cursor.execute("INSERT INTO stage_board__1_1 SELECT * FROM kept")
        cursor.execute("DROP TABLE kept")
    by_lead = {each["lead_id"]: each for each in found(store, "stage_board")}
    assert {lead: each["kind"] for lead, each in by_lead.items()} == {
        first: "altered",
        second: "missing",
        other: "added",
    }
    assert by_lead[first]["columns"] == {"stage": {"stored": "lost", "folded": "customer"}}
    [sampled] = verify_sample(store, ["stage_board"], "100%")
    assert len(sampled.differences) == 3
    assert found(store, "conversion") == [], "the others are as they were"


@pytest.mark.parametrize("by", [-3, 3, 100_000])
def test_a_checkpoint_that_was_moved_is_found(leads: Leadflow, by: int) -> None:
    store = leads.store
    record_many(store, leads=10)
    run(store, once=True)
    record_many(store, leads=10, since=10)
    alter(store, f"UPDATE leadflow_checkpoints SET position = position + {by}")
    for verified in verify_whole(store):
        assert not verified.is_balanced
    for verified in verify_sample(store, None, "1"):
        assert not verified.is_balanced


def test_verifying_goes_on_beside_a_runner_and_writers(lasting: Leadflow) -> None:
    store = lasting.store
    record_many(store, leads=50)
    run(store, once=True)
    stop = threading.Event()
    runner = threading.Thread(target=run, args=(store,), kwargs={"stop": stop})
    runner.start()
    try:
        for round_ in range(3):
            record_many(store, leads=50, since=50 * (round_ + 1))
            for verified in verify_whole(store):
                assert verified.is_well, verified.as_data()
    finally:
        stop.set()
        runner.join()


def test_buckets_at_different_positions_are_verified_each_where_it_is(leads: Leadflow) -> None:
    """As several runners leave them on PostgreSQL: here a build whose rows lag in one bucket."""
    store = leads.store
    record_many(store, leads=40)
    run(store, once=True)
    [build] = [b for b in all_builds(store) if b.projection == "stage_board"]
    behind = tuple(100 if bucket == 5 else 160 for bucket in range(16))
    within = reaches.events_within(store, behind)
    assert 100 < within <= 160
    if store.dialect == "postgresql":
        assert build.buckets == 16
        assert reaches.reach_of(build) == (160,) * 16


def test_what_cannot_be_verified_says_why(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=3)
    with pytest.raises(ProjectionMissing):
        verify_whole(store)
    run(store, once=True)
    with pytest.raises(BuildMissing, match=r"stage_board has no build 1\.9"):
        verify_whole(store, ["stage_board"], (1, 9))
    alter(store, "UPDATE leadflow_projections SET fingerprint = 'other'")
    with pytest.raises(DefinitionChanged, match="made by another definition"):
        verify_whole(store)


def test_a_diff_speaks_of_leads_stages_queue_and_figures(leads: Leadflow, reading: None) -> None:
    store = leads.store
    record_many(store, leads=20)
    run(store, once=True)
    alter(store, "UPDATE stage_board__1_1 SET stage = 'lost' WHERE points < 2")
    alter(store, "DELETE FROM conversion__1_1 WHERE last_stage = 'customer' AND cost = '{}'")
    alter(store, "UPDATE sales_queue__1_1 SET stage = 'sales_ready' WHERE points = 7")
    rebuild(store)
    record_many(store, leads=5, since=20)
    run(store, ["stage_board"], once=True)  # the live side is ahead of the shadow
    diff = diff_ready(store)
    of = {each.projection: each for each in diff.projections}
    assert {each.position for each in of.values()} == {100, 80}
    assert of["stage_board"].position == 100
    [stages] = of["stage_board"].tables[0].stages
    assert (stages.before, stages.after, stages.leads) == ("lost", "customer", 2)
    assert len(stages.examples) == 2
    assert of["stage_board"].changed == 2
    queue = of["sales_queue"].tables[0]
    assert (queue.comparison.missing, queue.comparison.extra) == (1, 0)
    assert len(queue.leaving) == 1
    conversion = of["conversion"].tables[0]
    assert conversion.comparison.extra == 20
    moved = {(each.metric, each.of): each.as_data() for each in conversion.figures}
    assert moved["funnel reached", "customer"]["live"] == 0
    assert moved["funnel reached", "customer"]["shadow"] == 20
    assert moved["conversion revenue", "EUR"]["change"] == sum(range(20))
    assert diff.changed == 20
    reached = {step.stage: step.reached for step in read_funnel(store).whole.steps}
    assert reached["customer"] == 25, "the log's own figure, five leads later"
