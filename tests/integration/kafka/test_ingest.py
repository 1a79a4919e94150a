"""Ingest against a real broker: each message once, in order, from where the database says."""

from __future__ import annotations

import logging
import signal
from datetime import timedelta
from threading import Event

import pytest

from leadflow import Leadflow
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import BrokerUnreachable, TopicMissing
from leadflow.kafka.ingest import Options, run
from leadflow.kafka.intake import Terms
from leadflow.kafka.worker_lock import WorkerRunning
from leadflow.persistence.inbox import OffsetMove
from leadflow.persistence.inbox_tables import (
    count_held,
    dead_letters,
    offsets,
    skip_to,
)
from leadflow.persistence.opening import open_store
from tests.integration.kafka.inboxes import (
    Topic,
    assets,
    captured,
    fact,
    read_up_to,
    until_true,
    visit,
    worker,
)


def test_each_message_is_recorded_once_and_in_order(topic: Topic, url: str) -> None:
    leads = [f"shop:{n}" for n in range(20)]
    topic.send(*(captured(lead) for lead in leads))
    topic.send(*(visit(lead, str(n)) for n in range(10) for lead in leads))
    done = topic.ingest(url, most=64)
    assert (done.recorded, done.buried) == (220, 0)
    with open_store(url) as store:
        assert store.head().position == 221
        assert assets(store, leads) == {lead: [str(n) for n in range(10)] for lead in leads}
        assert sum(read_up_to(store).values()) == 220
        assert topic.committed(topic.name) == read_up_to(store)
    assert topic.ingest(url).recorded == 0


def test_both_content_modes_and_none(topic: Topic, url: str) -> None:
    binary = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"7"),
        ("ce_source", b"shop/web"),
        ("ce_type", b"lead.engaged"),
        ("ce_subject", b"shop:1"),
        ("content-type", b"application/json"),
    ]
    structured = [("content-type", b"Application/CloudEvents+JSON; charset=utf-8")]
    topic.send(captured("shop:1"), headers=structured)
    topic.send(b'{"kind":"visit","asset":"binary"}', headers=binary, key=b"shop:1")
    topic.send(visit("shop:1", "none"))
    assert topic.ingest(url).recorded == 3
    with open_store(url) as store:
        assert assets(store, ["shop:1"]) == {"shop:1": ["binary", "none"]}


def test_it_reads_from_where_the_database_says_not_kafka(topic: Topic, url: str) -> None:
    topic.partitions = 2
    topic.send(*(captured(f"shop:{n}") for n in range(10)), partition=0)
    topic.ingest(url)
    with open_store(url) as store:
        row = next(row for row in offsets(store) if row.partition == 0)
        back = OffsetMove(row.topic, 0, row.topic_id, row.holder, row.next_offset, 4)
        skip_to(store, back)
    done = topic.ingest(url)
    assert (done.recorded, done.repeated) == (0, 6)


def test_dead_letters_go_to_their_topic_byte_for_byte(topic: Topic, url: str) -> None:
    value = b'{"no": "event", \xff\x00'
    topic.send(
        value, headers=[("trace", b"\x01\xff"), ("content-type", b"text/plain")], key=b"k\xff"
    )
    topic.send(captured("shop:1"))
    done = topic.ingest(url)
    assert (done.recorded, done.buried) == (1, 1)
    (record,) = topic.letters(1)
    assert (record.value, record.key) == (value, b"k\xff")
    assert record.headers[:2] == [("trace", b"\x01\xff"), ("content-type", b"text/plain")]
    added = {name: text.decode() for name, text in record.headers[2:]}
    assert added["__connect.errors.topic"] == topic.name
    assert added["__connect.errors.offset"] == "0"
    assert added["__connect.errors.stage"] == "VALUE_CONVERTER"
    assert added["__connect.errors.exception.message"].startswith("value: no JSON")
    assert (added["leadflow.reason"], added["leadflow.attempt"]) == ("invalid", "1")
    with open_store(url) as store:
        (row,) = dead_letters(store)
        assert row.published
        assert added["leadflow.letter-id"] == str(row.letter_id)


def test_letters_are_kept_while_their_topic_takes_none(
    topic: Topic, sqlite_store: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = sqlite_store
    topic.send(b"garbage", captured("shop:1"))
    done = topic.ingest(url, letters_topic=f"{topic.name}.missing")
    assert (done.recorded, done.buried) == (1, 1)
    with open_store(url) as store:
        assert [row.published for row in dead_letters(store)] == [False]
    assert "not sent to" in caplog.text


def test_a_held_fact_survives_a_restart_and_is_woken_by_any_process(topic: Topic, url: str) -> None:
    topic.send(fact("lead.purchased", "shop:1", order_id="R-1"), captured("shop:2"))
    done = topic.ingest(url)
    assert (done.recorded, done.held) == (1, 1)
    with topic.running(url), Leadflow.open(url) as leads:
        leads.capture("shop:1")
        until_true(lambda: count_held(leads.store) == 0)
        assert [x.topic for x in leads.history("shop:1")] == ["lead.captured", "lead.purchased"]


def test_a_held_fact_is_given_up_in_time(topic: Topic, url: str) -> None:
    terms = Terms(score=False, hold=timedelta(seconds=0.5))
    with topic.running(url, terms), open_store(url) as store:
        topic.send(fact("lead.purchased", "shop:1", order_id="R-1"), visit("shop:1"))
        until_true(lambda: dead_letters(store))
        assert dead_letters(store)[0].reason == "predecessor_missing"
        until_true(lambda: count_held(store) == 0)
        assert assets(store, ["shop:1"]) == {"shop:1": ["home"]}


def test_a_second_worker_on_sqlite_is_refused(topic: Topic, sqlite_store: str) -> None:
    with topic.running(sqlite_store), open_store(sqlite_store) as store:
        until_true(lambda: offsets(store))
        with pytest.raises(WorkerRunning, match="another worker, process"):
            topic.ingest(sqlite_store)
    assert topic.ingest(sqlite_store).recorded == 0


@pytest.mark.postgres
def test_two_workers_share_the_partitions(topic: Topic, postgres_store: str) -> None:
    leads = [f"shop:{n}" for n in range(40)]
    with (
        worker(topic, postgres_store) as one,
        worker(topic, postgres_store),
        open_store(postgres_store) as store,
    ):
        until_true(lambda: len({row.holder for row in offsets(store)}) == 2)
        topic.send(*(captured(lead) for lead in leads))
        topic.send(*(visit(lead, str(n)) for n in range(5) for lead in leads))
        until_true(lambda: sum(read_up_to(store).values()) == 240)
        assert store.head().position == 241
        one.send_signal(signal.SIGTERM)
        out, err = one.communicate(timeout=30)
        assert (one.returncode, err) == (0, "")
        assert out.splitlines()[-1].startswith("done ")
        # What is left takes over the partitions of the one that went.
        until_true(lambda: len({row.holder for row in offsets(store)}) == 1)
        topic.send(*(visit(lead, "last") for lead in leads))
        until_true(lambda: sum(read_up_to(store).values()) == 280)
        assert assets(store, leads) == {
            lead: [*(str(n) for n in range(5)), "last"] for lead in leads
        }


@pytest.mark.postgres
def test_a_worker_with_a_name_gets_its_partitions_back(topic: Topic, postgres_store: str) -> None:
    with (
        worker(topic, postgres_store, "--instance", "a") as one,
        worker(topic, postgres_store, "--instance", "b"),
        open_store(postgres_store) as store,
    ):
        until_true(lambda: len({row.holder for row in offsets(store)}) == 2)
        before = {row.partition: row.holder for row in offsets(store)}
        one.kill()
        one.communicate()
        with worker(topic, postgres_store, "--instance", "a"):
            until_true(lambda: {r.partition: r.holder for r in offsets(store)} != before)
            topic.send(*(captured(f"shop:{n}") for n in range(30)))
            until_true(lambda: sum(read_up_to(store).values()) == 30)
            after = {row.partition: row.holder for row in offsets(store)}
    assert len([p for p in before if before[p] == after[p]]) == 1


def test_a_topic_made_again_is_noticed(
    topic: Topic, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic.send(*(captured(f"shop:{n}") for n in range(10)), partition=0)
    assert topic.ingest(url).recorded == 10
    topic.recreate()
    topic.send(*(captured(f"shop:{n}") for n in range(10, 30)), partition=0)
    with caplog.at_level(logging.WARNING):
        assert topic.ingest(url).recorded == 20
    assert "was deleted and made again" in caplog.text


def test_what_is_missing_is_said_at_once(topic: Topic, sqlite_store: str) -> None:
    with Leadflow.open(sqlite_store) as leads:
        for connection, error in (
            (topic.connection, TopicMissing),
            (Connection("127.0.0.1:1"), BrokerUnreachable),
        ):
            options = Options(topic=f"{topic.name}.none")
            with pytest.raises(error):
                run(leads, connection, options, Terms(), stopped=Event())
