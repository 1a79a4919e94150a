"""The append: gapless positions, all or nothing, and what goes into the log beside events."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
import time_machine

from leadflow.errors import CommandRecorded, Conflict, InvalidInput, PolicyChanged, StoreError
from leadflow.persistence.codec import to_moment
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import NO_HASH, Append, CommandRow, Head, NewCommand, Page, Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import (
    NOON,
    activated,
    as_recorded,
    captured,
    command,
    engaged,
    history,
    positions,
    record,
    record_histories,
)


def test_an_empty_log(store: Store) -> None:
    assert store.head() == Head(0, NO_HASH, 0, 0)
    assert store.page(after=0, limit=10) == Page(0, [])
    assert store.page(after=99, limit=10) == Page(0, [])
    assert store.events_at(1, 10) == []
    assert store.load(uuid4()) == []
    assert store.lead_events(uuid4()) == []
    assert store.load_many([uuid4()]) == {}
    assert store.commands([uuid4()]) == {}
    assert store.commands([]) == {}
    assert store.leads_by_prefix("a") == []
    assert store.lead_by_alias("shop:1") is None
    assert store.leads_by_address(bytes(32)) == []
    assert store.recorder.max_notification_id() == 0
    assert verify_log(store) == Verified(0, NO_HASH)
    store.wait(after=0, timeout=0.01)


def test_what_is_recorded_is_read(store: Store) -> None:
    lead = uuid4()
    events = history(lead, 5)
    appended = record(store, *events)
    assert (appended.first_position, appended.genesis) == (1, 0)
    head = store.head()
    assert (head.position, head.recorded_at) == (5, appended.recorded_at)
    expected = as_recorded(events, 1, head)
    assert store.load(lead) == expected
    assert store.load(lead, after_version=1, upto_version=3) == expected[1:3]
    assert store.load_many([lead, uuid4()]) == {lead: expected}
    assert [store.mapper.to_domain_event(e) for e in store.lead_events(lead)] == expected
    assert [store.mapper.to_domain_event(e) for e in store.events_at(2, 2)] == expected[1:3]
    page = store.page(after=3, limit=10)
    assert page.high_water == 5
    assert [(e.position, e.originator_version, e.originator_id) for e in page.events] == [
        (4, 4, lead),
        (5, 5, lead),
    ]


def test_positions_have_no_gaps_after_appends_that_were_rolled_back(store: Store) -> None:
    leads = record_histories(store, 3)
    for lead in leads:
        with pytest.raises(Conflict, match="has an event of version 3 already"):
            record(store, captured(uuid4()), engaged(lead, 3))
    record_histories(store, 2)
    assert positions(store) == list(range(1, 16))
    assert verify_log(store) == Verified(15, store.head().hash)


def test_an_append_is_recorded_whole_or_not_at_all(store: Store) -> None:
    known, new = uuid4(), uuid4()
    record(store, *history(known, 2))
    before = store.head()
    digest = store.keys.address_digest("new@example.org")
    done = command(count=2)
    with pytest.raises(Conflict):
        store.append(
            Append(
                events=[captured(new), engaged(known, 2)],
                commands=[done],
                aliases=[("shop:9", new)],
                addresses=[(digest, new)],
                destroy_keys=[known],
            )
        )
    assert store.head() == before
    assert store.load(new) == []
    assert store.commands([done.command_id]) == {}
    assert store.lead_by_alias("shop:9") is None
    assert store.leads_by_address(digest) == []
    assert store.load(known)[0].personal is not None  # type: ignore[attr-defined]
    record(store, captured(new))  # the key made for the refused append is of use still
    assert store.load(new)[0].personal is not None  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["VACUUM", "VACUUM FULL stored_events"])
def test_positions_survive_vacuum(lasting_url: str, name: str) -> None:
    if lasting_url.startswith("sqlite"):
        name = "VACUUM"
    with open_store(lasting_url) as store:
        leads = record_histories(store, 4)
        with pytest.raises(Conflict):
            record(store, engaged(leads[0], 2))
        before = store.page(after=0, limit=100)
    _run_alone(lasting_url, name)
    with open_store(lasting_url) as store:
        assert store.page(after=0, limit=100) == before
        record_histories(store, 1)
        assert positions(store) == list(range(1, 16))
        assert isinstance(verify_log(store), Verified)


def _run_alone(url: str, statement: str) -> None:
    if url.startswith("sqlite"):
        file = url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(statement)
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())


def test_recorded_at_is_one_value_and_never_falls(sqlite_file: Path) -> None:
    with open_store(f"sqlite:///{sqlite_file}", create=True) as store:
        with time_machine.travel(NOON, tick=False):
            record(store, *history(uuid4(), 3))
        with time_machine.travel(NOON - timedelta(hours=1), tick=False):
            assert store.now() == NOON - timedelta(hours=1)
            record(store, *history(uuid4(), 2))
        moments = [to_moment(event.recorded_at) for event in store.events_at(1, 10)]
        assert moments == [NOON] * 5


def test_recorded_at_never_falls_behind_a_faster_clock(store: Store) -> None:
    record_histories(store, 1)
    future = store.head().recorded_at + 3_600_000_000
    with store.transaction(write=True) as cursor:
        cursor.execute(f"UPDATE log_head SET recorded_at = {future}")
    record_histories(store, 1)
    assert [event.recorded_at >= future for event in store.events_at(1, 6)] == [False] * 3 + [
        True
    ] * 3


def test_the_first_append_records_the_genesis(store: Store) -> None:
    lead = uuid4()
    done = command(count=1)
    append = Append(
        events=[captured(lead)], genesis=[activated()], commands=[done], expect_policy=0
    )
    appended = store.append(append)
    assert (appended.first_position, appended.genesis) == (2, 1)
    assert store.head().policy_position == 1
    assert [event.topic for event in store.events_at(1, 9)] == [
        "policy.activated",
        "lead.captured",
    ]
    assert store.commands([done.command_id])[done.command_id].first_position == 2
    again = store.append(Append(events=[engaged(lead, 2)], genesis=[activated()]))
    assert (again.first_position, again.genesis) == (3, 0)


def test_a_policy_that_came_between_is_noticed(store: Store) -> None:
    record(store, activated())
    assert store.head().policy_position == 1
    store.append(Append(events=[captured(uuid4())], expect_policy=1))
    record(store, activated(2))
    assert store.head().policy_position == 3
    with pytest.raises(PolicyChanged, match="position 3 is in force, and not that of position 1"):
        store.append(Append(events=[captured(uuid4())], expect_policy=1))
    assert store.head().position == 3


def test_commands_are_remembered_with_what_they_recorded(store: Store) -> None:
    lead = uuid4()
    one = NewCommand(uuid4(), b"one", 0, 2)
    none = NewCommand(uuid4(), b"none", 2, 0)
    store.append(Append(events=history(lead, 2), commands=[one, none]))
    assert store.commands([one.command_id, none.command_id, uuid4()]) == {
        one.command_id: CommandRow(one.command_id, b"one", 1, 2),
        none.command_id: CommandRow(none.command_id, b"none", 0, 0),
    }
    alone = NewCommand(uuid4(), b"alone", 0, 0)
    store.append(Append(commands=[alone]))
    assert store.head().position == 2
    assert alone.command_id in store.commands([alone.command_id])


def test_a_command_that_was_recorded_is_reported_before_anything_else(store: Store) -> None:
    lead = uuid4()
    done = command()
    first = Append(events=[captured(lead)], commands=[done])
    store.append(first)
    record(store, activated())
    with pytest.raises(CommandRecorded, match=str(done.command_id)):
        store.append(Append(events=[captured(lead)], commands=[done], expect_policy=0))
    assert store.head().position == 2


def test_many_commands_are_found_at_once(store: Store) -> None:
    many = [NewCommand(uuid4(), b"x", i, 1) for i in range(1200)]
    store.append(Append(events=[captured(uuid4()) for _ in many], commands=many))
    assert len(store.commands([c.command_id for c in many])) == 1200


def test_aliases_keep_their_first_lead(store: Store) -> None:
    ada, bob = uuid4(), uuid4()
    store.append(Append(events=[captured(ada)], aliases=[("crm:1", ada), ("crm:1", ada)]))
    store.append(Append(events=[captured(bob)], aliases=[("crm:1", bob), ("crm:2", bob)]))
    assert store.lead_by_alias("crm:1") == ada
    assert store.lead_by_alias("crm:2") == bob
    assert store.leads_by_aliases(["crm:1", "crm:2", "crm:3"]) == {"crm:1": ada, "crm:2": bob}


def test_leads_are_found_by_address_through_a_keyed_digest(store: Store) -> None:
    ada, bob = sorted((uuid4(), uuid4()))
    digest = store.keys.address_digest("team@example.org")
    store.append(
        Append(
            events=[captured(ada), captured(bob)],
            addresses=[(digest, bob), (digest, ada), (digest, ada)],
        )
    )
    assert store.leads_by_address(digest) == [ada, bob]
    with open_store("sqlite:///:memory:", create=True) as other:
        assert other.keys.address_digest("team@example.org") != digest


def test_leads_are_found_by_the_beginning_of_their_id(store: Store) -> None:
    one = UUID("ab000000-1111-4000-8000-000000000001")
    two = UUID("ab000000-2222-4000-8000-000000000002")
    record(store, captured(one), captured(two), activated())
    assert store.leads_by_prefix("ab") == [one, two]
    assert store.leads_by_prefix("AB000000-2") == [two]
    assert store.leads_by_prefix("ab0000001") == [one]
    assert store.leads_by_prefix(str(one)) == [one]
    assert store.leads_by_prefix("ab", limit=1) == [one]
    for none in ("ac", "", "xyz", "a-b", "ab' OR 1", "0000", "ab" * 20):
        assert store.leads_by_prefix(none) == [], none


def test_what_is_no_event_of_the_log_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="str is no event"):
        store.append(Append(events=["lead.captured"]))  # type: ignore[list-item]
    assert store.head().position == 0


def test_tables_of_others_take_part_in_transactions(store: Store) -> None:
    with store.transaction(write=True) as cursor:
        cursor.execute("CREATE TABLE board (lead TEXT)")
    with suppress(ZeroDivisionError), store.transaction(write=True) as cursor:
        cursor.execute("INSERT INTO board VALUES ('lost')")
        raise ZeroDivisionError
    with store.transaction(write=True) as cursor:
        cursor.execute("INSERT INTO board VALUES ('kept')")
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT lead FROM board")
        assert cursor.fetchall() == [("kept",)]
    record(store, captured(uuid4()))


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.head()
