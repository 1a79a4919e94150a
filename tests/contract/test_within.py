"""Recording inside a transaction of the caller's own: both commit, or neither does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from leadflow import Conflict, InvalidInput, Leadflow, Refused
from leadflow.errors import StoreError
from leadflow.persistence.verify import verify_log

PERSONAL = {"name": "Ada Example", "email": "ada@example.org"}


@pytest.fixture
def leads(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leadflow]:
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    with Leadflow.open(postgres_database, create=True, producer="shop") as opened:
        with psycopg.connect(postgres_database) as connection:
            connection.execute("CREATE TABLE orders (id text PRIMARY KEY)")
        yield opened


@pytest.fixture
def connection(leads: Leadflow, postgres_database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_database) as opened:
        yield opened


def orders(postgres_database: str) -> int:
    with psycopg.connect(postgres_database) as other:
        [(count,)] = other.execute("SELECT count(*) FROM orders").fetchall()
    return int(count)


def test_a_row_and_its_event_commit_together(
    leads: Leadflow, connection: psycopg.Connection, postgres_database: str
) -> None:
    connection.execute("INSERT INTO orders VALUES ('1')")
    recorded = leads.capture(
        "shop:1", source="fair", personal=PERSONAL, command_id="order-1", connection=connection
    )
    assert recorded.version == 1
    assert leads.store.head().position == 0, "nobody sees it before the commit"
    connection.commit()
    assert orders(postgres_database) == 1
    personal = leads.history("shop:1")[0].personal
    assert personal is not None
    assert personal.name == "Ada Example"
    assert leads.find("ada@example.org") == [recorded.lead_id]
    again = leads.capture("shop:1", source="fair", personal=PERSONAL, command_id="order-1")
    assert again.repeated
    verify_log(leads.store)


def test_rolled_back_there_is_neither(
    leads: Leadflow, connection: psycopg.Connection, postgres_database: str
) -> None:
    connection.execute("INSERT INTO orders VALUES ('1')")
    leads.capture("shop:1", personal=PERSONAL, command_id="c", connection=connection)
    connection.rollback()
    assert orders(postgres_database) == 0
    assert leads.store.head().position == 0
    leads.capture("shop:1", personal=PERSONAL, command_id="c", connection=connection)
    connection.commit()
    assert leads.history("shop:1")[0].personal is not None, "its key was recorded this time"
    assert leads.store.head().position == 2, "no position was burnt"


def test_what_came_before_in_the_transaction_is_seen(
    leads: Leadflow, connection: psycopg.Connection
) -> None:
    leads.capture("shop:1", personal=PERSONAL, connection=connection)
    leads.enrich("shop:1", dimensions={"size": "large"}, connection=connection)
    with leads.batch(connection=connection) as batch:
        batch.engage("shop:1", kind="trial_requested")
        batch.capture("shop:2")
    connection.commit()
    assert leads.get("shop:1").version >= 3
    assert leads.get("shop:2").version == 1
    verify_log(leads.store)


def test_a_refusal_leaves_the_transaction_usable(
    leads: Leadflow, connection: psycopg.Connection, postgres_database: str
) -> None:
    leads.capture("shop:1")
    connection.execute("INSERT INTO orders VALUES ('1')")
    with pytest.raises(Refused):
        leads.hand_over("shop:1", to_owner="ada", connection=connection)
    connection.commit()
    assert orders(postgres_database) == 1


def test_a_conflict_is_decided_anew_within_the_transaction(
    leads: Leadflow, connection: psycopg.Connection
) -> None:
    """Another writer holds the log's end while ours, begun before, waits for it."""
    leads.capture("shop:1")
    begun, done = Event(), Event()
    url_connection = leads.store.within(connection)  # begins the transaction
    assert url_connection.head().position == 2

    def other() -> None:
        begun.set()
        leads.engage("shop:1", kind="visit")
        done.set()

    thread = Thread(target=other)
    thread.start()
    begun.wait()
    thread.join()
    assert done.is_set()
    leads.engage("shop:1", kind="download", connection=connection)
    connection.commit()
    kinds = [getattr(event, "kind", "") for event in leads.history("shop:1")]
    assert {"visit", "download"} <= set(kinds)
    verify_log(leads.store)


def test_an_older_snapshot_is_said_to_be_one(
    leads: Leadflow, connection: psycopg.Connection
) -> None:
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.execute("SELECT count(*) FROM orders")
    leads.capture("shop:1")
    with pytest.raises(StoreError, match="after this transaction had begun"):
        leads.capture("shop:2", connection=connection)
    connection.rollback()
    leads.capture("shop:2", connection=connection)
    connection.commit()
    assert leads.get("shop:2").version == 1


def test_the_callers_row_factory_makes_no_difference(
    leads: Leadflow, postgres_database: str
) -> None:
    with psycopg.Connection[DictRow].connect(
        postgres_database, row_factory=dict_row, autocommit=True
    ) as connection:
        with connection.transaction():
            leads.capture("shop:1", personal=PERSONAL, connection=connection)
        with pytest.raises(InvalidInput, match="no open transaction"):
            leads.capture("shop:2", connection=connection)
    assert leads.get("shop:1").version == 1


def test_what_cannot_be_recorded_within_is_said(
    leads: Leadflow, connection: psycopg.Connection, tmp_path: Path, postgres_database: str
) -> None:
    with pytest.raises(InvalidInput, match="psycopg connection, not a str"):
        leads.capture("shop:1", connection=postgres_database)
    with pytest.raises(psycopg.Error):
        connection.execute("SELECT nothing")
    with pytest.raises(InvalidInput, match="has failed already"):
        leads.capture("shop:1", connection=connection)
    connection.close()
    with pytest.raises(InvalidInput, match="is closed"):
        leads.capture("shop:1", connection=connection)
    with (
        Leadflow.open(f"sqlite:///{tmp_path / 'x.db'}", create=True) as other,
        pytest.raises(InvalidInput, match="only a store in PostgreSQL"),
    ):
        other.capture("shop:1", connection=connection)
    with pytest.raises(InvalidInput, match="give its connection to"), leads.batch() as batch:
        batch.capture("shop:1", connection=connection)
    assert leads.store.head().position == 0


def test_a_lost_connection_is_not_taken_for_a_conflict(
    leads: Leadflow, connection: psycopg.Connection, postgres_database: str
) -> None:
    connection.execute("INSERT INTO orders VALUES ('1')")
    pid = connection.info.backend_pid
    with psycopg.connect(postgres_database, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(StoreError) as lost:
        leads.capture("shop:1", connection=connection)
    assert not isinstance(lost.value, Conflict)
    assert "whole transaction" in str(lost.value.hint)
    assert leads.store.head().position == 0
