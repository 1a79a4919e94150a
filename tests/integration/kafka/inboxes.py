"""Topics, producers and workers for the tests of ingest."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

from leadflow import Leadflow
from leadflow.kafka.connection import Connection
from leadflow.kafka.ingest import Options, run
from leadflow.kafka.intake import Taken, Terms
from leadflow.persistence.inbox_tables import offsets
from leadflow.persistence.store import Store

kafka: Any = import_module("kafka")  # which has no types
ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
_ids = count()


def captured(lead: str) -> dict[str, Any]:
    """A capture of a lead by the external id `shop:…`."""
    return fact("lead.captured", lead, source="paid_search", personal={"email": "a@example.org"})


def fact(topic: str, lead: str, **data: Any) -> dict[str, Any]:
    """A message with an id that no other has."""
    return {
        "specversion": "1.0",
        "id": str(next(_ids)),
        "source": "shop/web",
        "type": topic,
        "subject": lead,
        "time": "2026-03-01T09:30:00Z",
        "data": data,
    }


def visit(lead: str, asset: str = "home") -> dict[str, Any]:
    """A visit of the lead, told apart by its asset."""
    return fact("lead.engaged", lead, kind="visit", asset=asset)


class Topic:
    """An inbox of a test's own, with its dead letters beside it."""

    def __init__(self, brokers: str, name: str, *, partitions: int = 2) -> None:
        self.brokers, self.name, self.partitions = brokers, name, partitions
        self.connection = Connection(brokers)
        self._admin = kafka.KafkaAdminClient(bootstrap_servers=brokers)
        self._producer = kafka.KafkaProducer(
            bootstrap_servers=brokers, acks="all", linger_ms=5, max_request_size=8_000_000
        )
        self.create()

    def create(self) -> None:
        """Make the topics."""
        large = {"max.message.bytes": "8000000"}
        self._admin.create_topics(
            {
                name: {"num_partitions": n, "replication_factor": 1, "configs": large}
                for name, n in ((self.name, self.partitions), (f"{self.name}.dlq", 1))
            }
        )

    def delete(self) -> None:
        """Delete the inbox, and wait until it is gone."""
        self._admin.delete_topics([self.name])
        until_true(lambda: self.name not in self._admin.list_topics())

    def recreate(self) -> None:
        """Delete the inbox and make it again under its name."""
        self.delete()
        one = {"num_partitions": self.partitions, "replication_factor": 1}
        until_true(lambda: self._made(one))

    def _made(self, one: dict[str, int]) -> bool:
        from kafka.errors import KafkaError

        try:
            self._admin.create_topics({self.name: one})
        except KafkaError:
            return False
        return True

    def send(
        self,
        *messages: dict[str, Any] | bytes,
        headers: list[tuple[str, bytes]] | None = None,
        partition: int | None = None,
        key: bytes | None = None,
    ) -> None:
        """Send them and wait until all are acknowledged."""
        futures = []
        for message in messages:
            value = message if isinstance(message, bytes) else json.dumps(message).encode()
            subject = key
            if subject is None and isinstance(message, dict):
                subject = str(message["subject"]).encode()
            futures.append(
                self._producer.send(
                    self.name, value, subject, headers=headers or [], partition=partition
                )
            )
        self._producer.flush(60)
        for future in futures:
            future.get(timeout=60)

    def letters(self, count: int) -> list[Any]:
        """So many records of the topic of dead letters."""
        consumer = kafka.KafkaConsumer(
            bootstrap_servers=self.brokers,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=16_000_000,
        )
        consumer.assign([kafka.TopicPartition(f"{self.name}.dlq", 0)])
        found: list[Any] = []
        until = time.monotonic() + PATIENCE
        while len(found) < count and time.monotonic() < until:
            found += [r for rs in consumer.poll(500).values() for r in rs]
        consumer.close()
        return found

    def committed(self, group: str) -> dict[int, int]:
        """What Kafka was told of the group's offsets."""
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.brokers, group_id=group)
        found = {
            n: consumer.committed(kafka.TopicPartition(self.name, n))
            for n in range(self.partitions)
        }
        consumer.close()
        return {n: offset for n, offset in found.items() if offset is not None}

    def close(self) -> None:
        self._producer.close(timeout=5)
        self._admin.close()

    # Workers

    def options(self, **more: Any) -> Options:
        return Options(topic=self.name, group=self.name, session_seconds=3, **more)

    def ingest(self, url: str, terms: Terms | None = None, **more: Any) -> Taken:
        """Ingest up to the end, in this process."""
        with Leadflow.open(url) as leads:
            return run(
                leads,
                self.connection,
                self.options(once=True, **more),
                terms or Terms(score=False),
                stopped=Event(),
            )

    @contextmanager
    def running(
        self, url: str, terms: Terms | None = None, **more: Any
    ) -> Generator[Callable[[], Taken]]:
        """Ingest in a thread until the block ends; what it did is asked for by a call."""
        stopped, result = Event(), list[Taken | Exception]()

        def work() -> None:
            try:
                with Leadflow.open(url) as leads:
                    options = self.options(**more)
                    result.append(
                        run(
                            leads,
                            self.connection,
                            options,
                            terms or Terms(score=False),
                            stopped=stopped,
                        )
                    )
            except Exception as error:  # noqa: BLE001 - raised again below
                result.append(error)

        thread = Thread(target=work)
        thread.start()

        def done() -> Taken:
            stopped.set()
            thread.join(timeout=PATIENCE)
            assert result, "ingest did not stop"
            if isinstance(result[0], Exception):
                raise result[0]
            return result[0]

        try:
            yield done
        finally:
            stopped.set()
            thread.join(timeout=PATIENCE)
            if result and isinstance(result[0], Exception):
                raise result[0]


@contextmanager
def worker(topic: Topic, url: str, *arguments: str) -> Generator[subprocess.Popen[str]]:
    """A worker in a process of its own, killed at the end if it lives still."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tests.integration.kafka.worker",
            url,
            topic.brokers,
            topic.name,
            *arguments,
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until_true(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for it, and fail when it does not come."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)


def assets(store: Store, leads: Iterable[str]) -> dict[str, list[str | None]]:
    """The assets of each lead's visits, in the order of the log."""
    reader = Leadflow(store)
    return {
        lead: [getattr(x, "asset", None) for x in reader.history(lead) if x.topic == "lead.engaged"]
        for lead in leads
    }


def read_up_to(store: Store) -> dict[int, int]:
    """The offsets in the database, by partition."""
    return {row.partition: row.next_offset for row in offsets(store)}
