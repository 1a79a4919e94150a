"""`leadflow kafka relay`: the log, published."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import click

from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command
from leadflow_commands.session import Session
from leadflow_commands.stopping import until_told

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from leadflow.kafka.relay import Relay
    from leadflow.persistence.store import Store

EVENTS: Final = "leadflow.events"


@click.command(
    cls=Command,
    shares=("store", "brokers"),
    examples="""
    # until it is stopped
    leadflow kafka relay --brokers 127.0.0.1:9092
    # up to where the log ends now, in a job of its own
    leadflow kafka relay --once
    # is everything there, once and in order? exit 3 names the first position that is not
    leadflow kafka relay --verify
    """,
)
@click.option(
    "--topic",
    default=EVENTS,
    show_default=True,
    help="Where events go; how far it has come goes to TOPIC.position. One relay for each.",
)
@click.option("--with-personal", is_flag=True, help="Personal data too, decrypted; else none.")
@click.option("--once", is_flag=True, help="Stop at the log's end as it stood at the start.")
@click.option(
    "--from-position",
    type=click.IntRange(min=1),
    metavar="N",
    help="Begin at this event, whatever was published before; with --verify, look from there on.",
)
@click.option("--verify", is_flag=True, help="Publish nothing; compare the topic with the log.")
@click.option("--yes", is_flag=True, help="Publish again what the topic has, without asking.")
@click.option(
    "--transaction-timeout",
    type=click.FloatRange(1, 900),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="After so long without a word of the relay, the broker gives up its transaction.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve figures for Prometheus at /metrics; 0 takes a free port, and says which.",
)
@click.pass_context
def relay(
    ctx: click.Context,
    /,
    *,
    topic: str,
    with_personal: bool,
    once: bool,
    from_position: int | None,
    verify: bool,
    yes: bool,
    transaction_timeout: float,
    metrics_port: int | None,
) -> None:
    """Publish every event of the log to a topic, in order, exactly once.

    Records are CloudEvents 1.0, keyed by lead (murmur2, as Java's producers do), with the
    event's position in the log. Consumers have to read with isolation.level=read_committed.
    Personal data stays out. SIGTERM and Ctrl-C end the transaction that was begun, and exit 0.
    Started again, it goes on where it was, and never before it has compared the topic's end
    with the log.
    """
    session = ctx.ensure_object(Session)
    if verify:
        ctx.exit(_verify(session, topic, from_position or 1))
    from leadflow.kafka.relay import Limits, Relay
    from leadflow.kafka.relay_topics import Topics

    output, connection = session.output, session.kafka
    with ExitStack() as stack:
        store = stack.enter_context(session.store())
        stop = stack.enter_context(until_told())
        progress = stack.enter_context(output.progress("Publishing"))
        made = Relay(
            store,
            connection,
            topics=Topics(topic),
            personal=with_personal,
            limits=Limits(transaction_seconds=transaction_timeout),
            progress=progress.reach,
            stop=stop,
        )
        if from_position is not None:
            _ask(session, made, topic, from_position, yes=yes)
        if metrics_port is not None:
            from leadflow_projections.exporting import served

            port = stack.enter_context(served(metrics_port, lambda: _metrics(store, made)))
            output.note(f"Figures for Prometheus: http://localhost:{port}/metrics")
        if not once:
            output.note(f"Publishing the log to {topic}. Ctrl-C stops it.")
        relayed = made.run(once=once, from_position=from_position)
    output.result(
        {
            "topic": topic,
            "events": relayed.events,
            "transactions": relayed.transactions,
            "position": relayed.position,
        },
        lambda: output.line(
            f"{relayed.events:,} events published to {topic} in {relayed.transactions:,} "
            f"transactions, up to position {relayed.position:,}."
        ),
    )


def _ask(session: Session, made: Relay, topic: str, from_position: int, *, yes: bool) -> None:
    """What is published twice, or never, should be meant so."""
    published = made.published()
    if from_position <= published:
        session.output.confirm(
            f"{topic} goes up to position {published:,}: {from_position:,} to {published:,} will"
            " be there twice. Go ahead?",
            yes=yes,
        )
    elif from_position > published + 1:
        session.output.confirm(
            f"{topic} goes up to position {published:,}: {published + 1:,} to"
            f" {from_position - 1:,} will never be there. Go ahead?",
            yes=yes,
        )


def _verify(session: Session, topic: str, from_position: int) -> int:
    from leadflow.kafka.relay_audit import Fault, verify_relay
    from leadflow.kafka.relay_topics import Topics

    output, connection = session.output, session.kafka
    with session.store() as store, output.progress("Verifying") as progress:
        outcome = verify_relay(
            store,
            connection,
            Topics(topic),
            from_position=from_position,
            progress=progress.reach,
        )
    if isinstance(outcome, Fault):
        data = {"ok": False, "position": outcome.position, "kind": outcome.kind}
        output.result(
            data | {"what": outcome.what},
            lambda: output.line(f"{topic} is not what the log has: {outcome.what}."),
        )
        return DIFFERENCE
    output.result(
        {
            "ok": True,
            "first": outcome.first,
            "position": outcome.position,
            "behind": outcome.behind,
        },
        lambda: output.line(
            f"{topic} holds every event from position {outcome.first:,} to {outcome.position:,},"
            f" once and in order; {outcome.behind:,} are still to come."
        ),
    )
    return 0


def _metrics(store: Store, made: Relay) -> Iterable[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    head, position = store.head().position, made.position
    yield GaugeMetricFamily("leadflow_log_position", "The position of the last event.", head)
    yield GaugeMetricFamily(
        "leadflow_relay_position", "The last log position that is published.", position
    )
    yield GaugeMetricFamily(
        "leadflow_relay_lag_events", "Events of the log not published yet.", head - position
    )
