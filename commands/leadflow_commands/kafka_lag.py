"""`leadflow kafka lag`: how far ingest and relay are behind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command
from leadflow_commands.moments import duration
from leadflow_commands.output import Column, Output
from leadflow_commands.session import Session
from leadflow_commands.status_command import LAG

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prometheus_client.core import Metric

    from leadflow.kafka.lag import Lag


@click.command(
    cls=Command,
    shares=("store", "brokers"),
    examples="""
    leadflow kafka lag
    leadflow kafka lag --json
    # in a check: exit 3 when more than 1000 wait in a partition, or one for over a minute
    leadflow kafka lag --fail-if-lag-over 1000
    leadflow kafka lag --fail-if-lag-over 1min
    # for Prometheus's textfile collector
    leadflow kafka lag --prometheus
    """,
)
@click.option("--inbox", default="leadflow.inbox", show_default=True, help="What ingest reads.")
@click.option("--events", default="leadflow.events", show_default=True, help="Where relay writes.")
@click.option(
    "--fail-if-lag-over",
    "limit",
    type=LAG,
    metavar="LAG",
    help="Exit 3 when a partition or the relay is further behind: records, or a time (5min).",
)
@click.option("--prometheus", is_flag=True, help="Print Prometheus's text format.")
@click.pass_context
def lag(
    ctx: click.Context,
    inbox: str,
    events: str,
    limit: Mapping[str, float] | None,
    prometheus: bool,
) -> None:
    """Say how far ingest and relay are behind, and how fast they are; takes a second.

    CURRENT-OFFSET is what the store has recorded, which is the truth; Kafka is told the same
    for information. LAG counts offsets, among them the ends of a producer's transactions.
    """
    from leadflow.kafka.lag import measure

    session = ctx.ensure_object(Session)
    with session.store() as store:
        found = measure(store, session.kafka, inbox=inbox, events=events)
    if prometheus:
        from leadflow_projections.exporting import as_text

        session.output.line(as_text(lambda: _metrics(found)).rstrip("\n"))
    else:
        session.output.result(found.as_data(), lambda: _show(session.output, found))
    if limit is not None and _exceeds(found, limit):
        ctx.exit(DIFFERENCE)


def _exceeds(found: Lag, limit: Mapping[str, float]) -> bool:
    if "events" in limit:
        return found.greatest > limit["events"]
    return timedelta(seconds=found.seconds) > timedelta(seconds=limit["seconds"])


def _show(output: Output, found: Lag) -> None:
    names = ("PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "RATE/s", "BEHIND")
    rows: list[tuple[object, ...]] = [
        (
            row.topic,
            row.partition,
            row.current_offset,
            row.log_end_offset,
            row.lag,
            row.records_per_second,
            duration(row.seconds_behind),
        )
        for row in found.inbox
    ]
    relay = found.relay
    if relay is not None:
        rows.append(
            (
                relay.topic,
                "relay",
                relay.position,
                relay.log_position,
                relay.lag,
                relay.events_per_second,
                duration(relay.seconds_behind),
            )
        )
    output.table([Column("TOPIC"), *(Column(name, right=True) for name in names)], rows)
    if not rows:
        output.note("No topic of leadflow's is there.", hint="`leadflow kafka topics create`")


def _metrics(found: Lag) -> Iterable[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    labels = ("topic", "partition")
    records = GaugeMetricFamily(
        "leadflow_kafka_lag_records", "Records of the inbox not recorded yet.", labels=labels
    )
    seconds = GaugeMetricFamily(
        "leadflow_kafka_lag_seconds", "How long the first of them waits.", labels=labels
    )
    for row in found.inbox:
        records.add_metric([row.topic, str(row.partition)], row.lag)
        seconds.add_metric([row.topic, str(row.partition)], row.seconds_behind)
    yield from (records, seconds)
    if found.relay is not None:
        relay = found.relay
        yield GaugeMetricFamily(
            "leadflow_relay_position", "The last log position that is published.", relay.position
        )
        yield GaugeMetricFamily(
            "leadflow_relay_lag_events", "Events of the log not published yet.", relay.lag
        )
        yield GaugeMetricFamily(
            "leadflow_relay_lag_seconds", "How long the first of them waits.", relay.seconds_behind
        )
