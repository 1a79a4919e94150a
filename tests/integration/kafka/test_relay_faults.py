"""Relay and broker killed, stopped and restarted: readers still get each event once, in order."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from leadflow.kafka.connection import Connection
from leadflow.kafka.relay import COMMITTED, COMMITTING, PRODUCED
from leadflow.kafka.relay_audit import Agreed, verify_relay
from leadflow.kafka.relay_topics import Topics
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from tests.broker.server import KafkaBroker
from tests.integration.kafka.relays import (
    TRANSACTION_SECONDS,
    Reader,
    check,
    make_topics,
    read_all,
    relay,
    wait_for_line,
)
from tests.integration.projections.many import record_many

KILLS, MORE_KILLS = 10, 100

pytestmark = pytest.mark.timeout(400)  # processes are started and brokers brought back


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/leads.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, create=True) as made:
        yield made


@pytest.fixture
def topics(kafka_broker: str, unique: Callable[[str], str]) -> Topics:
    return make_topics(kafka_broker, unique("events"))


@pytest.fixture
def own_broker(kafka_folder: Path) -> Iterator[KafkaBroker]:
    broker = KafkaBroker(kafka_folder)
    broker.start()
    yield broker
    broker.stop()


def finish_and_check(store: Store, url: str, broker: str, topics: Topics) -> None:
    """Let a relay come to the end, and compare what was published with the log."""
    with relay(url, broker, topics.events, "--once", "--size", "20000") as last:
        _, said = last.communicate(timeout=100)
        assert last.returncode == 0, said
    end = store.head().position
    check(store, read_all(broker, topics.events, end))
    assert verify_relay(store, Connection(broker), topics) == Agreed(1, end, 0)


def kill_at(point: str, kills: int, *, store: Store, broker: str, topics: Topics, url: str) -> None:
    """Kill a relay again and again at that point of its first, second or third transaction."""
    for number in range(kills):
        record_many(store, 100, since=number * 100)  # 400 events, four transactions
        times = str(1 + number % 3)
        at = ("--at", "SIGKILL", point, times, "--size", "100")
        with relay(url, broker, topics.events, *at) as killed:
            _, said = killed.communicate(timeout=100)
            assert killed.returncode == -signal.SIGKILL, said
    finish_and_check(store, url, broker, topics)


def kill_anywhere(kills: int, store: Store, broker: str, topics: Topics, url: str) -> None:
    """Kill a relay again and again after a moment, while the log is being written."""
    chance = random.Random()
    written = Event()

    def write() -> None:
        since = 0
        while not written.wait(0.02):
            record_many(store, 25, since=since)
            since += 25

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(kills):
            with relay(url, broker, topics.events, "--size", "100") as killed:
                wait_for_line(killed, "begun")
                time.sleep(chance.uniform(0.2, 1.2))  # a moment: any will do
                killed.kill()
    finally:
        written.set()
        writer.join()
    finish_and_check(store, url, broker, topics)


@pytest.mark.parametrize("point", [PRODUCED, COMMITTING, COMMITTED])
def test_killed_at_a_point(
    point: str, store: Store, kafka_broker: str, topics: Topics, url: str
) -> None:
    kill_at(point, KILLS, store=store, broker=kafka_broker, topics=topics, url=url)


def test_killed_at_any_moment(store: Store, kafka_broker: str, topics: Topics, url: str) -> None:
    kill_anywhere(KILLS, store, kafka_broker, topics, url)


@pytest.mark.torture
@pytest.mark.parametrize("point", [PRODUCED, COMMITTING, COMMITTED])
def test_killed_at_a_point_for_long(
    point: str, store: Store, kafka_broker: str, topics: Topics, url: str
) -> None:
    kill_at(point, MORE_KILLS, store=store, broker=kafka_broker, topics=topics, url=url)


@pytest.mark.torture
def test_killed_at_any_moment_for_long(
    store: Store, kafka_broker: str, topics: Topics, url: str
) -> None:
    kill_anywhere(MORE_KILLS, store, kafka_broker, topics, url)


@pytest.mark.parametrize("point", [PRODUCED, COMMITTING])
def test_asleep_for_longer_than_its_transaction_may_last(
    point: str, store: Store, kafka_broker: str, topics: Topics, url: str
) -> None:
    record_many(store, 500)
    with relay(
        *(url, kafka_broker, topics.events, "--once", "--at", "SIGSTOP", point, "3")
    ) as asleep:
        wait_for_line(asleep, point)
        # Woken when the broker has given its transaction up: a reader gets past it then.
        time.sleep(TRANSACTION_SECONDS + 2)
        os.kill(asleep.pid, signal.SIGCONT)
        _, said = asleep.communicate(timeout=100)
        assert asleep.returncode == 0, said
    finish_and_check(store, url, kafka_broker, topics)


def test_two_at_once_and_one_is_asleep(
    store: Store, kafka_broker: str, topics: Topics, url: str
) -> None:
    record_many(store, 500)
    with relay(url, kafka_broker, topics.events, "--at", "SIGSTOP", COMMITTING, "2") as asleep:
        wait_for_line(asleep, COMMITTING)
        finish_and_check(store, url, kafka_broker, topics)
        os.kill(asleep.pid, signal.SIGCONT)
        _, said = asleep.communicate(timeout=100)
        assert asleep.returncode == 1
        assert "another relay publishes" in said
    finish_and_check(store, url, kafka_broker, topics)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_broker_restarts(
    how: signal.Signals, store: Store, own_broker: KafkaBroker, url: str
) -> None:
    topics = make_topics(own_broker.address, "leadflow.events")
    record_many(store, 200)
    with relay(url, own_broker.address, topics.events, "--size", "100") as going_on:
        wait_for_line(going_on, "begun")
        Reader(own_broker.address, topics.events).read_until(300)
        own_broker.stop(how)
        record_many(store, 200, since=200)
        own_broker.start()
        seen = read_all(own_broker.address, topics.events, store.head().position)
        check(store, seen)
        going_on.terminate()
        _, said = going_on.communicate(timeout=60)
        assert going_on.returncode == 0, said
    finish_and_check(store, url, own_broker.address, topics)


def bounce(leads: int, bounces: int, store: Store, broker: KafkaBroker, url: str) -> None:
    """In the shape of Kafka's own transaction test: relay and broker are ended, hard and
    cleanly, while one reader reads along and another begins at the end."""
    topics = make_topics(broker.address, "leadflow.events")
    record_many(store, leads)
    end = store.head().position
    along, done = Reader(broker.address, topics.events), Event()

    def read_along() -> None:
        while not done.is_set():
            along.poll()

    reading = Thread(target=read_along)
    reading.start()
    chance = random.Random()
    try:
        for number in range(bounces):
            with relay(url, broker.address, topics.events, "--size", "750") as bounced:
                wait_for_line(bounced, "begun")
                time.sleep(chance.uniform(0.5, 2.0))
                if number % 3 == 2:
                    broker.stop([signal.SIGTERM, signal.SIGKILL][number // 3 % 2])
                    broker.start()
                    time.sleep(chance.uniform(0.2, 1.0))
                if number % 2:
                    bounced.kill()
                else:
                    bounced.terminate()
                bounced.communicate(timeout=100)
        finish_and_check(store, url, broker.address, topics)
    finally:
        done.set()
        reading.join()
    along.read_until(end)
    check(store, along.seen)


def test_relay_and_broker_bounced(store: Store, own_broker: KafkaBroker, url: str) -> None:
    bounce(5_000, 6, store, own_broker, url)


@pytest.mark.torture
def test_relay_and_broker_bounced_with_a_hundred_thousand_events(
    store: Store, own_broker: KafkaBroker, url: str
) -> None:
    bounce(25_000, 30, store, own_broker, url)
