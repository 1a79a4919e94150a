"""`leadflow projections`: the read models, how they are, following the log, rebuilding."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.moments import duration
from leadflow_commands.output import Column
from leadflow_commands.projection_names import module_option, projection_names
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow_commands.progress import Progress
    from leadflow_projections.rebuilding import Progress as Step


@click.group(
    cls=Group,
    examples="""
    leadflow projections run --once
    leadflow projections status
    leadflow projections rebuild
    """,
)
def projections() -> None:
    """Run and rebuild the read models.

    A read model is a table in the store that is folded from the event log: stage_board,
    sales_queue, conversion. Dashboards read it with SQL; it can be made anew at any time.
    """


@projections.command("list", cls=Command, examples="leadflow projections list")
@module_option
@pass_session
def list_all(session: Session, /) -> None:
    """List the projections of this program, and what the store has of each."""
    from leadflow_projections.runtime import list_projections

    with session.store() as store:
        rows = list_projections(store)
    session.output.result(
        rows,
        lambda: session.output.table(
            [
                Column("projection"),
                Column("version", right=True),
                Column("read model"),
                Column("position", right=True),
            ],
            [
                (row["projection"], row["version"], _read_model(row), _count(row["position"]))
                for row in rows
            ],
        ),
    )


def _read_model(row: dict[str, Any]) -> str:
    if row["live_build"] is None:
        return "not built yet"
    return f"build {row['live_build']}" if row["current"] else "of another definition: rebuild it"


@projections.command(
    cls=Command,
    examples="""
    leadflow projections status
    leadflow projections status --json
    """,
)
@pass_session
def status(session: Session, /) -> None:
    """Say how far each build is behind the log, who runs it, and its last error."""
    from leadflow_projections.runtime import status as read_status

    with session.store() as store:
        rows = read_status(store)

    def text() -> None:
        if not rows:
            session.output.note(
                "No projection is built yet.", hint="`leadflow projections run --once` builds them"
            )
            return
        session.output.table(
            [
                Column("projection"),
                Column("build", right=True),
                Column("role"),
                Column("state"),
                Column("position", right=True),
                Column("lag", right=True),
                Column("since"),
                Column("runner", flexible=True),
                Column("last error", flexible=True),
            ],
            [
                (
                    row["projection"],
                    f"{row['version']}.{row['build']}",
                    row["role"],
                    row["state"],
                    _count(row["position"]),
                    _count(row["lag_events"]),
                    duration(row["lag_seconds"]) if row["lag_events"] else "",
                    _runner(row["runner"]),
                    row["last_error"],
                )
                for row in rows
            ],
        )

    session.output.result(rows, text)


def _runner(runner: dict[str, Any] | None) -> str:
    return "" if runner is None else f"{runner['host']}:{runner['pid']}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


@projections.command(
    cls=Command,
    examples="""
    # until it is stopped
    leadflow projections run
    # up to where the log ends now, in a job of its own
    leadflow projections run stage_board --once
    """,
)
@projection_names
@click.option("--once", is_flag=True, help="Stop at the log's end as it stood at the start.")
@pass_session
def run(session: Session, /, names: tuple[str, ...], once: bool) -> None:
    """Keep read models with the log; what has none yet gets one first.

    Stopped and started again, it goes on where it was.
    """
    from leadflow_projections.registry import known
    from leadflow_projections.runtime import run as follow

    chosen = names or tuple(known())
    if not once:
        session.output.note(f"Following the log: {', '.join(chosen)}. Ctrl-C stops it.")
    with session.store(write=True) as store, session.output.progress("Building") as progress:
        positions = follow(store, names or None, once=once, progress=_shown(progress))

    def text() -> None:
        for name, position in positions.items():
            session.output.line(f"{name} is at position {position:,}.")

    session.output.result({"positions": positions}, text)


@projections.command(
    cls=Command,
    examples="""
    leadflow projections rebuild
    leadflow projections rebuild sales_queue --json
    """,
)
@projection_names
@pass_session
def rebuild(session: Session, /, names: tuple[str, ...]) -> None:
    """Make read models anew from the log; readers see the former ones until then."""
    from leadflow_projections.runtime import rebuild as make_anew

    with session.store(write=True) as store, session.output.progress("Rebuilding") as progress:
        rebuilt = make_anew(store, names or None, progress=_shown(progress))
    data = rebuilt.as_data()
    session.output.result(
        data,
        lambda: session.output.line(
            f"Rebuilt {', '.join(data['projections'])}: {data['events']:,} events in "
            f"{data['seconds']:.1f} s, {data['events_per_second']:,} events/s, "
            f"{data['peak_memory_mb']:,} MB."
        ),
    )


def _shown(progress: Progress) -> Callable[[Step], None]:
    def show(step: Step) -> None:
        progress.reach(step.events, step.of)

    return show
