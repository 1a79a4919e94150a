"""Opening a store in PostgreSQL: what is wrong is said in one sentence, without a password."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest

from leadflow.errors import (
    KeyUnavailable,
    LeadflowError,
    SchemaTooNew,
    StoreError,
    StoreNotFound,
    StoreReadOnly,
    StoreUnreachable,
)
from leadflow.persistence.master_key import key_text, new_key
from leadflow.persistence.opening import open_store
from tests.contract.making import captured, record, record_histories

pytestmark = pytest.mark.postgres

PASSWORD = "s3cret"


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    for variable in ("LEADFLOW_KEY", "LEADFLOW_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    return key_text(new_key())


@pytest.fixture
def made(postgres_database: str, key: str) -> str:
    with open_store(postgres_database, create=True, key=key) as store:
        record_histories(store, 1)
    return postgres_database


def with_(url: str, **parts: str) -> str:
    """The URL with another user, host or path."""
    split = urlsplit(url)
    user, _, host = split.netloc.rpartition("@")
    netloc = f"{parts.get('user', user)}@{parts.get('host', host)}"
    return urlunsplit(split._replace(netloc=netloc, path=parts.get("path", split.path)))


def refused(url: str, kind: type[LeadflowError], **options: object) -> LeadflowError:
    with pytest.raises(kind) as raised:
        open_store(url, **options)  # type: ignore[arg-type]
    error = raised.value
    assert type(error) is kind
    assert "\n" not in error.message
    assert error.hint
    password = urlsplit(url).password
    assert password is None or password not in error.message + error.hint
    return error


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_no_store(postgres_database: str, key: str) -> None:
    assert "no store at" in refused(postgres_database, StoreNotFound, key=key).message
    assert "no store at" in refused(postgres_database, StoreNotFound).message


def test_a_server_that_is_not_there(key: str) -> None:
    url = f"postgresql://ada:{PASSWORD}@127.0.0.1:1/leads"
    assert "cannot be reached" in refused(url, StoreUnreachable, key=key).message
    refused(f"postgresql://ada:{PASSWORD}@no-such-host.invalid/leads", StoreUnreachable, key=key)


def test_a_wrong_password(made: str, key: str) -> None:
    user = urlsplit(made).username
    error = refused(with_(made, user=f"{user}:{PASSWORD}"), StoreUnreachable, key=key)
    assert "password is wrong or missing" in error.message


def test_an_unknown_user(made: str, key: str) -> None:
    refused(with_(made, user=f"nobody_here:{PASSWORD}"), StoreUnreachable, key=key)


def test_a_database_that_is_missing(made: str, key: str) -> None:
    error = refused(with_(made, path="/no_such_database"), StoreNotFound, key=key)
    assert "the server has no database 'no_such_database'" in error.message


def test_no_key(made: str, postgres_database: str) -> None:
    assert "no key is given" in refused(made, KeyUnavailable).message


def test_making_one_without_a_key_makes_nothing(postgres_database: str, key: str) -> None:
    refused(postgres_database, KeyUnavailable, create=True)
    refused(postgres_database, KeyUnavailable, create=True, key="nonsense")
    refused(postgres_database, KeyUnavailable, create=True, key_file=Path("/no/such/folder/key"))
    with psycopg.connect(postgres_database) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(query).fetchone() == (0,)


def test_a_key_file_is_made_with_the_store(
    postgres_database: str, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "leads.key"
    refused(postgres_database, StoreNotFound, key_file=file)
    assert not file.exists()
    open_store(postgres_database, create=True, key_file=file).close()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    open_store(postgres_database, key_file=file).close()
    file.unlink()
    refused(postgres_database, KeyUnavailable, create=True, key_file=file)
    assert not file.exists()


def test_a_key_of_another_store(made: str) -> None:
    error = refused(made, KeyUnavailable, key=key_text(new_key()))
    assert "is the key of another store" in error.message


def test_making_one_by_many_at_once(postgres_database: str, key: str, tmp_path: Path) -> None:
    def make(_: int) -> None:
        with open_store(postgres_database, create=True, key_file=tmp_path / "key") as store:
            record(store, captured(uuid4()))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(make, range(6)))
    with open_store(postgres_database, key_file=tmp_path / "key") as store:
        assert store.head().position == 6


def test_a_newer_schema(made: str, key: str) -> None:
    run(made, "UPDATE leadflow_meta SET value = '7' WHERE name = 'schema_version'")
    assert "schema version 7" in refused(made, SchemaTooNew, key=key).message


def test_a_table_of_the_eventsourcing_library(postgres_database: str, key: str) -> None:
    run(postgres_database, "CREATE TABLE stored_events (notification_id bigserial)")
    for create in (False, True):
        error = refused(postgres_database, StoreError, key=key, create=create)
        assert "no leadflow store" in error.message


def test_a_store_in_a_schema_of_its_own(postgres_database: str, key: str) -> None:
    run(postgres_database, "CREATE SCHEMA sales", "CREATE TABLE stored_events (x int)")
    url = f"{postgres_database}?options=-csearch_path%3Dsales"
    with open_store(url, create=True, key=key) as store:
        record_histories(store, 1)
    run(postgres_database, "DROP TABLE stored_events")
    refused(postgres_database, StoreNotFound, key=key)
    with open_store(url, key=key) as store:
        assert store.head().position == 3


def test_a_role_that_may_only_read(made: str, key: str) -> None:
    role = f"reader_{uuid4().hex}"
    run(
        made,
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
    )
    url = with_(made, user=f"{role}:{PASSWORD}")
    try:
        error = refused(url, StoreReadOnly, key=key)
        assert f"user {role} may only read it" in error.message
        with open_store(url, key=key, must_write=False) as store:
            assert len(store.page(after=0, limit=9).events) == 3
            assert store.url == with_(made, user=role)
            with pytest.raises(StoreReadOnly, match="permission denied"):
                record(store, captured(uuid4()))
            store.wait(after=0, timeout=0.1)
    finally:
        run(made, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


def test_a_session_that_is_read_only(made: str, key: str) -> None:
    url = f"{made}?options=-cdefault_transaction_read_only%3Don"
    assert "the session is read-only" in refused(url, StoreReadOnly, key=key).message
    with (
        open_store(url, key=key, must_write=False) as store,
        pytest.raises(StoreReadOnly, match="read-only transaction"),
    ):
        record(store, captured(uuid4()))


def test_commits_wait_for_the_disk_whatever_the_role_is_set_to(made: str, key: str) -> None:
    url = f"{made}?options=-csynchronous_commit%3Doff"
    with open_store(url, key=key) as store, store.transaction(write=False) as cursor:
        cursor.execute("SHOW synchronous_commit")
        assert cursor.fetchone() == ("on",)
