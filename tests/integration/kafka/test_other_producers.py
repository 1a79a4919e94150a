"""The producers of the guide in other languages: they put a lead where Java and Python do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.consumer import KafkaConsumer
from kafka.partitioner.default import murmur2
from kafka.structs import TopicPartition

from leadflow import Leadflow
from leadflow.domain import wire
from leadflow.persistence.inbox_tables import count_held
from tests.docs.pages import DOCS
from tests.integration.kafka.inboxes import Topic, captured, fact, until_true, visit
from tests.postgres import cannot_run

PAGE = (DOCS / "how-to" / "produce-to-kafka.md").read_text("utf-8")
PARTITIONS = 6
GO_MODULE = "github.com/segmentio/kafka-go@v0.4.51"


def example(name: str) -> str:
    """A file that the guide shows."""
    found = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def inbox(kafka_broker: str, unique: Callable[[str], str]) -> str:
    topic = unique("inbox")
    admin: Any = KafkaAdminClient(bootstrap_servers=kafka_broker)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
    admin.close()
    return topic


def messages(broker: str, topic: str) -> list[Any]:
    consumer: Any = KafkaConsumer(
        bootstrap_servers=broker,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=10_000,
    )
    partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    consumer.assign(partitions)
    wanted = sum(consumer.end_offsets(partitions).values())
    found: list[Any] = []
    while len(found) < wanted:
        found.append(next(consumer))
    consumer.close()
    return found


def by_murmur2(key: bytes) -> int:
    """Where the Java client puts it; kafka-python's port of its hash."""
    return int((murmur2(key) & 0x7FFFFFFF) % PARTITIONS)


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        cannot_run(f"{name} is not installed")
    return found


def test_go_puts_a_lead_where_python_does(kafka_broker: str, inbox: str, tmp_path: Path) -> None:
    go = program("go")
    (tmp_path / "main.go").write_text(example("main.go").replace("leadflow.inbox", inbox))
    for command in (["mod", "init", "example"], ["get", GO_MODULE], ["run", "."]):
        done = subprocess.run(
            [go, *command],
            cwd=tmp_path,
            env=os.environ | {"LEADFLOW_KAFKA": kafka_broker, "GOFLAGS": "-mod=mod"},
            capture_output=True,
            text=True,
            check=False,
        )
        if command[0] == "get" and done.returncode:
            cannot_run(f"the Go client cannot be fetched: {done.stderr.strip()[-200:]}")
        assert done.returncode == 0, done.stderr
    [message] = messages(kafka_broker, inbox)
    assert message.key == b"shop:4711"
    assert message.partition == by_murmur2(message.key)
    assert wire.decode_line(message.value).topic == "lead.purchased"


def test_kcat_does_so_when_it_is_told_the_partitioner(kafka_broker: str, inbox: str) -> None:
    if shutil.which("kcat") is None:
        pytest.skip("kcat is not installed")
    script = example("visit.sh").replace("leadflow.inbox", inbox)
    leads = [f"shop:{number}" for number in range(12)]
    untold = script.replace("-X topic.partitioner=murmur2_random ", "")
    assert untold != script
    for told in (script, untold):
        for lead in leads:
            subprocess.run(
                ["/bin/sh", "-c", told.replace("shop:4711", lead)],
                env=os.environ | {"LEADFLOW_KAFKA": kafka_broker},
                check=True,
            )
    where: dict[bytes, list[int]] = {}
    for message in messages(kafka_broker, inbox):
        where.setdefault(message.key, []).append(message.partition)
        assert json.loads(message.value)["subject"] == message.key.decode()
    assert len(where) == len(leads)
    assert all(by_murmur2(key) in found for key, found in where.items())
    split = [key for key, found in where.items() if len(set(found)) > 1]
    assert split, "librdkafka's own choice puts leads on two partitions, as the guide warns"


def test_one_lead_by_two_partitioners_loses_its_order_and_nothing_else(
    topic: Topic, url: str
) -> None:
    """A purchase and a visit by librdkafka's hash overtake the capture by Java's."""
    topic.partitions = 2
    lead = next(
        name
        for name in map("shop:{}".format, range(100))
        if crc32(name.encode()) % 2 != (murmur2(name.encode()) & 0x7FFFFFFF) % 2
    )
    by_crc32 = crc32(lead.encode()) % 2
    topic.send(
        fact("lead.purchased", lead, order_id="R-1"), visit(lead, "later"), partition=by_crc32
    )
    first = topic.ingest(url)
    assert (first.recorded, first.held, first.buried) == (0, 2, 0), "both wait for the capture"
    topic.send(captured(lead), visit(lead, "first"))  # as kafka-python does it: murmur2
    with topic.running(url), Leadflow.open(url) as leads:
        until_true(lambda: leads.store.head().position == 5 and not count_held(leads.store))
        history = leads.history(lead)
        assert history[0].topic == "lead.captured"
        assert sorted(x.topic for x in history[1:]) == [
            "lead.engaged",
            "lead.engaged",
            "lead.purchased",
        ], "nothing is lost and nothing twice"
        assert not any(event.irregular for event in history)
