"""Two SQLite libraries on one file in one process lose commits; leadflow's way does not.

POSIX locks belong to the process: closing a file by one library drops the locks of the
other. The first test shows the loss, so that the guard is known to be needed; should it
ever fail, the libraries have learnt to live together.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from uuid import uuid4

import pytest

from leadflow.errors import SecondLibrary
from leadflow.persistence import sqlite_guard
from leadflow.persistence.opening import open_store
from tests.contract.making import captured, record

# A commits A1. Something reads the file. B, another process, commits B and ends. A commits A2,
# B commits again, A commits A3. What is in the file then?
SCENE = """
    import sqlite3, subprocess, sys
    F = "f1.db"
    B = "import sqlite3; c = sqlite3.connect('f1.db');" + (
        " c.execute(\\"insert into t values ('B')\\"); c.commit(); c.close()")
    READ = '''
    import adbc_driver_sqlite.dbapi as adbc
    d = adbc.connect("file:f1.db"); cur = d.cursor()
    cur.execute("select count(*) from t"); print(cur.fetchone()[0]); cur.close(); d.close()
    '''
    a = sqlite3.connect(F, isolation_level=None)
    a.execute("pragma journal_mode=wal")
    a.execute("create table t(x)")
    a.execute("insert into t values ('A1')")
    {read}
    subprocess.run([sys.executable, "-c", B], check=True)
    a.execute("insert into t values ('A2')")
    subprocess.run([sys.executable, "-c", B], check=True)
    a.execute("insert into t values ('A3')")
    a.close()
    c = sqlite3.connect(F)
    print(c.execute("pragma integrity_check").fetchone()[0])
    print(c.execute("select group_concat(x) from t").fetchone()[0])
"""
IN_PROCESS = "import textwrap; exec(textwrap.dedent(READ))"
PLAIN_OPEN = "open(F, 'rb').close()"
IN_A_CHILD = (
    "import textwrap; subprocess.run([sys.executable, '-c', textwrap.dedent(READ)], check=True)"
)
NOTHING = "pass"


def play(folder: Path, read: str) -> list[str]:
    """What the scene prints at its end: the integrity check, and the rows."""
    done = subprocess.run(
        [sys.executable, "-c", dedent(SCENE).replace("{read}", read)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()[-2:]


@pytest.mark.parametrize("read", [IN_PROCESS, PLAIN_OPEN], ids=["second library", "plain open"])
def test_a_second_reader_in_the_process_loses_an_acknowledged_commit(
    tmp_path: Path, read: str
) -> None:
    integrity, rows = play(tmp_path, read)
    assert integrity == "ok"  # which makes it a silent loss
    assert rows != "A1,B,A2,B,A3"
    assert rows.count("B") < 2


@pytest.mark.parametrize("read", [NOTHING, IN_A_CHILD], ids=["nobody", "child process"])
def test_reading_in_a_child_process_loses_nothing(tmp_path: Path, read: str) -> None:
    assert play(tmp_path, read) == ["ok", "A1,B,A2,B,A3"]


# The same with a store: another process appends while this one's file is read.

STORE_SCENE = """
    import subprocess, sys, uuid
    from leadflow.persistence.opening import open_store
    from leadflow.persistence.verify import verify_log
    from tests.contract.making import captured, record
    from leadflow.errors import SecondLibrary
    URL = "sqlite:///{folder}/leads.db"
    OTHER = '''
    import uuid
    from leadflow.persistence.opening import open_store
    from tests.contract.making import captured, record
    with open_store("sqlite:///{folder}/leads.db") as store:
        record(store, captured(uuid.uuid4()))
    '''
    import textwrap
    OTHER = textwrap.dedent(OTHER)
    with open_store(URL, create=True) as store:
        record(store, captured(uuid.uuid4()))
        for what in (lambda: open("{folder}/leads.db", "rb").close(),
                     lambda: open("{folder}/leads.db-shm", "rb").close()):
            try:
                what()
            except SecondLibrary as error:
                print("refused:", error.message)
        subprocess.run([sys.executable, "-c", OTHER], check=True)
        record(store, captured(uuid.uuid4()))
        subprocess.run([sys.executable, "-c", OTHER], check=True)
        record(store, captured(uuid.uuid4()))
    with open_store(URL) as store:
        print(verify_log(store).position)
"""


def test_a_store_refuses_plain_opens_and_loses_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", dedent(STORE_SCENE).replace("{folder}", str(tmp_path))],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(" is open")[0] for line in lines[:2]] == [
        f"refused: {tmp_path}/leads.db",
        f"refused: {tmp_path}/leads.db-shm",
    ]
    assert lines[2:] == ["5"]


def test_the_guard_refuses_while_the_store_is_open_and_no_longer(tmp_path: Path) -> None:
    file = tmp_path / "leads.db"
    link = tmp_path / "link"
    link.symlink_to(file)
    sqlite_guard.refuse_in_process(file)
    with open_store(f"sqlite:///{file}", create=True) as store:
        record(store, captured(uuid4()))
        for path in (file, link, tmp_path / "." / "leads.db", tmp_path / "leads.db-shm"):
            with pytest.raises(SecondLibrary, match="second SQLite library"):
                sqlite_guard.refuse_in_process(path)
            with pytest.raises(SecondLibrary, match="plain open") as raised:
                path.read_bytes()
            assert raised.value.hint
        with pytest.raises(SecondLibrary):
            sqlite_guard.refuse_in_process(f"file:{file}?mode=ro")
        with open_store(f"sqlite:///{file}") as again:
            assert again.head().position == 1
        with pytest.raises(SecondLibrary):
            sqlite_guard.refuse_in_process(file)
    sqlite_guard.refuse_in_process(file)
    assert file.read_bytes()[:6] == b"SQLite"


def test_files_without_locks_stay_open_to_all(tmp_path: Path) -> None:
    file = tmp_path / "leads.db"
    with open_store(f"sqlite:///{file}", create=True) as store:
        record(store, captured(uuid4()))
        assert (tmp_path / "leads.db.key").read_bytes()
        assert (tmp_path / "leads.db-wal").read_bytes()
        (tmp_path / "leads.db.txt").write_text("notes")
        sqlite_guard.refuse_in_process(tmp_path / "other.db")
        sqlite_guard.refuse_in_process(tmp_path / "leads.db.key")
