"""`leadflow kafka`: events in and out."""

from __future__ import annotations

from typing import Final

import click

from leadflow_commands.frame import Group, Lazy

COMMANDS: Final = {
    "ingest": Lazy(
        "leadflow_commands.kafka_ingest:ingest",
        "Record the facts that other systems send to a topic, each exactly once.",
    ),
    "relay": Lazy(
        "leadflow_commands.kafka_relay:relay",
        "Publish every event of the log to a topic, in order, exactly once.",
    ),
    "lag": Lazy("leadflow_commands.kafka_lag:lag", "Say how far ingest and relay are behind."),
    "topics": Lazy("leadflow_commands.kafka_topics:topics", "Make and check the topics."),
}


@click.group(
    cls=Group,
    lazy=COMMANDS,
    examples="""
    leadflow kafka topics create --brokers 127.0.0.1:9092
    leadflow kafka ingest --brokers 127.0.0.1:9092
    leadflow kafka relay --brokers 127.0.0.1:9092
    """,
)
def kafka() -> None:
    """Take facts in from Kafka and publish events to it.

    `--brokers` or LEADFLOW_KAFKA says where it is.
    """
