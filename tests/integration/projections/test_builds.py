"""The life of builds: made beside the live ones, promoted, rolled back, dropped, cancelled."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leadflow import Leadflow
from leadflow.persistence.store import Store
from leadflow_projections import building
from leadflow_projections.algebra import POSITION, Projection, greatest
from leadflow_projections.building import Progress
from leadflow_projections.builds import Build, Owner
from leadflow_projections.checkpoints import all_builds, claim, release
from leadflow_projections.dropping import cancel_builds, drop_builds, find_builds
from leadflow_projections.errors import BuildCancelled, BuildMissing, BuildTaken, DefinitionChanged
from leadflow_projections.promoting import promote_builds, ready_builds, roll_back
from leadflow_projections.reading import read_model
from leadflow_projections.rebuilding import Wish, rebuild_projections
from leadflow_projections.registry import SHIPPED
from leadflow_projections.runtime import rebuild, run
from leadflow_projections.stage_board import STAGE_BOARD
from leadflow_projections.status import status
from tests.integration.projections.many import record_many

BOARD = ["stage_board"]


def next_version() -> Projection:
    """The board as a later program has it: with one column more."""
    [table] = STAGE_BOARD.tables
    columns = {**table.columns, "last_position": greatest(POSITION)}
    return replace(STAGE_BOARD, version=2, tables=(replace(table, columns=columns),))


def builds(store: Store, name: str = "stage_board") -> dict[str, tuple[str, str]]:
    return {
        f"{row['version']}.{row['build']}": (row["role"], row["state"])
        for row in status(store)
        if row["projection"] == name
    }


def shown(store: Store) -> int:
    return len(read_model(store, "stage_board").rows)


def promote(store: Store, projections: list[Projection]) -> None:
    promote_builds(store, ready_builds(store, projections, named=True))


def test_a_rebuild_stops_at_ready_and_is_promoted(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=5)
    run(store, once=True)
    record_many(store, leads=5, since=5)
    rebuilt = rebuild(store, BOARD)
    assert [build.build for build in rebuilt.ready] == [2]
    assert rebuilt.diff is not None
    assert rebuilt.diff.changed == 0, "both sides are compared at one position"
    assert builds(store) == {"1.1": ("live", "stopped"), "1.2": ("shadow", "ready")}
    assert shown(store) == 5, "readers have what is live"
    record_many(store, leads=5, since=10)
    promote(store, [STAGE_BOARD])
    assert shown(store) == 15, "a promotion catches up first"
    assert builds(store) == {"1.1": ("previous", "stopped"), "1.2": ("live", "stopped")}
    with pytest.raises(BuildMissing, match="stage_board has no new build"):
        promote(store, [STAGE_BOARD])


def test_a_previous_build_comes_back_and_is_followed_again(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=5)
    run(store, once=True)
    rebuild(store, BOARD, promote=True)
    record_many(store, leads=5, since=5)
    run(store, once=True)
    [back] = roll_back(store, BOARD, list(SHIPPED.values()))
    assert (back.build, back.replaced, back.lag_events) == (1, "1.2", 20)
    assert shown(store) == 5
    run(store, once=True)
    assert shown(store) == 10
    [forth] = roll_back(store, [], list(SHIPPED.values()))
    assert (forth.build, forth.lag_events) == (2, 0)
    drop_builds(store, find_builds(store, "previous", BOARD))
    assert builds(store) == {"1.2": ("live", "stopped")}
    with pytest.raises(BuildMissing, match="stage_board has no previous build"):
        roll_back(store, BOARD, list(SHIPPED.values()))


def test_several_are_promoted_together_and_one_alone(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=3)
    run(store, once=True)
    rebuild(store)
    promote(store, [SHIPPED["conversion"]])
    roles = {row["projection"]: row["role"] for row in status(store) if row["build"] == 2}
    assert roles == {"conversion": "live", "sales_queue": "shadow", "stage_board": "shadow"}
    promote_builds(store, ready_builds(store, list(SHIPPED.values()), named=False))
    assert {row["role"] for row in status(store) if row["build"] == 2} == {"live"}


def test_what_is_ready_is_made_anew_and_the_rest_is_left_alone(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=3)
    run(store, once=True)
    rebuild(store)
    before = {b.key: b for b in all_builds(store) if b.projection != "stage_board"}
    rebuild(store, BOARD)
    assert builds(store) == {"1.1": ("live", "stopped"), "1.3": ("shadow", "ready")} or (
        builds(store) == {"1.1": ("live", "stopped"), "1.2": ("shadow", "ready")}
    )
    assert {b.key: b for b in all_builds(store) if b.projection != "stage_board"} == before


def test_a_limit_of_changes_stops_the_promotion(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=10)
    run(store, once=True)
    with store.transaction(write=True) as cursor:
        cursor.execute("UPDATE stage_board__1_1 SET points = points + 1 WHERE points < 3")
    wish = Wish(promote=True, most_changed=2)
    rebuilt = rebuild_projections(store, [STAGE_BOARD], wish)
    assert rebuilt.exceeded
    assert rebuilt.diff is not None
    assert rebuilt.diff.changed == 3
    assert builds(store)["1.1"] == ("live", "stopped")
    again = rebuild_projections(store, [STAGE_BOARD], Wish(promote=True, most_changed=3))
    assert not again.exceeded
    assert builds(store)["1.1"] == ("previous", "stopped")


def test_an_empty_log_can_be_rebuilt_and_promoted(leads: Leadflow) -> None:
    for _ in range(2):
        rebuilt = rebuild(leads.store, promote=True)
        assert rebuilt.events == 0
    assert {row["role"] for row in status(leads.store)} == {"live", "previous"}
    assert shown(leads.store) == 0


def test_a_second_rebuild_says_who_holds_it(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=3)
    run(store, once=True)
    rebuild(store, BOARD)
    other = Owner.new()
    shadow = [build for build in all_builds(store) if build.role == "shadow"]
    held = claim(store, shadow, other)
    for attempt in (
        lambda: rebuild(store, BOARD),
        lambda: promote(store, [STAGE_BOARD]),
    ):
        with pytest.raises(BuildTaken, match=f"process {other.pid}") as taken:
            attempt()
        assert "status" in str(taken.value.hint)
    release(store, held, other, state="ready")
    promote(store, [STAGE_BOARD])


def interrupted(store: Store, phase: str, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A rebuild that ends in a phase, as by Ctrl-C; gives what it left."""

    def interrupt(progress: Progress) -> None:
        if progress.phase == phase:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(store, BOARD, progress=interrupt)
    [left] = [build for build in all_builds(store) if build.role == "shadow"]
    return left


@pytest.mark.parametrize("phase", ["reading", "writing", "catching up"])
def test_an_interrupted_build_is_gone_on_with(
    leads: Leadflow, monkeypatch: pytest.MonkeyPatch, phase: str
) -> None:
    store = leads.store
    record_many(store, leads=5)
    run(store, once=True)
    more: list[int] = []
    if phase == "catching up":
        written = building.write_builds

        def and_more(*args: object, **options: object) -> int:
            events = written(*args, **options)  # type: ignore[arg-type]
            more.append(record_many(store, leads=5, since=5))
            return events

        monkeypatch.setattr("leadflow_projections.rebuilding.write_builds", and_more)
    left = interrupted(store, phase, monkeypatch)
    assert left.state == "stopped"
    assert builds(store)["1.2"] == ("shadow", "stopped"), "never ready, never ok"
    with pytest.raises(BuildMissing, match=r"build 1\.2 of stage_board is not ready"):
        promote(store, [STAGE_BOARD])
    monkeypatch.undo()
    rebuilt = rebuild(store, BOARD)
    assert rebuilt.ready[0].key == left.key
    assert rebuilt.diff is not None
    assert rebuilt.diff.changed == 0
    promote(store, [STAGE_BOARD])
    assert shown(store) == (10 if more else 5)


def test_cancelling_leaves_nothing_of_a_new_build(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=3)
    run(store, once=True)
    rebuild(store)
    assert [b.projection for b in cancel_builds(store, BOARD)] == BOARD
    assert builds(store) == {"1.1": ("live", "stopped")}
    assert len(cancel_builds(store)) == 2
    assert {build.role for build in all_builds(store)} == {"live"}
    with pytest.raises(BuildMissing):
        cancel_builds(store, BOARD)


def test_whose_build_is_cancelled_is_told_so(
    leads: Leadflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = leads.store
    record_many(store, leads=3)
    run(store, once=True)

    def cancel(progress: Progress) -> None:
        if progress.phase == "writing":
            cancel_builds(store, BOARD)

    with pytest.raises(BuildCancelled, match=r"build 1\.2 of stage_board was cancelled"):
        rebuild(store, BOARD, progress=cancel)
    assert builds(store) == {"1.1": ("live", "stopped")}
    # While it only reads, it looks for itself.
    monkeypatch.setattr(building, "_LOOK_SECONDS", 0.0)

    def cancel_early(progress: Progress) -> None:
        if builds(store).get("1.2"):
            cancel_builds(store, BOARD)

    with pytest.raises(BuildCancelled):
        rebuild(store, BOARD, progress=cancel_early)


def test_another_versions_builds_are_shown_but_not_folded_into(leads: Leadflow) -> None:
    store = leads.store
    record_many(store, leads=5)
    run(store, once=True)
    later = next_version()
    rebuilt = rebuild_projections(store, [later], Wish())
    assert rebuilt.diff is not None
    assert rebuilt.diff.changed == 0
    [table] = rebuilt.diff.projections[0].tables
    assert table.columns_added == ["last_position"]
    # The old program: keeps its own fresh, and neither promotes nor touches the other's.
    record_many(store, leads=5, since=5)
    run(store, once=True)
    assert shown(store) == 10
    with pytest.raises(DefinitionChanged, match=r"build 2\.1 of stage_board was made by another"):
        promote(store, [STAGE_BOARD])
    # The new one promotes it; the old one starts no fold into it, but can go back.
    promote(store, [later])
    assert builds(store) == {"1.1": ("previous", "stopped"), "2.1": ("live", "stopped")}
    columns = view_columns(store)
    assert "last_position" in columns
    with pytest.raises(DefinitionChanged):
        run(store, BOARD, once=True)
    roll_back(store, BOARD, [STAGE_BOARD])
    assert view_columns(store) == [name for name in columns if name != "last_position"]
    run(store, BOARD, once=True)
    # Whichever program rolls back, the view is that of the build.
    roll_back(store, BOARD, [STAGE_BOARD])
    assert view_columns(store) == columns


def view_columns(store: Store) -> list[str]:
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT * FROM stage_board WHERE 1 = 0")
        return [column[0] for column in cursor.description]
