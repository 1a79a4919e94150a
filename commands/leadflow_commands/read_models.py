"""Reading a live read model from the command line: brought up to date where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from leadflow.errors import InvalidInput, StoreLocked, StoreReadOnly
from leadflow_projections.errors import BuildTaken, DefinitionChanged

if TYPE_CHECKING:
    from typing import TypeVar

    from leadflow.persistence.store import Store
    from leadflow_commands.session import Session

    T = TypeVar("T")


def bring_up_to_date(session: Session, store: Store, name: str) -> None:
    """Let a read model catch up with the log before it is read; says so on stderr.

    Where nothing may be written, or somebody else runs it, it is read as it stands, which
    is said too.
    """
    from leadflow_projections.runtime import list_projections, run

    live = next(row for row in list_projections(store) if row["projection"] == name)
    end = store.head().position
    behind = end - (live["position"] or 0)
    if live["live_build"] is not None and behind <= 0:
        return
    events = f"{behind:,} {'event' if behind == 1 else 'events'}"
    try:
        with session.output.progress(f"Building {name}", end) as progress:
            run(
                store,
                [name],
                once=True,
                progress=lambda step: progress.reach(step.events, step.of),
            )
    except (BuildTaken, DefinitionChanged, StoreLocked, StoreReadOnly) as reason:
        if live["live_build"] is not None:
            session.output.warn(
                f"{name} is {events} behind the log: {reason.message}",
                hint=reason.hint or f"`leadflow projections run {name}` keeps it with the log",
            )
        return
    if live["live_build"] is None:
        session.output.note(
            f"The read model {name} was not built yet; it was built from {events}.",
            hint="`leadflow projections run` keeps the read models with the log",
        )
    else:
        session.output.note(f"The read model {name} was {events} behind, and has caught up.")


def asking(question: Callable[[], T]) -> T:
    """Run a question whose conditions came from options: wrong ones are wrong usage."""
    try:
        return question()
    except InvalidInput as problem:
        hint = f"; {problem.hint}" if problem.hint else ""
        raise click.UsageError(f"{problem.message}{hint}") from None
