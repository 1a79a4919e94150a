"""`leadflow projections`: the read models, how they are, following the log, rebuilding."""

from __future__ import annotations

from typing import Any

import click

from leadflow_commands.build_options import count
from leadflow_commands.frame import Command, Group, Lazy, pass_session
from leadflow_commands.output import Column
from leadflow_commands.projection_names import module_option
from leadflow_commands.session import Session


@click.group(
    cls=Group,
    examples="""
    leadflow projections run --once
    leadflow projections status
    leadflow projections rebuild
    """,
    lazy={
        "run": Lazy(
            "leadflow_commands.run_command:run",
            "Keep read models with the log; what has none yet gets one first.",
        ),
        "parked": Lazy(
            "leadflow_commands.parked_commands:parked",
            "See and replay leads that wait because an event cannot be taken in.",
        ),
        "status": Lazy(
            "leadflow_commands.status_command:status",
            "Say how far each build is behind the log, who runs it, and its last error.",
        ),
        "rebuild": Lazy(
            "leadflow_commands.rebuild_commands:rebuild",
            "Make new builds of read models from the log, beside what readers see.",
        ),
        "diff": Lazy(
            "leadflow_commands.compare_commands:diff",
            "Say what readers would see change if the builds that are ready were promoted.",
        ),
        "promote": Lazy(
            "leadflow_commands.rebuild_commands:promote",
            "Let readers see the new builds that are ready.",
        ),
        "rollback": Lazy(
            "leadflow_commands.rebuild_commands:rollback",
            "Let readers see the previous builds again.",
        ),
        "cancel": Lazy("leadflow_commands.rebuild_commands:cancel", "Throw new builds away."),
        "drop": Lazy("leadflow_commands.rebuild_commands:drop", "Drop previous builds."),
        "verify": Lazy(
            "leadflow_commands.compare_commands:verify",
            "Fold the log afresh, and compare the stored rows with that.",
        ),
    },
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
                (row["projection"], row["version"], _read_model(row), count(row["position"]))
                for row in rows
            ],
        ),
    )


def _read_model(row: dict[str, Any]) -> str:
    if row["live_build"] is None:
        return "not built yet"
    return f"build {row['live_build']}" if row["current"] else "of another definition: rebuild it"
