"""A commit whose acknowledgement is lost: the events are in the log once, and reported so."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from leadflow.errors import CommandRecorded, Conflict, ConnectionLost, StoreError
from leadflow.persistence.opening import open_store
from leadflow.persistence.sqlite.store import SQLiteStore
from leadflow.persistence.store import Append, Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import activated, captured, command, engaged, history, positions, record
from tests.contract.proxy import Moment, Proxy


@pytest.fixture
def proxy(postgres_database: str) -> Iterator[Proxy]:
    with Proxy(postgres_database) as between:
        yield between


@pytest.fixture
def through_proxy(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.delenv("LEADFLOW_KEY", raising=False)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    with open_store(proxy.url, create=True, lock_timeout=3) as store:
        yield store


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_breaks_at_commit(
    through_proxy: Store, proxy: Proxy, moment: Moment
) -> None:
    store = through_proxy
    lead = uuid4()
    done = command(count=2)
    proxy.break_at_commit(moment)
    appended = store.append(Append(events=history(lead, 2), genesis=[activated()], commands=[done]))
    assert proxy.broken == 1
    assert (appended.first_position, appended.genesis) == (2, 1)
    assert positions(store) == [1, 2, 3]
    assert store.events_at(2, 1)[0].recorded_at == appended.recorded_at
    assert store.commands([done.command_id])[done.command_id].first_position == 2
    assert store.load(lead)[0].personal is not None  # type: ignore[attr-defined]
    assert isinstance(verify_log(store), Verified)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_library_s_event_store_over_such_a_connection(
    through_proxy: Store, proxy: Proxy, moment: Moment
) -> None:
    store = through_proxy
    stored = [store.mapper.to_stored_event(event) for event in history(uuid4(), 3)]
    proxy.break_at_commit(moment)
    assert list(store.recorder.insert_events(stored) or ()) == [1, 2, 3]
    assert positions(store) == [1, 2, 3]


def test_a_conflict_is_still_one_after_a_broken_connection(
    through_proxy: Store, proxy: Proxy
) -> None:
    store = through_proxy
    lead = uuid4()
    record(store, captured(lead))
    proxy.break_at_commit("before")
    record(store, engaged(lead, 2))
    with pytest.raises(Conflict):
        record(store, engaged(lead, 2))


def test_when_the_server_stays_away_the_command_can_be_looked_up_later(
    through_proxy: Store, proxy: Proxy, postgres_database: str
) -> None:
    done = command()
    again = Append(events=[captured(uuid4())], commands=[done])
    proxy.break_at_commit("after", and_stay_down=True)
    with pytest.raises((ConnectionLost, StoreError)):
        through_proxy.append(again)
    with open_store(postgres_database) as store:
        assert store.commands([done.command_id])[done.command_id].first_position == 1
        with pytest.raises(CommandRecorded):
            store.append(again)
        assert positions(store) == [1]


def test_a_server_session_that_is_ended_between_appends(
    through_proxy: Store, postgres_database: str
) -> None:
    store = through_proxy
    record(store, captured(uuid4()))
    _end_sessions(postgres_database)
    assert store.head().position == 1
    _end_sessions(postgres_database)
    record(store, captured(uuid4()))
    _end_sessions(postgres_database)
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT count(*) FROM stored_events")
        assert cursor.fetchone() == (2,)
    _end_sessions(postgres_database)
    store.wait(after=1, timeout=1)
    _end_sessions(postgres_database)
    store.wait(after=1, timeout=1)


def _end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_sqlite_commits_and_reports_a_failure(
    sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(f"sqlite:///{sqlite_file}", create=True) as store:
        assert isinstance(store, SQLiteStore)
        commit = store.connections.commit

        def commit_and_fail(connection: sqlite3.Connection) -> None:
            commit(connection)
            raise sqlite3.OperationalError("disk I/O error")

        def fail(connection: sqlite3.Connection) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        lead = uuid4()
        monkeypatch.setattr(store.connections, "commit", commit_and_fail)
        appended = store.append(Append(events=history(lead, 2), genesis=[activated()]))
        assert (appended.first_position, appended.genesis) == (2, 1)
        monkeypatch.setattr(store.connections, "commit", fail)
        with pytest.raises(StoreError, match="disk I/O error"):
            record(store, engaged(lead, 3))
        monkeypatch.undo()
        record(store, engaged(lead, 3))
        assert positions(store) == [1, 2, 3, 4]
        assert isinstance(verify_log(store), Verified)
