"""`kafka topics`, `kafka lag` and `kafka relay` as a user calls them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from leadflow.kafka import client
from leadflow.kafka.connection import Connection
from leadflow.kafka.topics import check, create, wanted_topics
from leadflow.persistence.opening import open_store
from tests.cli.conftest import Run, elsewhere, leadflow
from tests.integration.projections.many import record_many

__all__ = ["elsewhere", "leadflow"]


class Named:
    """Topics of this test's own."""

    def __init__(self, brokers: str, unique: Callable[[str], str]) -> None:
        self.brokers = brokers
        self.inbox, self.events = unique("inbox"), unique("events")

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--brokers", self.brokers, "--inbox", self.inbox, "--events", self.events)


@pytest.fixture
def named(kafka_broker: str, unique: Callable[[str], str]) -> Named:
    return Named(kafka_broker, unique)


def test_topics_are_made_once_and_found_well(leadflow: Run, named: Named) -> None:
    before = leadflow("kafka", "topics", "check", *named.flags, "--json")
    assert before.code == 3
    assert {row["says"] for row in before.json} == {"is not there"}
    made = leadflow("kafka", "topics", "create", *named.flags, "--partitions", "2", "--json")
    assert made.json["created"] == [
        named.inbox,
        f"{named.inbox}.dlq",
        named.events,
        f"{named.events}.position",
    ]
    assert leadflow("kafka", "topics", "create", *named.flags, "--json").json == {"created": []}
    after = leadflow("kafka", "topics", "check", *named.flags)
    assert after.code == 0
    assert "2 partitions, 1 replicas, kept 7 days" in after.out
    assert "compacted" in after.out


def test_endless_retention_of_personal_data_is_warned_of(leadflow: Run, named: Named) -> None:
    connection = Connection(named.brokers)
    wanted = wanted_topics(
        inbox=named.inbox, dead_letters=f"{named.inbox}.dlq", events=named.events
    )
    admin = client.admin(connection)
    settings = {
        named.inbox: {"retention.ms": "-1"},
        f"{named.inbox}.dlq": {"retention.ms": str(400 * 24 * 60 * 60 * 1000)},
        named.events: {"cleanup.policy": "compact"},
        f"{named.events}.position": {"cleanup.policy": "delete"},
    }
    admin.create_topics(
        {
            name: {"num_partitions": 2, "replication_factor": 1, "configs": configs}
            for name, configs in settings.items()
        }
    )
    admin.wait_for_topics(list(settings))
    admin.close()
    assert create(connection, wanted, replicas=1) == []
    said = [(finding.ok, finding.says) for finding in check(connection, wanted)]
    assert said == [
        (True, "keeps personal data for ever: erasing a lead does not reach it"),
        (True, "keeps personal data 400 days: erasing a lead does not reach it"),
        (False, "has cleanup.policy compact and must have delete: compaction removes events"),
        (False, "has 2 partitions and must have 1"),
        (False, "has cleanup.policy delete and must have compact"),
    ]
    ran = leadflow("kafka", "topics", "check", *named.flags)
    assert ran.code == 3
    assert f"--topic {named.inbox} --add-config retention.ms=604800000" in ran.err


def test_lag_of_inbox_and_relay(leadflow: Run, named: Named) -> None:
    with open_store("sqlite:///leads.db", create=True) as store:
        record_many(store, 5)
    leadflow("kafka", "topics", "create", *named.flags, "--partitions", "2")
    producer = client.producer(Connection(named.brokers))
    for number in range(3):
        producer.send(named.inbox, b"{}", b"shop:1", partition=number % 2).get(timeout=30)
    producer.close()
    found = leadflow("kafka", "lag", *named.flags, "--json").json
    assert [
        (row["partition"], row["current_offset"], row["log_end_offset"], row["lag"])
        for row in found["partitions"]
    ] == [(0, 0, 2, 2), (1, 0, 1, 1)]
    assert found["partitions"][0]["seconds_behind"] > 0
    assert (found["relay"]["position"], found["relay"]["lag"]) == (0, 20)
    assert leadflow("kafka", "lag", *named.flags, "--fail-if-lag-over", "20").code == 0
    assert leadflow("kafka", "lag", *named.flags, "--fail-if-lag-over", "19").code == 3
    assert leadflow("kafka", "lag", *named.flags, "--fail-if-lag-over", "1h").code == 0
    assert leadflow("kafka", "lag", *named.flags, "--fail-if-lag-over", "0s").code == 3
    shown = leadflow("kafka", "lag", *named.flags).out.splitlines()
    titles = ["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "RATE/s", "BEHIND"]
    assert shown[0].split() == titles
    text = leadflow("kafka", "lag", *named.flags, "--prometheus").out
    assert f'leadflow_kafka_lag_records{{partition="0",topic="{named.inbox}"}} 2.0' in text
    assert "leadflow_relay_lag_events 20.0" in text


def test_publishing_again_is_asked_for(leadflow: Run, named: Named, elsewhere: Path) -> None:
    with open_store("sqlite:///leads.db", create=True) as store:
        record_many(store, 5)
    leadflow("kafka", "topics", "create", *named.flags)
    relay = ("kafka", "relay", "--brokers", named.brokers, "--topic", named.events, "--once")
    assert leadflow(*relay).out.startswith(f"20 events published to {named.events} in 1 trans")
    refused = leadflow(*relay, "--from-position", "3")
    assert refused.code == 1
    assert "3 to 20 will be there twice" in refused.err
    assert "21 to 22 will never be there" in leadflow(*relay, "--from-position", "23").err
    assert leadflow(*relay, "--from-position", "3", "--yes").code == 0
    verified = leadflow(*relay[:-1], "--verify", "--json")
    assert verified.code == 3
    assert (verified.json["position"], verified.json["kind"]) == (3, "doubled")


def test_a_broker_has_to_be_named_and_reached(
    leadflow: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadflow.kafka import connecting

    monkeypatch.setattr(connecting, "BOOTSTRAP_MS", 500)
    assert leadflow("kafka", "topics", "check").code == 2
    ran = leadflow("kafka", "topics", "check", "--bootstrap-server", "127.0.0.1:1", "--json")
    assert (ran.code, ran.error["code"]) == (1, "broker_unreachable")
    assert leadflow("kafka", "topics", "check", "--brokers", "nowhere").code == 2
