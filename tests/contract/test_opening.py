"""Opening a SQLite store: what is wrong is said in one sentence, and nothing is left half made."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from leadflow.errors import (
    InvalidStoreURL,
    KeyUnavailable,
    LeadflowError,
    SchemaTooNew,
    StoreDamaged,
    StoreError,
    StoreNotFound,
)
from leadflow.persistence.master_key import key_text, new_key
from leadflow.persistence.opening import open_store
from leadflow.persistence.sqlite.store import SQLiteStore
from tests.contract.making import ADA, captured, record


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def made(file: Path) -> Path:
    """A store with one lead."""
    with open_store(url(file), create=True) as store:
        record(store, captured(uuid4()))
    return file


def refused(file: Path, kind: type[LeadflowError], **options: object) -> LeadflowError:
    """The error that opening raises; its message is one sentence, with a hint."""
    with pytest.raises(kind) as raised:
        open_store(url(file), **options)  # type: ignore[arg-type]
    assert type(raised.value) is kind
    assert "\n" not in raised.value.message
    assert raised.value.hint
    return raised.value


def test_no_store(sqlite_file: Path) -> None:
    error = refused(sqlite_file, StoreNotFound)
    assert error.message == f"no store at {sqlite_file}"
    assert "leadflow store init" in (error.hint or "")
    assert list(sqlite_file.parent.iterdir()) == []


def test_making_one(sqlite_file: Path) -> None:
    with open_store(url(sqlite_file), create=True) as store:
        assert store.url == url(sqlite_file)
        assert store.key_source.file == sqlite_file.with_name("leads.db.key")
    key_file = sqlite_file.with_name("leads.db.key")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert sorted(p.name for p in sqlite_file.parent.iterdir()) == ["leads.db", "leads.db.key"]
    before = key_file.read_bytes()
    open_store(url(sqlite_file), create=True).close()
    assert key_file.read_bytes() == before


def test_making_one_by_many_at_once(sqlite_file: Path) -> None:
    def make(_: int) -> None:
        with open_store(url(sqlite_file), create=True) as store:
            record(store, captured(uuid4()))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))
    with open_store(url(sqlite_file)) as store:
        read = [store.mapper.to_domain_event(event) for event in store.events_at(1, 9)]
        assert [event.personal for event in read] == [ADA] * 6  # type: ignore[attr-defined]
    assert sorted(p.name for p in sqlite_file.parent.iterdir()) == ["leads.db", "leads.db.key"]


def test_a_relative_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///a%20store%3F.db", create=True) as store:
        assert isinstance(store, SQLiteStore)
        assert store.path == tmp_path / "a store?.db"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "none" / "leads.db"
    assert "there is no folder" in refused(file, StoreError, create=True).message
    refused(file, StoreNotFound)


def test_a_folder_in_its_place(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path, StoreError).message
    assert "is a folder" in refused(tmp_path, StoreError, create=True).message


def test_an_empty_file(sqlite_file: Path) -> None:
    sqlite_file.touch()
    assert "empty" in refused(sqlite_file, StoreNotFound).message
    assert "empty" in refused(sqlite_file, StoreNotFound, create=True).message


def test_what_is_left_of_another_store(sqlite_file: Path) -> None:
    rest = sqlite_file.with_name("leads.db-wal")
    rest.write_bytes(b"frames")
    assert "is left of another" in refused(sqlite_file, StoreError, create=True).message
    assert list(sqlite_file.parent.iterdir()) == [rest]


def test_a_file_system_without_links(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_source: object, _target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    made(sqlite_file)
    assert sorted(p.name for p in sqlite_file.parent.iterdir()) == ["leads.db", "leads.db.key"]


def test_a_store_that_was_taken_out_of_wal_mode(sqlite_file: Path) -> None:
    made(sqlite_file)
    with closing(sqlite3.connect(sqlite_file)) as connection:
        assert connection.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with open_store(url(sqlite_file)) as store:
        record(store, captured(uuid4()))
        with store.transaction(write=False) as cursor:
            cursor.execute("SELECT position FROM log_head")
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_driver_that_is_not_installed() -> None:
    script = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from leadflow.persistence.opening import open_store\n"
        "open_store('postgresql://localhost/leads')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "leadflow.errors.StoreError: a PostgreSQL store needs the package psycopg, which is not"
        " installed"
    )


@pytest.mark.parametrize("create", [False, True])
def test_a_file_that_is_no_database(sqlite_file: Path, create: bool) -> None:
    content = b"date,amount\n" * 1000
    sqlite_file.write_bytes(content)
    assert "no SQLite database" in refused(sqlite_file, StoreDamaged, create=create).message
    assert sqlite_file.read_bytes() == content
    assert [p.name for p in sqlite_file.parent.iterdir()] == ["leads.db"]


@pytest.mark.parametrize(
    ("table", "said"), [("notes", "no leadflow store"), ("stored_events", "eventsourcing library")]
)
def test_a_database_of_someone_else(sqlite_file: Path, table: str, said: str) -> None:
    with closing(sqlite3.connect(sqlite_file)) as connection:
        connection.execute(f"CREATE TABLE {table} (x)")
    for create in (False, True):
        assert said in refused(sqlite_file, StoreError, create=create).message
    assert [p.name for p in sqlite_file.parent.iterdir()] == ["leads.db"]


def test_a_file_that_was_cut_off(sqlite_file: Path) -> None:
    made(sqlite_file)
    with sqlite_file.open("r+b") as stream:
        stream.truncate(5000)
    with pytest.raises(StoreDamaged, match="is damaged"):
        open_store(url(sqlite_file))


@pytest.mark.parametrize("version", ["3", "99"])
def test_a_newer_schema(sqlite_file: Path, version: str) -> None:
    made(sqlite_file)
    set_meta(sqlite_file, "schema_version", version)
    error = refused(sqlite_file, SchemaTooNew)
    assert f"schema version {version}" in error.message


def test_a_schema_version_that_is_none(sqlite_file: Path) -> None:
    made(sqlite_file)
    set_meta(sqlite_file, "schema_version", "two")
    with pytest.raises(StoreError, match="does not say which schema version"):
        open_store(url(sqlite_file))


def set_meta(file: Path, name: str, value: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE leadflow_meta SET value = ? WHERE name = ?", (value, name))
        connection.commit()


# The key


def test_a_key_file_that_is_missing(sqlite_file: Path) -> None:
    made(sqlite_file)
    key_file = sqlite_file.with_name("leads.db.key")
    key_file.unlink()
    error = refused(sqlite_file, KeyUnavailable)
    assert error.message == f"the key file {key_file} is missing"
    error = refused(sqlite_file, KeyUnavailable, create=True)
    assert not key_file.exists()


@pytest.mark.parametrize(
    "content", [b"", b"secret\n", b"\xff\xfe\x00", b"a" * 64 + b"g", b"A" * 9999]
)
def test_a_malformed_key_file(sqlite_file: Path, content: bytes) -> None:
    made(sqlite_file).with_name("leads.db.key").write_bytes(content)
    assert "holds no key" in refused(sqlite_file, KeyUnavailable).message


def test_a_key_of_another_store(sqlite_file: Path) -> None:
    made(sqlite_file).with_name("leads.db.key").write_text(key_text(new_key()))
    assert "is the key of another store" in refused(sqlite_file, KeyUnavailable).message
    assert (
        "is the key of another store"
        in refused(sqlite_file, KeyUnavailable, key=new_key().hex()).message
    )


@pytest.mark.usefixtures("ordinary_user")
def test_a_key_file_that_cannot_be_read(shared_folder: Path) -> None:
    file = made(shared_folder / "leads.db")
    file.with_name("leads.db.key").chmod(0)
    assert "cannot be read by this user" in refused(file, KeyUnavailable).message


def test_a_folder_as_key_file(sqlite_file: Path, tmp_path: Path) -> None:
    made(sqlite_file)
    assert "cannot be read" in refused(sqlite_file, KeyUnavailable, key_file=tmp_path).message


def test_two_keys_at_once(sqlite_file: Path, tmp_path: Path) -> None:
    refused(sqlite_file, KeyUnavailable, key="x", key_file=tmp_path / "key")


def test_keys_from_argument_file_and_environment(
    sqlite_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(key_text(key) + "\n")
    with open_store(url(sqlite_file), create=True, key=key.hex().upper()) as store:
        record(store, captured(uuid4()))
        assert key.hex() not in repr(store.key_source).lower()
    assert not sqlite_file.with_name("leads.db.key").exists()
    open_store(url(sqlite_file), key_file=elsewhere).close()
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(elsewhere))
    open_store(url(sqlite_file)).close()
    monkeypatch.setenv("LEADFLOW_KEY", "nonsense")
    assert "the variable LEADFLOW_KEY" in refused(sqlite_file, KeyUnavailable).message
    monkeypatch.setenv("LEADFLOW_KEY", key_text(key))
    open_store(url(sqlite_file)).close()


def test_a_named_key_file_is_made_with_the_store(sqlite_file: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "keys.txt"
    open_store(url(sqlite_file), create=True, key_file=key_file).close()
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    open_store(url(sqlite_file), key_file=key_file).close()


def test_a_named_key_that_is_malformed_leaves_no_store(sqlite_file: Path) -> None:
    refused(sqlite_file, KeyUnavailable, create=True, key="nonsense")
    assert list(sqlite_file.parent.iterdir()) == []


def test_a_key_file_that_cannot_be_made_leaves_no_store(sqlite_file: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none" / "key"
    assert (
        "cannot be made"
        in refused(sqlite_file, KeyUnavailable, create=True, key_file=missing).message
    )
    assert list(sqlite_file.parent.iterdir()) == []


# Copies


@pytest.mark.parametrize("move", [shutil.copy2, shutil.move])
def test_a_store_copied_or_renamed_with_the_files_that_begin_with_its_name(
    sqlite_file: Path, tmp_path: Path, move: Callable[[Path, Path], object]
) -> None:
    made(sqlite_file)
    other = tmp_path / "other"
    other.mkdir()
    for file in sqlite_file.parent.glob("leads.db*"):
        move(file, other / file.name.replace("leads.db", "sales.sqlite"))
    with open_store(url(other / "sales.sqlite")) as store:
        event = store.mapper.to_domain_event(store.events_at(1, 1)[0])
        assert event.personal == ADA  # type: ignore[attr-defined]


def test_a_copy_taken_while_the_log_lies_beside_it(sqlite_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with open_store(url(sqlite_file), create=True) as store:
        record(store, captured(uuid4()))
        _copy_in_another_process(sqlite_file, other)
    with open_store(url(other / "leads.db")) as store:
        assert store.head().position == 1


def _copy_in_another_process(file: Path, folder: Path) -> None:
    files = [str(p) for p in file.parent.glob("leads.db*") if not p.name.endswith("-shm")]
    subprocess.run(["cp", *files, str(folder)], check=True)


def test_a_link_to_a_store(sqlite_file: Path, tmp_path: Path) -> None:
    made(sqlite_file)
    link = tmp_path / "link.db"
    link.symlink_to(sqlite_file)
    with open_store(url(link)) as store:
        assert store.key_source.file == sqlite_file.with_name("leads.db.key")


def test_stores_in_memory_are_apart() -> None:
    with open_store("sqlite:///:memory:") as one, open_store("sqlite:///:memory:") as two:
        record(one, captured(uuid4()))
        assert (one.head().position, two.head().position) == (1, 0)


def test_urls_are_checked_first() -> None:
    with pytest.raises(InvalidStoreURL):
        open_store("leads.db")
