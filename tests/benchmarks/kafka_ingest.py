"""Ingest from a real broker: from the topic to the committed log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import psutil
import psycopg

from leadflow import Leadflow
from leadflow.domain import wire
from leadflow.kafka.connection import Connection
from leadflow.kafka.ingest import Options, run
from leadflow.kafka.intake import Terms
from leadflow.persistence.opening import open_store
from tests.benchmarks.figures import Figure
from tests.broker.fetching import BrokerUnavailableError
from tests.broker.server import KafkaBroker
from tests.postgres import PostgresServer

kafka: Any = import_module("kafka")  # which has no types
PARTITIONS = 4
MESSAGES = 60_000
BYTES = 1_024


def message(number: int) -> bytes:
    """A capture of a lead of its own, 1 KB in all."""
    document: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"m{number}",
        "source": "shop/web",
        "type": "lead.captured",
        "subject": f"shop:{number}",
        "time": "2026-03-01T09:30:00Z",
        "datacontenttype": "application/json",
        "data": {
            "personal": {"name": "Ada Example", "email": f"a{number}@example.org", "notes": ""},
            "channel": "web",
            "source": "paid_search",
            "campaign": "spring",
            "interest": "trial",
        },
    }
    personal = document["data"]["personal"]
    personal["notes"] = "x" * (BYTES - len(json.dumps(document)))
    return json.dumps(document).encode()


def measure(folder: Path, messages: int = MESSAGES) -> list[Figure]:
    """Consume bare, then ingest into either store, then by two workers."""
    home = folder / "kafka"
    home.mkdir()
    try:
        broker = KafkaBroker(home)
        broker.start()
    except BrokerUnavailableError as error:
        print(f"\nIngesting is not measured: {error}")
        return []
    server_folder = Path(tempfile.mkdtemp(prefix="leadflow-bench-postgres-"))
    server = PostgresServer(server_folder, durable=True)
    server.start()
    os.environ["LEADFLOW_KEY_FILE"] = str(folder / "ingest.key")
    try:
        _fill(broker.address, messages)
        bare = _consume(broker.address, messages)
        decoded = _decode(messages)
        sqlite = _ingest(broker.address, _made(f"sqlite:///{folder / 'ingest.db'}"), messages)
        postgres = _ingest(broker.address, _made(_database(server.url)), messages)
        two, cpu = _two_workers(broker, server, _made(_database(server.url)), messages)
    finally:
        server.stop()
        broker.stop()
        del os.environ["LEADFLOW_KEY_FILE"]
    peer = ("bare consume", bare)
    share = f"bare consume takes {sqlite / bare:.0%} of the time per message"
    return [
        Figure("bare consume, 1 KB", bare, "messages/s", note="kafka-python alone"),
        Figure("decoding and validating", decoded, "messages/s"),
        Figure("ingest into SQLite", sqlite, "events/s", *peer, note=share),
        Figure("ingest into PostgreSQL", postgres, "events/s", *peer),
        Figure("ingest, two workers", two, "events/s", *peer, note=f"CPU seconds: {cpu}"),
    ]


def _fill(brokers: str, messages: int) -> None:
    admin = kafka.KafkaAdminClient(bootstrap_servers=brokers)
    one = {"replication_factor": 1}
    admin.create_topics(
        {"inbox": {"num_partitions": PARTITIONS} | one, "inbox.dlq": {"num_partitions": 1} | one}
    )
    admin.close()
    producer = kafka.KafkaProducer(bootstrap_servers=brokers, linger_ms=20, batch_size=256 * 1024)
    for number in range(messages):
        producer.send("inbox", message(number), f"shop:{number}".encode())
    producer.flush()
    producer.close()


def _consume(brokers: str, messages: int) -> float:
    consumer = kafka.KafkaConsumer(
        bootstrap_servers=brokers, auto_offset_reset="earliest", metrics_enabled=False
    )
    consumer.assign([kafka.TopicPartition("inbox", n) for n in range(PARTITIONS)])
    count, began = 0, time.perf_counter()
    while count < messages:
        count += sum(map(len, consumer.poll(1_000, max_records=1_000).values()))
    seconds = time.perf_counter() - began
    consumer.close()
    return messages / seconds


def _decode(messages: int) -> float:
    texts = [message(number) for number in range(min(messages, 10_000))]
    began = time.perf_counter()
    for text in texts:
        wire.decode_line(text)
    return len(texts) / (time.perf_counter() - began)


def _database(url: str) -> str:
    name = f"bench_{uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return url.rpartition("/")[0] + f"/{name}"


def _made(url: str) -> str:
    open_store(url, create=True).close()
    return url


def _ingest(brokers: str, url: str, messages: int) -> float:
    """Events a second, from the first partition's claim to the last commit."""
    options = Options(topic="inbox", group=uuid4().hex, once=True)
    moments: list[float] = []
    with Leadflow.open(url) as leads:
        done = run(
            leads,
            Connection(brokers),
            options,
            Terms(),
            stopped=Event(),
            progress=lambda taken: moments.append(time.perf_counter()) if taken.recorded else None,
        )
        began = time.perf_counter() if not moments else moments[0]
    assert done.recorded == messages, done
    first = done.recorded / max(1, len(moments))
    return (messages - first) / (moments[-1] - began)


def _two_workers(
    broker: KafkaBroker, server: PostgresServer, url: str, messages: int
) -> tuple[float, str]:
    command = [sys.executable, "-m", "tests.integration.kafka.worker", url, broker.address]
    workers = [
        subprocess.Popen([*command, "inbox", "--most", "1000"], stdout=subprocess.DEVNULL)
        for _ in range(2)
    ]
    seconds = [0.0, 0.0]
    with open_store(url) as store:
        while store.head().position < messages // 10:
            time.sleep(0.01)
        began, first = time.perf_counter(), store.head().position
        while store.head().position < messages:
            seconds = [_cpu(worker.pid) for worker in workers]
            time.sleep(0.05)
        rate = (store.head().position - first) / (time.perf_counter() - began)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()
    return rate, ", ".join(f"worker {n} {s:.1f}" for n, s in enumerate(seconds, 1))


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system
