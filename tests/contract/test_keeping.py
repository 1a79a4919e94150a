"""Keeping a store: what it says about itself, copies, and schemas to come."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from leadflow.errors import SchemaTooNew, StoreError, StoreNotFound
from leadflow.persistence import migrations, schema
from leadflow.persistence.backing_up import backup
from leadflow.persistence.describing import describe, has_wal_bug
from leadflow.persistence.master_key import key_text, new_key
from leadflow.persistence.migrating import migrate
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import ADA, activated, captured, record, record_histories


def test_describing_a_store(store: Store) -> None:
    empty = describe(store)
    assert (empty.position, empty.leads, empty.by_topic) == (0, 0, {})
    assert empty.last_recorded_at is None
    record(store, activated())
    record_histories(store, 3)
    info = describe(store)
    assert (info.position, info.leads) == (10, 3)
    assert info.by_topic == {"lead.captured": 3, "lead.engaged": 6, "policy.activated": 1}
    assert info.last_recorded_at is not None
    assert info.size > 0
    assert info.schema_version == 2
    assert info.url == store.url


def test_a_key_file_open_to_others_is_told(sqlite_file: Path) -> None:
    with open_store(f"sqlite:///{sqlite_file}", create=True) as store:
        assert not any("chmod 600" in warning for warning in describe(store).warnings)
        sqlite_file.with_name("leads.db.key").chmod(0o644)
        assert any("chmod 600" in warning for warning in describe(store).warnings)


@pytest.mark.parametrize(
    ("version", "bug"),
    [
        *(((3, 40, 1), True), ((3, 44, 5), True), ((3, 44, 6), False), ((3, 45, 0), True)),
        *(((3, 50, 6), True), ((3, 50, 7), False), ((3, 51, 2), True), ((3, 51, 3), False)),
        ((4, 0, 0), False),
    ],
)
def test_which_sqlite_has_the_fault_in_its_write_ahead_log(
    version: tuple[int, int, int], bug: bool
) -> None:
    assert has_wal_bug(version) is bug


def test_a_backup_is_a_store(sqlite_file: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{sqlite_file}"
    target = tmp_path / "backup" / "monday.db"
    target.parent.mkdir()
    with open_store(url, create=True) as store:
        record_histories(store, 3)
        made = backup(url, target)
        record_histories(store, 1)
    assert (made.file, made.position) == (target, 9)
    assert made.key_file == target.with_name("monday.db.key")
    assert sorted(p.name for p in target.parent.iterdir()) == ["monday.db", "monday.db.key"]
    with open_store(f"sqlite:///{target}") as copy:
        assert copy.head().position == 9
        assert isinstance(verify_log(copy), Verified)
        event = copy.mapper.to_domain_event(copy.events_at(1, 1)[0])
        assert event.personal == ADA  # type: ignore[attr-defined]
        record(copy, captured(uuid4()))


def test_a_backup_replaces_nothing(sqlite_file: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{sqlite_file}"
    open_store(url, create=True).close()
    for existing in ("copy.db", "copy.db.key"):
        (tmp_path / existing).write_text("mine")
        with pytest.raises(StoreError, match="exists already"):
            backup(url, tmp_path / "copy.db")
        assert (tmp_path / existing).read_text() == "mine"
        (tmp_path / existing).unlink()
    with pytest.raises(StoreError, match="exists already"):
        backup(url, sqlite_file)
    with pytest.raises(StoreError):
        backup(url, tmp_path / "none" / "copy.db")
    with pytest.raises(StoreNotFound):
        backup(f"sqlite:///{tmp_path}/none.db", tmp_path / "copy.db")


def test_a_key_that_is_in_no_file_is_not_written_into_one(
    sqlite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_KEY", key_text(new_key()))
    url = f"sqlite:///{sqlite_file}"
    open_store(url, create=True).close()
    made = backup(url, tmp_path / "copy.db")
    assert made.key_file is None
    assert not (tmp_path / "copy.db.key").exists()


def test_postgresql_is_backed_up_by_its_own_tools(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as raised:
        backup("postgresql://ada:s3cret@db/leads", tmp_path / "copy")
    assert "pg_dump" in (raised.value.hint or "")
    assert "s3cret" not in raised.value.message + (raised.value.hint or "")


def test_a_store_of_the_present_schema_needs_no_migration(lasting_url: str) -> None:
    assert migrate(lasting_url) == (2, 2)
    open_store(lasting_url).close()


def test_migrating_an_older_store(lasting_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {
        "sqlite": ["CREATE TABLE news (x INTEGER)"],
        "postgresql": ["CREATE TABLE news (x int)"],
    }
    monkeypatch.setitem(migrations.MIGRATIONS, 2, steps)
    monkeypatch.setattr(schema, "SCHEMA_VERSION", 3)
    with pytest.raises(StoreError, match="has schema version 2, older than 3") as raised:
        open_store(lasting_url)
    assert "leadflow store migrate" in (raised.value.hint or "")
    assert migrate(lasting_url, to_version=3) == (2, 3)
    assert migrate(lasting_url, to_version=3) == (3, 3)
    with open_store(lasting_url) as store, store.transaction(write=False) as cursor:
        cursor.execute("SELECT count(*) FROM news")
        assert cursor.fetchone() == (0,)
    monkeypatch.undo()


def test_a_migration_that_fails_changes_nothing(
    lasting_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ["CREATE TABLE news (x integer)", "CREATE TABLE stored_events (x integer)"]
    monkeypatch.setitem(migrations.MIGRATIONS, 2, {"sqlite": steps, "postgresql": steps})
    with pytest.raises(StoreError):
        migrate(lasting_url, to_version=3)
    assert migrate(lasting_url) == (2, 2)
    with open_store(lasting_url) as store, store.transaction(write=True) as cursor:
        cursor.execute("CREATE TABLE news (x integer)")


def test_a_version_that_nothing_leads_on_from(lasting_url: str) -> None:
    with pytest.raises(StoreError, match="nothing leads on from there"):
        migrate(lasting_url, to_version=3)


def test_migrating_a_newer_store(lasting_url: str) -> None:
    with open_store(lasting_url) as store, store.transaction(write=True) as cursor:
        cursor.execute("UPDATE leadflow_meta SET value = '9' WHERE name = 'schema_version'")
    with pytest.raises(SchemaTooNew):
        migrate(lasting_url)


def test_migrating_where_no_store_is(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound):
        migrate(f"sqlite:///{tmp_path}/none.db")
    with pytest.raises(StoreNotFound):
        migrate("sqlite:///:memory:")
