"""The topics that leadflow uses: what they should be like, making them, and checking them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Final

from leadflow.kafka import client
from leadflow.kafka.client import Admin
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import kafka_errors
from leadflow.kafka.relay_topics import EVENTS, Topics

INBOX: Final = "leadflow.inbox"
DEAD_LETTERS: Final = "leadflow.inbox.dlq"

_DAY_MS: Final = 24 * 60 * 60 * 1000
_WARNED_FROM: Final = 90 * _DAY_MS
"""Personal data kept longer than this by a topic is warned of."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it should be."""

    name: str
    what: str
    partitions: int
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    personal: bool = False
    """Whether what it holds may be personal data, in the clear."""
    exact: bool = False
    """Whether the number of partitions has to be this very one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of a topic."""

    topic: str
    ok: bool
    """False where it does not work as it is; a warning leaves it true."""
    says: str
    hint: str | None = None

    @property
    def verdict(self) -> str:
        if not self.ok:
            return "wrong"
        return "warning" if self.hint else "ok"

    def as_data(self) -> dict[str, Any]:
        return {"topic": self.topic, "ok": self.ok, "says": self.says, "hint": self.hint}


def wanted_topics(
    *,
    partitions: int = 6,
    inbox: str = INBOX,
    dead_letters: str = DEAD_LETTERS,
    events: str = EVENTS,
) -> list[Wanted]:
    """The topics of ingest and relay. The inbox and the dead letters forget after a week and a
    month; the events are kept, for readers that come later, and hold no personal data."""
    return [
        Wanted(
            inbox,
            "facts for leadflow",
            partitions,
            {"retention.ms": str(7 * _DAY_MS), "cleanup.policy": "delete"},
            personal=True,
        ),
        Wanted(
            dead_letters,
            "messages that could not be recorded",
            1,
            {"retention.ms": str(30 * _DAY_MS), "cleanup.policy": "delete"},
            personal=True,
        ),
        Wanted(
            events,
            "every event of the log",
            partitions,
            {"retention.ms": "-1", "cleanup.policy": "delete"},
        ),
        Wanted(
            Topics(events).positions,
            "how far the relay has come",
            1,
            {
                "cleanup.policy": "compact",
                "segment.ms": str(_DAY_MS),
                "min.cleanable.dirty.ratio": "0.1",
            },
            exact=True,
        ),
    ]


def create(connection: Connection, wanted: Sequence[Wanted], *, replicas: int) -> list[str]:
    """Make those that are missing, and name them; the others stay as they are."""
    admin = client.admin(connection)
    try:
        with kafka_errors("making topics"):
            there = set(admin.list_topics())
            missing = [topic for topic in wanted if topic.name not in there]
            if missing:
                admin.create_topics(
                    {
                        topic.name: {
                            "num_partitions": topic.partitions,
                            "replication_factor": replicas,
                            "configs": dict(topic.settings),
                        }
                        for topic in missing
                    }
                )
                admin.wait_for_topics([topic.name for topic in missing])
    finally:
        admin.close()
    return [topic.name for topic in missing]


def check(connection: Connection, wanted: Sequence[Wanted]) -> list[Finding]:
    """What is well and what is not with each topic: partitions, compaction, retention."""
    admin = client.admin(connection)
    try:
        with kafka_errors("describing topics"):
            there = set(admin.list_topics())
            found: list[Finding] = []
            for topic in wanted:
                if topic.name not in there:
                    hint = "`leadflow kafka topics create` makes it"
                    found.append(Finding(topic.name, False, "is not there", hint))
                    continue
                partitions, replicas = _partitions(admin, topic.name)
                found += _findings(topic, partitions, replicas, _settings(admin, topic.name))
    finally:
        admin.close()
    return found


def _partitions(admin: Admin, topic: str) -> tuple[int, int]:
    described = admin.describe_topics([topic])[0]["partitions"]
    return len(described), min(len(one["replica_nodes"]) for one in described)


def _settings(admin: Admin, topic: str) -> dict[str, str]:
    """What holds for the topic, the broker's defaults included."""
    kinds = import_module("kafka.admin")
    resource = kinds.ConfigResource(kinds.ConfigResourceType.TOPIC, topic)
    found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
    return {name: str(setting["value"]) for name, setting in found.items()}


def _findings(
    topic: Wanted, partitions: int, replicas: int, settings: Mapping[str, str]
) -> list[Finding]:
    name, findings = topic.name, list[Finding]()
    policy = settings.get("cleanup.policy", "delete")
    expected = topic.settings.get("cleanup.policy", "delete")
    set_it = f"kafka-configs.sh --alter --topic {name} --add-config"
    if topic.exact and partitions != topic.partitions:
        says = f"has {partitions} partitions and must have {topic.partitions}"
        findings.append(Finding(name, False, says, "remove it and make it again"))
    if policy != expected:
        says = f"has cleanup.policy {policy} and must have {expected}"
        if expected == "delete":
            says += ": compaction removes events"
        findings.append(Finding(name, False, says, f"{set_it} cleanup.policy={expected}"))
    retention = int(settings.get("retention.ms", "-1"))
    if topic.personal and (retention < 0 or retention > _WARNED_FROM):
        kept = "for ever" if retention < 0 else f"{retention // _DAY_MS} days"
        findings.append(
            Finding(
                name,
                True,
                f"keeps personal data {kept}: erasing a lead does not reach it",
                f"{set_it} retention.ms={topic.settings['retention.ms']}",
            )
        )
    if not findings:
        kept = "kept for ever" if retention < 0 else f"kept {retention / _DAY_MS:g} days"
        kept = "compacted" if policy == "compact" else kept
        says = f"{partitions} partitions, {replicas} replicas, {kept}"
        findings.append(Finding(name, True, says))
    return findings
