"""Ingest under faults, really done: the log holds each message exactly once, in order."""

from __future__ import annotations

import gc
import random
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import time_machine

from leadflow import Leadflow
from leadflow.kafka.intake import Terms
from leadflow.persistence.inbox_tables import count_held, dead_letters, offsets
from leadflow.persistence.opening import open_store
from tests.broker.server import KafkaBroker
from tests.integration.kafka.inboxes import (
    Topic,
    captured,
    fact,
    read_up_to,
    until_true,
    visit,
    worker,
)
from tests.integration.kafka.streams import LEADS, Stream, wait_for_more
from tests.postgres import PostgresServer, ServerUnavailableError, cannot_run

pytestmark = pytest.mark.timeout(400)  # a busy machine takes its time to start processes

POINTS = ("committed", "told", "before")
KILLS = 10
MORE_KILLS = 100


def kill_workers(topic: Topic, url: str, kills: int) -> None:
    """Kill one worker after the other, at named points and at any moment, and read to the end."""
    chance = random.Random()
    stream = Stream(topic)
    with stream.going_on():
        for n in range(kills):
            point = (*POINTS, None)[n % 4]
            if point is None:
                _kill_at_any_moment(topic, url, chance)
                continue
            nth = str(1 if point == "told" else chance.randint(1, 4))
            with worker(topic, url, "--instance", "one", "--point", point, "--nth", nth) as dying:
                _, said = dying.communicate(timeout=60)
                assert dying.returncode == -signal.SIGKILL, said
    topic.ingest(url)
    with open_store(url) as store:
        stream.check(store)
        assert dead_letters(store) == []


def _kill_at_any_moment(topic: Topic, url: str, chance: random.Random) -> None:
    with worker(topic, url, "--instance", "one") as victim:
        assert victim.stdout is not None
        for _ in range(chance.randint(0, 4)):
            assert victim.stdout.readline(), victim.communicate()
        time.sleep(chance.uniform(0, 0.05))
        victim.kill()


def test_workers_killed_at_named_points_and_at_any_moment(topic: Topic, url: str) -> None:
    kill_workers(topic, url, KILLS)


@pytest.mark.torture
def test_workers_killed_a_hundred_times(topic: Topic, url: str) -> None:
    kill_workers(topic, url, MORE_KILLS)


@pytest.mark.postgres
def test_partitions_that_move_in_the_middle_of_batches(topic: Topic, postgres_store: str) -> None:
    stream = Stream(topic)
    small = ("--most", "7")
    with (
        open_store(postgres_store) as store,
        stream.going_on(0.02),
        worker(topic, postgres_store, *small),
    ):
        for how in (signal.SIGKILL, signal.SIGTERM):
            with worker(topic, postgres_store, *small) as other:
                until_true(lambda: len({row.holder for row in offsets(store)}) == 2)
                wait_for_more(store, 100)
                other.send_signal(how)
                other.communicate(timeout=60)
            until_true(lambda: len({row.holder for row in offsets(store)}) == 1)
        wait_for_more(store, 100)
    topic.ingest(postgres_store)
    with open_store(postgres_store) as store:
        stream.check(store)


@pytest.mark.postgres
def test_a_worker_that_was_thought_dead_records_nothing_twice(
    topic: Topic, postgres_store: str
) -> None:
    stream = Stream(topic)
    with (
        open_store(postgres_store) as store,
        stream.going_on(),
        worker(topic, postgres_store, "--most", "20") as zombie,
    ):
        wait_for_more(store, 100)
        zombie.send_signal(signal.SIGSTOP)
        held = {row.holder for row in offsets(store)}
        with worker(topic, postgres_store):
            # Its session ends, and the other takes its partitions.
            until_true(lambda: not held & {row.holder for row in offsets(store)})
            wait_for_more(store, 100)
            zombie.send_signal(signal.SIGCONT)
            wait_for_more(store, 200)
    topic.ingest(postgres_store)
    with open_store(postgres_store) as store:
        stream.check(store)


def test_a_broker_that_crashes_and_comes_back(kafka_folder: Path, sqlite_store: str) -> None:
    broker = KafkaBroker(kafka_folder)
    broker.start()
    try:
        topic = Topic(broker.address, "inbox")
        stream = Stream(topic)
        stream.send(20)
        with open_store(sqlite_store) as store, topic.running(sqlite_store, most=20):
            wait_for_more(store, 50)
            broker.stop(signal.SIGKILL)
            broker.start()
            stream.send(20)
            stream.wait(store)
            stream.check(store)
        topic.close()
    finally:
        broker.stop()
        _forget_sockets()


def _forget_sockets() -> None:
    """Collect the sockets that kafka-python left open where nobody answered."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def crashing_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresServer]:
    """A server that waits for the disk, with an empty store in it."""
    folder = Path(tempfile.mkdtemp(prefix="leadflow-crash-"))
    try:
        server = PostgresServer(folder, durable=True)
        server.start()
    except (OSError, ServerUnavailableError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        cannot_run(f"no PostgreSQL server: {error}")
    monkeypatch.delenv("LEADFLOW_KEY", raising=False)
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    open_store(server.url, create=True).close()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.postgres
def test_a_database_that_crashes_and_comes_back(
    topic: Topic, crashing_store: PostgresServer
) -> None:
    server = crashing_store
    stream = Stream(topic)
    with stream.going_on(), topic.running(server.url, most=20):
        for _ in range(2):
            with open_store(server.url) as store:
                wait_for_more(store, 100)
            server.stop(signal.SIGQUIT)
            server.start()
        with open_store(server.url) as store:
            wait_for_more(store, 100)
    with topic.running(server.url), open_store(server.url) as store:
        stream.wait(store)
        stream.check(store)


def test_a_producer_that_sends_everything_twice(topic: Topic, url: str) -> None:
    messages = [captured(lead) for lead in LEADS]
    messages += [visit(lead, str(n)) for n in range(20) for lead in LEADS]
    topic.send(*messages)
    topic.send(*messages)
    done = topic.ingest(url, most=100)
    assert (done.recorded, done.repeated) == (len(messages), len(messages))
    with open_store(url) as store:
        assert store.head().position == len(messages) + 1


def test_a_topic_deleted_and_made_again_under_a_running_worker(
    topic: Topic, sqlite_store: str
) -> None:
    with topic.running(sqlite_store), open_store(sqlite_store) as store:
        topic.send(*(captured(f"shop:{n}") for n in range(10)), partition=0)
        until_true(lambda: store.head().position == 11)
        topic.recreate()
        # More than before, so that the old offset lies in the middle of the new topic.
        topic.send(*(captured(f"shop:{n}") for n in range(10, 40)), partition=0)
        until_true(lambda: store.head().position == 41)
        assert len(Leadflow(store).find("a@example.org")) == 40


def test_large_messages_and_garbage_hold_up_nobody(topic: Topic, url: str) -> None:
    garbage = random.Random(7).randbytes(1_000_000)
    large = captured("shop:2")
    large["data"]["interest"] = "x" * 2_000_000
    endless = b'{"specversion":"1.0","type":"' + b"y" * 1_000_000 + b'"}'
    deep = b'{"data":' + b"[" * 100_000
    topic.send(captured("shop:1"), garbage, large, endless, deep, captured("shop:3"), partition=0)
    done = topic.ingest(url)
    assert done.recorded + done.buried == 6
    with Leadflow.open(url) as leads:
        assert leads.get("shop:1").captured
        assert leads.get("shop:3").captured
        assert read_up_to(leads.store)[0] == 6
        assert {row.origin.offset for row in dead_letters(leads.store)} >= {1, 3, 4}
    letters = {record.value for record in topic.letters(done.buried)}
    assert {garbage, endless, deep} <= letters


def test_a_clock_that_jumps(topic: Topic, sqlite_store: str) -> None:
    stream = Stream(topic)
    terms = Terms(score=False, hold=timedelta(hours=1))
    start = datetime.now(UTC)
    with open_store(sqlite_store) as store, topic.running(sqlite_store, terms):
        topic.send(fact("lead.purchased", "shop:99", order_id="R-1"))
        stream.send(5)
        until_true(lambda: sum(read_up_to(store).values()) == stream.sent + 1)
        with time_machine.travel(start - timedelta(days=2)):
            stream.send(5)
            until_true(lambda: sum(read_up_to(store).values()) == stream.sent + 1)
            assert count_held(store) == 1
        stream.check(store)
        with time_machine.travel(start + timedelta(days=2)):
            until_true(lambda: dead_letters(store))
        assert dead_letters(store)[0].reason == "predecessor_missing"
        stream.send(5)
        stream.wait(store)
    with open_store(sqlite_store) as store:
        stream.check(store)
        recorded = [event.recorded_at for event in store.events_at(1, 10_000)]
        assert recorded == sorted(recorded)
