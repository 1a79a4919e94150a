"""Relays in processes of their own, killed at named points, and readers that check them.

python -m tests.integration.kafka.relays STORE BROKERS TOPIC [--at SIGKILL POINT TIMES] [--once]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from leadflow.kafka import client, topics
from leadflow.kafka.connection import Connection
from leadflow.kafka.relay import Limits, Relay
from leadflow.kafka.relay_topics import Topics
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_commands.stopping import until_told

ROOT = Path(__file__).parents[3]
TRANSACTION_SECONDS = 2.0
DEADLINE_SECONDS = 90.0


class Read(NamedTuple):
    """A record as a reader of committed records got it."""

    partition: int
    position: int
    key: str
    event_id: str


def make_topics(brokers: str, events: str, partitions: int = 3) -> Topics:
    """A topic for events, and one for how far they go."""
    wanted = topics.wanted_topics(partitions=partitions, events=events)
    topics.create(Connection(brokers), wanted[2:], replicas=1)
    return Topics(events)


class Reader:
    """Reads what is committed, on and on, from the beginning."""

    def __init__(self, brokers: str, events: str) -> None:
        self._consumer = client.consumer(Connection(brokers), fetch_max_wait_ms=100)
        self._partitions = client.partitions_of(self._consumer, events)
        self._consumer.assign(self._partitions)
        for partition in self._partitions:
            self._consumer.seek(partition, 0)
        self.seen: list[Read] = []

    def poll(self) -> None:
        for records in self._consumer.poll(timeout_ms=100).values():
            for record in records:
                document = json.loads(record.value or b"null")
                key = (record.key or b"").decode()
                assert document["subject"] == key
                self.seen.append(Read(record.partition, document["position"], key, document["id"]))

    def read_until(self, position: int) -> None:
        """Go on until that event was seen, and then to the end as it stands."""
        until = time.monotonic() + DEADLINE_SECONDS
        while not any(one.position >= position for one in self.seen[-2_000:]):
            self.poll()
            assert time.monotonic() < until, f"saw {len(self.seen)}, and not {position}"
        ends = self._consumer.end_offsets(self._partitions)
        while any((self._consumer.position(one) or 0) < ends[one] for one in self._partitions):
            self.poll()
            assert time.monotonic() < until, "did not come to the end"

    def close(self) -> None:
        self._consumer.close()


def read_all(brokers: str, events: str, position: int) -> list[Read]:
    """What a reader sees that begins now."""
    reader = Reader(brokers, events)
    reader.read_until(position)
    reader.close()
    return reader.seen


def check(store: Store, seen: Sequence[Read]) -> None:
    """Every event once, each partition in the log's order, one partition for each lead."""
    expected = {
        event.position: str(event.originator_id)
        for event in store.page(after=0, limit=1_000_000).events
    }
    counted = Counter(one.position for one in seen)
    assert counted.keys() == expected.keys(), sorted(expected.keys() ^ counted.keys())[:5]
    doubled = [position for position, count in counted.items() if count > 1]
    assert not doubled, f"{len(doubled)} doubled, the first {min(doubled)}"
    last: dict[int, int] = {}
    holder: dict[str, int] = {}
    for one in seen:
        assert one.position > last.get(one.partition, 0)
        last[one.partition] = one.position
        assert expected[one.position] == one.key
        assert holder.setdefault(one.key, one.partition) == one.partition


@contextmanager
def relay(url: str, brokers: str, events: str, *more: str) -> Generator[subprocess.Popen[str]]:
    """A relay in a process of its own; it has begun when the block is entered."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", __name__, url, brokers, events, *more],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        process.communicate()


def wait_for_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    for said in process.stdout:
        if said.strip() == line:
            return
    raise AssertionError(process.communicate()[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("brokers")
    parser.add_argument("topic")
    parser.add_argument("--at", nargs=3, metavar=("SIGNAL", "POINT", "TIMES"))
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--size", type=int, default=100)
    given = parser.parse_args()
    count = 0

    def watch(step: str) -> None:
        nonlocal count
        if given.at and step == given.at[1]:
            count += 1
            if count == int(given.at[2]):
                _say(step)
                os.kill(os.getpid(), signal.Signals[given.at[0]])

    with open_store(given.store) as store, until_told() as stop:
        _say("begun")
        Relay(
            store,
            Connection(given.brokers),
            topics=Topics(given.topic),
            limits=Limits(events=given.size, transaction_seconds=TRANSACTION_SECONDS),
            watcher=watch,
            stop=stop,
        ).run(once=given.once)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
