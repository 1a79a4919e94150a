"""A store that cannot be written: locked, read-only, or without room."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from leadflow.errors import StoreError, StoreFull, StoreLocked, StoreReadOnly
from leadflow.persistence.opening import open_store
from leadflow.persistence.sqlite.store import SQLiteStore
from leadflow.persistence.store import Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import captured, history, positions, record, record_histories


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def test_a_store_locked_by_another_connection(lasting_url: str) -> None:
    with (
        open_store(lasting_url) as holder,
        open_store(lasting_url, lock_timeout=0.2) as store,
    ):
        record(store, captured(uuid4()))
        with holder.transaction(write=True) as cursor:
            cursor.execute("UPDATE log_head SET position = position")
            with pytest.raises(StoreLocked, match="is locked") as raised:
                record(store, captured(uuid4()))
            assert raised.value.hint
            assert store.head().position == 1  # reading is not locked
        record(store, captured(uuid4()))
        assert positions(store) == [1, 2]


def test_the_process_that_holds_the_lock_is_named(sqlite_file: Path) -> None:
    import subprocess
    import sys

    open_store(url(sqlite_file), create=True).close()
    script = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.read()"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", script, str(sqlite_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder,
        open_store(url(sqlite_file), lock_timeout=0.2) as store,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreLocked) as raised:
            record(store, captured(uuid4()))
        if Path("/proc/locks").exists():
            assert f"process {holder.pid} (" in raised.value.message
        holder.communicate()
        record(store, captured(uuid4()))


def test_a_thread_that_holds_the_lock_is_named(sqlite_file: Path) -> None:
    with open_store(url(sqlite_file), create=True, lock_timeout=0.2) as store:
        with store.transaction(write=True), ThreadPoolExecutor(1) as pool:
            writing = pool.submit(record, store, captured(uuid4()))
            with pytest.raises(StoreLocked, match="another thread of this process"):
                writing.result()
        record(store, captured(uuid4()))


def test_writers_wait_for_a_lock_that_is_let_go(lasting_url: str) -> None:
    with open_store(lasting_url) as holder, open_store(lasting_url) as store:
        entered, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with holder.transaction(write=True) as cursor:
                cursor.execute("UPDATE log_head SET position = position")
                entered.set()
                leave.wait(30)

        with ThreadPoolExecutor(2) as pool:
            holding = pool.submit(hold)
            entered.wait(30)
            writing = pool.submit(record, store, captured(uuid4()))
            leave.set()
            holding.result()
            assert writing.result().first_position == 1


def test_a_write_transaction_within_another_is_refused(sqlite_file: Path) -> None:
    with open_store(url(sqlite_file), create=True) as store:
        with store.transaction(write=True), pytest.raises(StoreError, match="open in this thread"):
            record(store, captured(uuid4()))
        record(store, captured(uuid4()))


# Read-only. What file modes forbid binds an ordinary user only.


@pytest.fixture
def read_only_store(ordinary_user: None, shared_folder: Path) -> Iterator[Path]:
    """A store with three events in a folder where nothing can be written."""
    file = shared_folder / "leads.db"
    with open_store(url(file), create=True) as store:
        record_histories(store, 1)
    _forbid(shared_folder)
    yield file
    shared_folder.chmod(0o777)


def _forbid(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(0o444)
    folder.chmod(0o555)


def test_reading_from_a_read_only_folder(read_only_store: Path) -> None:
    with open_store(url(read_only_store), must_write=False) as store:
        assert store.head().position == 3
        assert len(store.load(_lead(store))) == 3
        assert isinstance(verify_log(store), Verified)
        with pytest.raises(StoreReadOnly):
            record(store, captured(uuid4()))
        with pytest.raises(StoreReadOnly), store.transaction(write=True):
            pass


def _lead(store: Store) -> UUID:
    lead = store.events_at(1, 1)[0].originator_id
    assert isinstance(lead, UUID)
    return lead


def test_writing_into_a_read_only_folder(read_only_store: Path) -> None:
    with pytest.raises(StoreReadOnly, match="cannot be written") as raised:
        open_store(url(read_only_store))
    assert raised.value.hint


def test_a_read_only_file_in_a_folder_that_can_be_written(
    ordinary_user: None, shared_folder: Path
) -> None:
    file = shared_folder / "leads.db"
    with open_store(url(file), create=True) as store:
        record_histories(store, 1)
    file.chmod(0o444)
    with pytest.raises(StoreReadOnly):
        open_store(url(file))
    with open_store(url(file), must_write=False) as store:
        assert store.head().position == 3


def test_a_read_only_store_with_a_part_in_its_log(ordinary_user: None, shared_folder: Path) -> None:
    import subprocess

    origin = shared_folder / "origin.db"
    folder = shared_folder / "copy"
    folder.mkdir()
    with open_store(url(origin), create=True) as store:
        record_histories(store, 2)
        for suffix in ("", "-wal", ".key"):
            subprocess.run(["cp", f"{origin}{suffix}", f"{folder}/leads.db{suffix}"], check=True)
    _forbid(folder)
    try:
        with pytest.raises(StoreReadOnly, match="write-ahead log"):
            open_store(url(folder / "leads.db"), must_write=False)
    finally:
        folder.chmod(0o777)
    for file in folder.iterdir():
        file.chmod(0o666)
    with open_store(url(folder / "leads.db"), must_write=False) as store:
        assert store.head().position == 6


def test_making_a_store_in_a_read_only_folder(ordinary_user: None, shared_folder: Path) -> None:
    shared_folder.chmod(0o555)
    with pytest.raises(StoreReadOnly, match="this user cannot write into"):
        open_store(url(shared_folder / "leads.db"), create=True)
    shared_folder.chmod(0o777)
    assert list(shared_folder.iterdir()) == []


def test_a_store_that_this_user_may_not_read(ordinary_user: None, shared_folder: Path) -> None:
    file = shared_folder / "leads.db"
    open_store(url(file), create=True).close()
    file.chmod(0)
    with pytest.raises(StoreError, match="cannot be read by this user"):
        open_store(url(file), must_write=False)


# No room


def test_a_full_disk(sqlite_file: Path) -> None:
    """SQLite's own limit on a file's pages gives the error of a full disk."""
    with open_store(url(sqlite_file), create=True) as store:
        assert isinstance(store, SQLiteStore)
        before = record(store, *history(uuid4(), 3))
        with store.connections.writing() as connection:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreFull, match="no room left"):
            record_histories(store, 50, 20)
        full_at = store.head().position
        with store.connections.writing() as connection:
            connection.execute("PRAGMA max_page_count = 1000000")
        assert record(store, captured(uuid4())).first_position == full_at + 1
        assert full_at >= before.first_position
        assert isinstance(verify_log(store), Verified)


def test_a_disk_that_is_full_while_the_store_is_made(sqlite_file: Path) -> None:
    """A limit on file sizes, in a process of its own, fails the write half way."""
    import subprocess
    import sys

    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from leadflow.persistence.opening import open_store;"
        "open_store(sys.argv[1], create=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, url(sqlite_file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("leadflow.errors.Store"), done.stderr
    assert list(sqlite_file.parent.iterdir()) == []


def test_nothing_is_left_open(sqlite_file: Path) -> None:
    """A store closed leaves no write-ahead log: the last connection has moved it into the file."""
    store = open_store(url(sqlite_file), create=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: record_histories(store, 3), range(4)))
    store.close()
    assert sorted(p.name for p in sqlite_file.parent.iterdir()) == ["leads.db", "leads.db.key"]
    with closing(sqlite3.connect(sqlite_file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
