"""The hash chain: whatever is changed by hand in the database is named at its first place."""

from __future__ import annotations

from uuid import uuid4

import pytest

from leadflow.persistence.store import NO_HASH, Store
from leadflow.persistence.verify import FirstDifference, Verified, verify_log
from tests.contract.making import activated, captured, history, record, record_histories

_OTHER_ID = "00000000-0000-4000-8000-00000000000f"

# What is done by hand, in SQL that both databases understand but for {text}; where it shows.
ALTERED = {
    "state": "state = {bytes}",
    "topic": "topic = 'lead.nurtured'",
    "moment": "recorded_at = recorded_at + 1",
    "lead": f"originator_id = '{_OTHER_ID}'",
    "version": "originator_version = originator_version + 100",
    "hash": "hash = {bytes}",
}


@pytest.fixture
def written(store: Store) -> Store:
    """A policy and four histories: 13 events."""
    record(store, activated())
    record_histories(store, 4)
    assert verify_log(store) == Verified(13, store.head().hash)
    return store


def by_hand(store: Store, *statements: str) -> None:
    value = "x'7b7d'" if store.dialect == "sqlite" else "'\\x7b7d'::bytea"
    with store.transaction(write=True) as cursor:
        for statement in statements:
            cursor.execute(statement.replace("{bytes}", value))


def difference(store: Store) -> FirstDifference:
    found = verify_log(store)
    assert isinstance(found, FirstDifference)
    return found


@pytest.mark.parametrize("position", [1, 7, 13])
@pytest.mark.parametrize("what", ALTERED)
def test_an_altered_column(written: Store, what: str, position: int) -> None:
    by_hand(written, f"UPDATE stored_events SET {ALTERED[what]} WHERE position = {position}")
    found = difference(written)
    assert found.position == position
    assert f"the event at position {position} " in found.what


def test_one_byte_of_a_state(written: Store) -> None:
    state = bytearray(written.events_at(6, 1)[0].state)
    state[len(state) // 2] ^= 1
    mark = "?" if written.dialect == "sqlite" else "%s"
    with written.transaction(write=True) as cursor:
        cursor.execute(
            f"UPDATE stored_events SET state = {mark} WHERE position = 6", (bytes(state),)
        )
    assert difference(written).position == 6


@pytest.mark.parametrize("position", [1, 7, 13])
def test_a_removed_event(written: Store, position: int) -> None:
    by_hand(written, f"DELETE FROM stored_events WHERE position = {position}")
    found = difference(written)
    assert found.position == position
    assert f"the event at position {position} is missing" in found.what


def test_removed_events_whose_gap_was_closed(written: Store) -> None:
    by_hand(
        written,
        "DELETE FROM stored_events WHERE position = 5",
        *(
            f"UPDATE stored_events SET position = {p - 1} WHERE position = {p}"
            for p in range(6, 14)
        ),
        "UPDATE log_head SET position = 12",
    )
    assert difference(written).position == 5


def test_the_last_event_removed_and_the_head_set_back(written: Store) -> None:
    by_hand(
        written,
        "DELETE FROM stored_events WHERE position = 13",
        "UPDATE log_head SET position = 12",
    )
    found = difference(written)
    assert found.position == 12
    assert "head was altered" in found.what


def test_everything_removed(written: Store) -> None:
    by_hand(written, "DELETE FROM stored_events")
    assert difference(written).position == 1


@pytest.mark.parametrize("position", [0, -3])
def test_an_event_inserted_before_the_first(written: Store, position: int) -> None:
    by_hand(written, _insert(position))
    found = difference(written)
    assert (found.position, "inserted" in found.what) == (position, True)


def test_an_event_inserted_in_the_middle(written: Store) -> None:
    shifts = [
        f"UPDATE stored_events SET position = {p + 1} WHERE position = {p}"
        for p in range(13, 5, -1)
    ]
    by_hand(written, *shifts, _insert(6), "UPDATE log_head SET position = 14")
    assert difference(written).position == 6


def test_an_event_inserted_after_the_last(written: Store) -> None:
    by_hand(written, _insert(14))
    found = difference(written)
    assert found.position == 14
    assert "beyond the log's end" in found.what
    by_hand(written, "UPDATE log_head SET position = 14")
    assert difference(written).position == 14


def _insert(position: int) -> str:
    return (
        "INSERT INTO stored_events (position, originator_id, originator_version, topic, state,"
        f" recorded_at, hash) SELECT {position}, '{_OTHER_ID}', 1, topic, state, recorded_at, hash"
        " FROM stored_events WHERE position = 4"
    )


def test_two_events_swapped(written: Store) -> None:
    by_hand(
        written,
        "UPDATE stored_events SET position = 99 WHERE position = 5",
        "UPDATE stored_events SET position = 5 WHERE position = 9",
        "UPDATE stored_events SET position = 9 WHERE position = 99",
    )
    assert difference(written).position == 5


@pytest.mark.parametrize(
    ("change", "position"),
    [
        ("hash = {bytes}", 13),
        ("position = 14", 14),
        ("recorded_at = recorded_at + 1", 13),
        ("policy_position = 4", 13),
    ],
)
def test_an_altered_head(written: Store, change: str, position: int) -> None:
    by_hand(written, f"UPDATE log_head SET {change}")
    assert difference(written).position == position


def test_a_head_that_is_gone(written: Store) -> None:
    by_hand(written, "DELETE FROM log_head")
    assert "lost its head" in difference(written).what


def test_bytes_moved_between_topic_and_state(store: Store) -> None:
    record(store, captured(uuid4()))
    mark = "?" if store.dialect == "sqlite" else "%s"
    state = store.events_at(1, 1)[0].state
    with store.transaction(write=True) as cursor:
        cursor.execute(
            f"UPDATE stored_events SET topic = 'lead.capture', state = {mark}", (b"d" + state,)
        )
    assert difference(store).position == 1


def test_progress_is_told(store: Store) -> None:
    assert verify_log(store) == Verified(0, NO_HASH)
    for _ in range(3):
        record(store, *[e for _ in range(500) for e in history(uuid4(), 4)])
    told: list[tuple[int, int]] = []
    found = verify_log(store, lambda done, all_of_them: told.append((done, all_of_them)))
    assert isinstance(found, Verified)
    assert told == [(5000, 6000)]


def test_a_log_that_grows_meanwhile_is_verified_up_to_its_end_at_the_start(store: Store) -> None:
    for _ in range(3):
        record(store, *[e for _ in range(500) for e in history(uuid4(), 4)])
    before = store.head()

    def write_on(_done: int, _all: int) -> None:
        record_histories(store, 1)

    found = verify_log(store, write_on)
    assert found == Verified(before.position, before.hash)
    assert store.head().position == before.position + 3
