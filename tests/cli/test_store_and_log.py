"""`leadflow store`, `leadflow log` and `leadflow doctor`, and stores that are not well."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run

DATABASE = Path("leads.db")
KEY = Path("leads.db.key")
READING = (
    ["lead", "show", "shop:4711"],
    ["lead", "history", "shop:4711"],
    ["policy", "show"],
    ["log", "stats"],
    ["log", "verify"],
    ["log", "export", "-"],
    ["store", "info"],
)


def change(sql: str, *values: object) -> None:
    """Alter the database by hand."""
    connection = sqlite3.connect(DATABASE)
    with connection:
        connection.execute(sql, values)
    connection.close()


def test_init_says_where_the_key_is(leadflow: Run) -> None:
    ran = leadflow("store", "init")
    assert ran.code == 0
    assert "leads.db.key" in ran.out
    assert KEY.stat().st_mode & 0o777 == 0o600
    again = leadflow("store", "init", "--json")
    assert (again.code, again.json["created"]) == (0, False)


def test_info(leadflow: Run, ada: str) -> None:
    facts = leadflow("store", "info", "--json").json
    assert facts["url"] == "sqlite:///leads.db"
    assert facts["leads"] == 1
    assert facts["last_position"] == 5
    assert facts["bytes"] > 0
    assert "schema version" in leadflow("store", "info").out


def test_stats(leadflow: Run, ada: str) -> None:
    stats = leadflow("log", "stats", "--json").json
    assert stats["by_type"] == {
        "lead.captured": 1,
        "lead.engaged": 1,
        "lead.qualified": 1,
        "lead.scored": 1,
        "policy.activated": 1,
    }
    assert (stats["events"], stats["leads"], stats["last_position"]) == (5, 1, 5)


def test_an_empty_store(leadflow: Run) -> None:
    leadflow("store", "init")
    stats = leadflow("log", "stats", "--json").json
    assert (stats["events"], stats["last_position"], stats["by_type"]) == (0, 0, {})
    assert leadflow("log", "stats").code == 0
    assert leadflow("log", "verify").code == 0
    assert leadflow("log", "export", "-").out == ""
    assert leadflow("policy", "history", "--json").json == []
    assert load_default(leadflow)


def load_default(leadflow: Run) -> bool:
    return bool(leadflow("policy", "show", "--json").json["default"])


@pytest.mark.parametrize(
    ("sql", "position"),
    [
        ("UPDATE stored_events SET state = replace(state, 'paid', 'said') WHERE position = 2", 2),
        ("UPDATE stored_events SET recorded_at = recorded_at + 1 WHERE position = 3", 3),
        ("DELETE FROM stored_events WHERE position = 3", 3),
        ("DELETE FROM stored_events WHERE position = 5", 5),
    ],
)
def test_verify_names_the_first_difference(
    leadflow: Run, ada: str, sql: str, position: int
) -> None:
    assert leadflow("log", "verify", "--json").json["ok"] is True
    change(
        sql.replace("replace(state,", "CAST(replace(CAST(state AS TEXT),").replace(
            "'said')", "'said') AS BLOB)"
        )
    )
    ran = leadflow("log", "verify", "--json")
    assert ran.code == 3
    assert (ran.json["ok"], ran.json["position"]) == (False, position)
    text = leadflow("log", "verify")
    assert text.code == 3
    assert f"position {position}" in text.out


def test_doctor_finds_a_log_that_lost_its_end(leadflow: Run, ada: str) -> None:
    well = leadflow("doctor", "--json")
    assert (well.code, well.json["ok"]) == (0, True)
    change("DELETE FROM stored_events WHERE position = 5")
    ran = leadflow("doctor", "--json")
    assert (ran.code, ran.json["ok"]) == (3, False)
    assert [c["name"] for c in ran.json["checks"] if c["verdict"] == "wrong"] == ["log"]


def test_doctor_warns_of_a_key_that_others_can_read(leadflow: Run, ada: str) -> None:
    KEY.chmod(0o644)
    ran = leadflow("doctor")
    assert ran.code == 0
    assert "can be read by others than its owner" in ran.out
    assert "chmod 600" in ran.out


def test_doctor_without_a_store(leadflow: Run) -> None:
    ran = leadflow("doctor", "--json")
    assert ran.code == 1
    wrong = [c for c in ran.json["checks"] if c["verdict"] == "wrong"]
    assert "no store at" in wrong[0]["says"]


def test_export_to_a_file_and_to_stdout(leadflow: Run, ada: str) -> None:
    to_stdout = leadflow("log", "export", "--format", "jsonl", "-")
    assert "5 events written" in to_stdout.err
    to_file = leadflow("log", "export", "events.jsonl", "--json")
    assert to_file.json["events"] == 5
    assert Path("events.jsonl").read_text() == to_stdout.out
    events = [json.loads(line) for line in to_stdout.out.splitlines()]
    assert [event["position"] for event in events] == [1, 2, 3, 4, 5]
    assert all(event["specversion"] == "1.0" for event in events)
    captured = events[1]
    assert captured["type"] == "lead.captured"
    assert "personal" not in captured["data"]
    personal = leadflow("log", "export", "--with-personal", "-q", "-")
    assert personal.err == ""
    assert json.loads(personal.out.splitlines()[1])["data"]["personal"]["name"] == "Ada Example"


def test_a_failed_export_leaves_no_file(leadflow: Run, ada: str, elsewhere: Path) -> None:
    change("UPDATE stored_events SET topic = 'lead.unheard' WHERE position = 4")
    before = set(elsewhere.iterdir())
    ran = leadflow("log", "export", "events.jsonl", "--json")
    assert (ran.code, ran.error["code"]) == (1, "log_corrupt")
    assert set(elsewhere.iterdir()) == before
    assert leadflow("log", "export", "nowhere/events.jsonl").code == 1


def test_backup_is_a_store(leadflow: Run, ada: str) -> None:
    ran = leadflow("store", "backup", "copy.db", "--json")
    assert ran.code == 0, ran.err
    copy = ("--store", "sqlite:///copy.db")
    assert leadflow("log", "verify", *copy).code == 0
    shown = leadflow("lead", "show", ada, "--json", *copy).json
    assert shown["personal"]["name"] == "Ada Example"
    assert leadflow("store", "backup", "copy.db").code == 1


def test_migrate_has_nothing_to_do(leadflow: Run, ada: str) -> None:
    ran = leadflow("store", "migrate", "--json")
    assert ran.code == 0, ran.err


def no_key() -> None:
    KEY.unlink()


def malformed_key() -> None:
    KEY.write_text("no key at all")


def other_key() -> None:
    KEY.write_text("A" * 43 + "=")


def newer_schema() -> None:
    change("UPDATE leadflow_meta SET value = '999' WHERE name = 'schema_version'")


def no_database() -> None:
    DATABASE.write_bytes(b"id,name\n1,Ada\n" * 100)


def another_database() -> None:
    DATABASE.unlink()
    connection = sqlite3.connect(DATABASE)
    connection.execute("CREATE TABLE customers (id INTEGER)")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "codes"),
    [
        (no_key, {"key_unavailable"}),
        (malformed_key, {"key_unavailable"}),
        (other_key, {"key_unavailable"}),
        (newer_schema, {"schema_too_new"}),
        (no_database, {"store_damaged", "store_error", "store_not_found"}),
        (another_database, {"store_damaged", "store_error", "store_not_found"}),
    ],
)
def test_a_store_that_cannot_be_used_is_named(
    leadflow: Run, ada: str, spoil: Callable[[], None], codes: set[str]
) -> None:
    for leftover in Path().glob("leads.db-*"):
        leftover.unlink()
    spoil()
    for words in (*READING, ["lead", "engage", ada, "--kind", "visit"]):
        ran = leadflow(*words, "--json")
        assert (ran.code, ran.out) == (1, ""), words
        assert ran.error["code"] in codes, (words, ran.err)
        assert "leads.db" in ran.error["message"]
        assert ran.error["hint"]


@pytest.mark.parametrize("url", ["mysql://x/y", "leads.db", "sqlite://leads.db", "sqlite:///", ""])
def test_a_url_of_no_store(leadflow: Run, url: str) -> None:
    ran = leadflow("log", "stats", "--store", url, "--json")
    assert (ran.code, ran.out) == (2, "")
    assert ran.error["code"] == "invalid_store_url"
    assert ran.error["hint"]


def test_a_url_never_shows_its_password(leadflow: Run) -> None:
    url = "postgresql://ada:s3cret@127.0.0.1:1/leads"
    ran = leadflow("log", "stats", "--store", url)
    assert ran.code == 1
    assert "s3cret" not in ran.out + ran.err
    assert "can be seen by everybody" in ran.err


def test_reading_works_where_nothing_can_be_written(process: Run, ada: str) -> None:
    folder = Path.cwd()
    modes = {path: path.stat().st_mode for path in (*folder.iterdir(), folder)}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        for words in READING:
            ran = process(*words, as_anybody=True)
            assert ran.code == 0, (words, ran.err)
        written = process(*("lead", "engage", ada, "--kind", "visit", "--json"), as_anybody=True)
        assert (written.code, written.error["code"]) == (1, "store_read_only")
        board = process("board", "--json", as_anybody=True)
        assert (board.code, board.error["code"]) == (1, "projection_missing")
    finally:
        for path, mode in reversed(modes.items()):
            path.chmod(mode)


def test_a_board_that_cannot_catch_up_says_how_far_it_is_behind(process: Run, ada: str) -> None:
    assert process("board", "-q").code == 0
    assert process("lead", "lose", ada, "--reason", "silence").code == 0
    Path.cwd().chmod(0o555)
    try:
        ran = process("board", "--json", as_anybody=True)
    finally:
        Path.cwd().chmod(0o755)
    assert ran.code == 0
    assert [row["stage"] for row in ran.json] == ["captured"]
    assert "1 event behind" in json.loads(ran.err)["warning"]["message"]


def test_a_locked_store_says_so(process: Run, ada: str) -> None:
    connection = sqlite3.connect(DATABASE, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        read = process("lead", "show", ada)
        assert read.code == 0
        written = process("lead", "engage", ada, "--kind", "visit", "--json")
    finally:
        connection.execute("ROLLBACK")
        connection.close()
    assert (written.code, written.error["code"]) == (1, "store_locked")
    assert process("lead", "engage", ada, "--kind", "visit").code == 0


def test_the_same_commands_on_postgresql(leadflow: Run, postgres_database: str) -> None:
    store = ("--store", postgres_database)
    Path("leadflow.toml").write_text('key_file = "pg.key"\n')
    made = leadflow("store", "init", *store)
    assert made.code == 0, made.err
    capture = ("lead", "capture", "--id", "shop:1", "--name", "Ada Example")
    assert leadflow(*capture, *store).code == 0
    shown = leadflow("lead", "show", "shop:1", "--json", *store)
    assert shown.json["personal"]["name"] == "Ada Example"
    assert leadflow("log", "stats", "--json", *store).json["leads"] == 1
    assert leadflow("log", "verify", *store).code == 0
    assert leadflow("doctor", *store).code == 0
    assert leadflow("lead", "make-sales-ready", "shop:1", "--override", *store).code == 0
    assert len(leadflow("board", "--json", *store).json) == 1
    assert len(leadflow("queue", "list", "--json", *store).json) == 1
    assert leadflow("queue", "claim", "--owner", "grace", *store).code == 0
    assert leadflow("projections", "rebuild", *store).code == 0
    policy = leadflow("policy", "show", *store).out.replace("hot = 70", "hot = 60")
    Path("other.toml").write_text(policy)
    assert leadflow("policy", "activate", "other.toml", "--yes", *store).code == 0
    backup = leadflow("store", "backup", "copy.db", *store)
    assert backup.code == 1
    assert "pg_dump" in backup.err
