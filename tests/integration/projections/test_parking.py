"""An event that cannot be taken in parks its lead, holds up nobody, and can be taken in later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import pytest

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.domain import upcasters
from leadflow.errors import LogCorrupt
from leadflow.persistence.store import Append, Store
from leadflow_projections.checkpoints import all_builds, live_build
from leadflow_projections.following import FEW_EVENTS, Followed
from leadflow_projections.parking import parked_events
from leadflow_projections.reading import read_model
from leadflow_projections.registry import SHIPPED, use
from leadflow_projections.retrying import parked_streams, retry
from leadflow_projections.runtime import run, status
from leadflow_projections.verifying import verify_builds
from tests.contract.making import engaged
from tests.integration.projections.many import record_many

NEWER = b'{"event_id":"00000000-0000-4000-8000-00000000000a","schema_version":7,'


def alter(store: Store, position: int, state: bytes) -> bytes:
    """Give an event another state; gives the former one."""
    mark = "?" if store.dialect == "sqlite" else "%s"
    with store.transaction(write=True) as cursor:
        cursor.execute(f"SELECT state FROM stored_events WHERE position = {mark}", (position,))
        (former,) = cursor.fetchone()
        cursor.execute(
            f"UPDATE stored_events SET state = {mark} WHERE position = {mark}", (state, position)
        )
    return bytes(former)


def balanced(store: Store) -> None:
    """Every event of the log is folded or parked, and the rows are what the log says."""
    builds = [b for b in all_builds(store) if b.role == "live" and b.projection in SHIPPED]
    followed = [Followed(build, SHIPPED[build.projection]) for build in builds]
    verified = verify_builds(store, followed, origin="log")
    for build, found in zip(builds, verified, strict=True):
        assert found.is_balanced, found.as_data()
        assert found.is_equal, found.as_data()
        assert parked_events(store, build) == build.parked == found.parked


def retry_all(store: Store) -> list[tuple[int, int]]:
    """Retry everything; what was replayed and what is left, each once."""
    done = [retry(store, b, SHIPPED[b.projection], p.stream) for b, p in parked_streams(store)]
    return sorted({(each.replayed, each.left) for each in done})


def points(store: Store) -> dict[str, int]:
    """Each lead's points on the board."""
    rows = read_model(store, "stage_board").rows
    return {str(row["lead_id"]): row["points"] for row in rows}


@pytest.mark.parametrize("leads_behind", [5, FEW_EVENTS], ids=["few events", "many"])
def test_the_lead_waits_and_the_others_go_on(leads: Leadflow, leads_behind: int) -> None:
    store = leads.store
    record_many(store, leads=2)
    run(store, once=True)
    record_many(store, leads=leads_behind, since=2)
    poisoned = 2 * 4 + 2  # the second event of the third lead
    [lead] = {str(event.originator_id) for event in store.events_at(poisoned, 1)}
    former = alter(store, poisoned, NEWER + b'"cycle":1}')
    run(store, once=True)

    assert len(points(store)) == leads_behind + 2, "what was before the poison is shown"
    assert points(store)[lead] == 0
    [(build, parked)] = [
        found for found in parked_streams(store) if found[0].projection == "stage_board"
    ]
    assert (parked.stream, parked.first_position, parked.events) == (lead, poisoned, 3)
    assert "schema version 7" in parked.reason
    assert {row["parked"] for row in status(store)} == {1}
    assert {row["lag_events"] for row in status(store)} == {0}
    assert all(row["last_error"] is None for row in status(store))
    balanced(store)

    record_visit(store, UUID(lead))
    end = record_many(store, leads=1, since=500)
    run(store, once=True)
    assert parked_events(store, build) > 3, "later events wait behind it"
    balanced(store)

    assert {left > 0 for _, left in retry_all(store)} == {True}, "nothing was mended yet"
    alter(store, poisoned, former)
    assert {left for _, left in retry_all(store)} == {0}
    assert parked_streams(store) == []
    assert points(store)[lead] == 2, "what the third lead scored, once"
    assert {build.position for build in all_builds(store)} == {end}
    balanced(store)


def test_a_second_poison_of_the_lead_is_met_by_the_retry(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=1)
    run(store, once=True)
    lead = record_lead(leads, 3)
    first, second = [position for position, topic in lead if topic == "lead.engaged"][:2]
    former = [alter(store, position, b"[]") for position in (first, second)]
    run(store, once=True)
    alter(store, first, former[0])
    retry_all(store)
    [_, (_, parked), _] = parked_streams(store)
    assert parked.first_position == second
    balanced(store)
    alter(store, second, former[1])
    retry_all(store)
    assert parked_streams(store) == []
    balanced(store)


def record_visit(store: Store, lead: UUID) -> None:
    """One event more of a lead whose past cannot be read."""
    version = len(store.lead_events(lead)) + 1
    store.append(Append(events=[engaged(lead, version)]))


def record_lead(leads: Leadflow, engagements: int) -> list[tuple[int, str]]:
    """A lead that engages; position and topic of its events."""
    leads.capture(lead="shop:1", source="fair")
    for _ in range(engagements):
        leads.engage("shop:1", kind="visit")
    events = leads.store.lead_events(leads.resolve("shop:1"))
    return [(event.position, event.topic) for event in events]


@pytest.fixture
def newer_program(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes this program one that knows schema version 2 of `lead.engaged`."""

    def become() -> None:
        monkeypatch.setattr(e.Engaged, "schema_version", 2)
        monkeypatch.setitem(upcasters._UPCASTERS, ("lead.engaged", 1), lambda document: None)

    return become


def test_a_newer_program_can_read_it(leads: Leadflow, newer_program: Callable[[], None]) -> None:
    store = leads.store
    record_many(store, leads=1)
    run(store, once=True)
    [*_, (position, topic)] = [found for found in record_lead(leads, 1) if "engaged" in found[1]]
    assert topic == "lead.engaged"
    state = alter(store, position, b"")
    at = len('{"event_id":"') + 36 + len('",')
    alter(store, position, state[:at] + b'"schema_version":2,' + state[at:])
    run(store, once=True)
    assert {row["parked"] for row in status(store)} == {1}
    newer_program()
    assert {left for _, left in retry_all(store)} == {0}
    balanced(store)


OWN = """
from leadflow_projections.algebra import *

def kind(event):
    if event.kind == "x-odd":
        raise ValueError("an odd visit")
    return event.kind

VISITS = Projection("visits", 1, (Table("visits", {"lead_id": LEAD_ID}, {
    "last_kind": last(take(computed(Type.TEXT, "kind", kind), "lead.engaged")),
    "events": count(),
}),))
"""


def test_a_projection_whose_function_fails_parks_for_itself_alone(
    leads: Leadflow, tmp_path: Path
) -> None:
    module = tmp_path / "visits.py"
    module.write_text(OWN)
    use([str(module)])
    try:
        store = leads.store
        run(store, once=True)
        leads.capture(lead="shop:1", source="fair")
        leads.record_fact(e.Engaged, "shop:1", {"kind": "x-odd"})
        leads.engage("shop:1", kind="visit")
        end = record_many(store, leads=60)
        assert run(store, once=True) == dict.fromkeys([*SHIPPED, "visits"], end)
        [(build, parked)] = parked_streams(store)
        assert (build.projection, parked.stream) == ("visits", str(leads.resolve("shop:1")))
        assert "an odd visit" in parked.reason
        assert {row["projection"]: row["parked"] for row in status(store)} == {
            **dict.fromkeys(SHIPPED, 0),
            "visits": 1,
        }
        balanced(store)
    finally:
        use([])


def test_other_streams_are_parked_alike(leads: Leadflow) -> None:
    """A policy that cannot be read holds up no lead."""
    store = leads.store
    record_many(store, leads=1)
    run(store, once=True)
    before = store.head().position
    leads.capture(lead="shop:1", source="fair")
    policy = [x.position for x in store.events_at(before + 1, 9) if x.topic == "policy.activated"]
    for position in policy:
        alter(store, position, b"[]")
    run(store, once=True)
    assert len(points(store)) == 2
    assert {parked.first_position for _, parked in parked_streams(store)} == set(policy)
    balanced(store)


def test_a_retry_with_the_runner_up(lasting: Leadflow) -> None:
    store = lasting.store
    run(store, once=True)
    positions = record_lead(lasting, 2)
    [poisoned, *_] = [position for position, topic in positions if topic == "lead.engaged"]
    former = alter(store, poisoned, b"[]")
    stop = Event()
    thread = Thread(target=lambda: run(store, stop=stop))
    thread.start()
    try:
        reached(store)
        assert {row["parked"] for row in status(store)} == {1}
        record_visit(store, lasting.resolve("shop:1"))
        reached(store)
        alter(store, poisoned, former)
        assert {left for _, left in retry_all(store)} == {0}
        # What the runner still took for parked is folded by it now.
        for _ in range(3):
            lasting.engage("shop:1", kind="visit")
            reached(store)
        assert {row["parked"] for row in status(store)} == {0}
        assert points(store)[str(lasting.resolve("shop:1"))] > 0
    finally:
        stop.set()
        thread.join()
    balanced(store)


def reached(store: Store) -> None:
    """Return when every live build has the whole log."""
    pause = Event()
    for _ in range(3_000):
        builds = [live_build(all_builds(store), name) for name in SHIPPED]
        if all(build is not None and build.position == store.head().position for build in builds):
            return
        pause.wait(0.01)
    raise AssertionError(f"not caught up: {status(store)}")


def test_a_rebuild_that_is_told_to_parks_the_same(leads: Leadflow) -> None:
    from leadflow_projections.rebuilding import Wish, rebuild_projections

    store = leads.store
    record_many(store, leads=40)
    run(store, once=True)
    for position in (6, 50, 51, 90):
        alter(store, position, b"[]")
    projections = list(SHIPPED.values())
    # Not from the twin, which was made before the events were altered.
    with pytest.raises(LogCorrupt, match="position 6"):
        rebuild_projections(store, projections, Wish(promote=True, origin="log"))
    rebuild_projections(store, projections, Wish(promote=True, park=True, origin="log"))
    waiting = {(p.first_position, p.events) for _, p in parked_streams(store)}
    assert waiting == {(6, 3), (50, 3), (90, 3)}
    balanced(store)
