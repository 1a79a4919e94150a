"""`leadflow projections run`: following the log."""

from __future__ import annotations

from contextlib import ExitStack

import click

from leadflow_commands.build_options import shown
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.projection_names import projection_names
from leadflow_commands.session import Session
from leadflow_commands.stopping import until_told


@click.command(
    cls=Command,
    shares=("store", "archive"),
    examples="""
    # until it is stopped
    leadflow projections run
    # with figures for Prometheus at http://localhost:9464/metrics
    leadflow projections run --metrics-port 9464
    # up to where the log ends now, in a job of its own
    leadflow projections run stage_board --once
    """,
)
@projection_names
@click.option("--once", is_flag=True, help="Stop at the log's end as it stood at the start.")
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Serve figures for Prometheus at /metrics; 0 takes a free port, and says which.",
)
@pass_session
def run(session: Session, /, names: tuple[str, ...], once: bool, metrics_port: int | None) -> None:
    """Keep read models with the log; what has none yet gets one first.

    SIGTERM and Ctrl-C stop it, with exit code 0: what was begun is finished, and the next
    start goes on from there. While the database is away it waits. On PostgreSQL several of
    them share the work. A lead with an event that cannot be read is parked, and the others
    go on: see `leadflow projections parked`.
    """
    from leadflow_projections.exporting import projection_metrics, served
    from leadflow_projections.registry import known
    from leadflow_projections.runtime import run as follow

    output = session.output
    with ExitStack() as stack:
        store = stack.enter_context(session.store(write=True))
        stop = stack.enter_context(until_told())
        if not once:
            chosen = ", ".join(names or tuple(known()))
            output.note(f"Following the log: {chosen}. Ctrl-C stops it.")
        if metrics_port is not None:
            port = stack.enter_context(served(metrics_port, lambda: projection_metrics(store)))
            output.note(f"Figures for Prometheus: http://localhost:{port}/metrics")
        progress = stack.enter_context(output.progress("Catching up"))
        positions = follow(
            store,
            names or None,
            once=once,
            stop=stop,
            progress=shown(progress),
            say=output.note,
        )

    def text() -> None:
        for name, position in positions.items():
            output.line(f"{name} is at position {position:,}.")

    output.result({"positions": positions}, text)
