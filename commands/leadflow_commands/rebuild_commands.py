"""`leadflow projections rebuild`, and what becomes of builds: promote, rollback, cancel, drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from leadflow_commands.build_options import (
    BuildNumber,
    build_option,
    count,
    from_option,
    listed,
    megabytes,
    shown,
    threads_option,
)
from leadflow_commands.diff_text import tell_diff
from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.moments import duration
from leadflow_commands.projection_names import projection_names
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection
    from leadflow_projections.planning import Plan
    from leadflow_projections.promoting import Shown
    from leadflow_projections.rebuilding import Rebuilt
    from leadflow_projections.sourcing import Origin

_REBUILD_EXAMPLES = """
    # what it would take
    leadflow projections rebuild --plan
    # beside what readers see, up to ready
    leadflow projections rebuild
    # and let readers see it, unless more than 10 leads change
    leadflow projections rebuild sales_queue --promote --fail-if-changed 10
    """


@click.command(cls=Command, examples=_REBUILD_EXAMPLES, shares=("store", "archive"))
@projection_names
@click.option("--promote", is_flag=True, help="Let readers see the new builds when they are ready.")
@click.option(
    "--fail-if-changed",
    type=click.IntRange(min=0),
    metavar="N",
    help="Exit with 3, and promote nothing, where more than N leads would change.",
)
@click.option("--plan", is_flag=True, help="Only say how many events, how long, how much room.")
@from_option
@click.option(
    "--max-rate",
    type=click.FloatRange(min=1),
    metavar="N",
    help="Fold no more than N events per second: others need the machine too.",
)
@threads_option
@click.option("--park", is_flag=True, help="Set leads aside that cannot be folded, and go on.")
@pass_session
def rebuild(
    session: Session,
    /,
    *,
    names: tuple[str, ...],
    promote: bool,
    fail_if_changed: int | None,
    plan: bool,
    origin: Origin,
    max_rate: float | None,
    threads: int | None,
    park: bool,
) -> int:
    """Make new builds of read models from the log, beside what readers see.

    What is live goes on serving and following. Where nothing is live, the new build is
    promoted at once; else it stops when it is ready, says what would change, and how to
    promote it. Killed at any moment, it is gone on with by the same command.
    """
    from leadflow_projections.rebuilding import Wish, rebuild_projections
    from leadflow_projections.registry import named

    projections = named(names or None)
    if plan:
        with session.store() as store:
            _tell_plan(session, _planned(store, projections, origin, max_rate, threads))
        return 0
    wish = Wish(promote, fail_if_changed, origin, max_rate, threads, park)
    with session.store(write=True) as store:
        _warn_of_changed(session, store, projections)
        with session.output.progress("Rebuilding") as progress:
            rebuilt = rebuild_projections(store, projections, wish, progress=shown(progress))
    session.output.result(rebuilt.as_data(), lambda: _tell_rebuilt(session, rebuilt))
    changed = rebuilt.diff.changed if rebuilt.diff is not None else 0
    return DIFFERENCE if fail_if_changed is not None and changed > fail_if_changed else 0


def _planned(
    store: Store,
    projections: Sequence[Projection],
    origin: Origin,
    max_rate: float | None,
    threads: int | None,
) -> Plan:
    from leadflow_projections.planning import plan_rebuild

    return plan_rebuild(store, projections, origin=origin, max_rate=max_rate, threads=threads)


def _warn_of_changed(session: Session, store: Store, projections: Sequence[Projection]) -> None:
    from leadflow_projections.checkpoints import all_builds, live_build

    builds = all_builds(store)
    for projection in projections:
        live = live_build(builds, projection.name)
        if live is None or live.version != projection.version:
            continue
        if live.fingerprint != projection.fingerprint:
            session.output.warn(
                f"The definition of {projection.name} changed, and its version is still "
                f"{projection.version}: {live.fingerprint} is live, {projection.fingerprint} is "
                "built now.",
                hint="raise its version, so that programs with either can be told apart",
            )


def _tell_plan(session: Session, plan: Plan) -> None:
    free = "not known here" if plan.disk_free_bytes is None else megabytes(plan.disk_free_bytes)

    def text() -> None:
        session.output.pairs(
            [
                ("projections", ", ".join(plan.projections)),
                ("events", count(plan.events)),
                ("rate", f"{plan.events_per_second:,.0f} events/s"),
                ("time", f"about {duration(max(1, plan.seconds))}"),
                ("rows", f"about {plan.rows:,}"),
                ("disk needed", f"about {megabytes(plan.disk_needed_bytes)}"),
                ("disk free", free),
            ]
        )
        sample = f"The rate is that of {plan.sample_events:,} events folded just now."
        session.output.note(sample + " Nothing was written.")

    session.output.result(plan.as_data(), text)
    if plan.fits is False:
        session.output.warn(
            "There is not enough room for the new builds.",
            hint="`leadflow projections drop` frees that of previous builds",
        )


def _tell_rebuilt(session: Session, rebuilt: Rebuilt) -> None:
    data = rebuilt.as_data()
    line = session.output.line
    line(
        f"Rebuilt {', '.join(data['projections'])}: {data['events']:,} events in "
        f"{data['seconds']:.1f} s, {data['events_per_second']:,} events/s, "
        f"{data['peak_memory_mb']:,} MB."
    )
    if rebuilt.diff is not None:
        tell_diff(session.output, rebuilt.diff)
    _tell_shown(session, rebuilt.promoted, "shows")
    if rebuilt.exceeded:
        line("More leads change than is allowed: nothing was promoted.")
    if rebuilt.ready:
        builds = [f"{b.projection} {b.version}.{b.build}" for b in rebuilt.ready]
        line(f"Ready, and not shown yet: {listed(builds)}.")
        line(f"To let readers see it:  {data['next']}")
        names = " ".join(build.projection for build in rebuilt.ready)
        line(f"To throw it away:       leadflow projections cancel {names}")


def _tell_shown(session: Session, builds: Sequence[Shown], verb: str) -> None:
    for each in builds:
        former = "" if each.replaced is None else f"; {each.replaced} is kept for a rollback"
        session.output.line(
            f"{each.projection} {verb} build {each.version}.{each.build}, "
            f"at position {each.position:,}{former}."
        )


@click.command(
    cls=Command,
    examples="""
    leadflow projections cancel
    leadflow projections cancel sales_queue
    """,
)
@projection_names
@pass_session
def cancel(session: Session, /, names: tuple[str, ...]) -> None:
    """Throw new builds away, ready or not; a rebuild that is at work stops.

    Readers notice nothing, since no view showed them.
    """
    from leadflow_projections.dropping import cancel_builds

    with session.store(write=True) as store:
        builds = cancel_builds(store, names)
    _tell_gone(session, "Cancelled", [b.key for b in builds], "No new build is there to cancel.")


def _tell_gone(
    session: Session, word: str, keys: Sequence[tuple[str, int, int]], nothing: str
) -> None:
    data = [{"projection": name, "version": v, "build": b} for name, v, b in keys]
    said = listed([f"{name} {v}.{b}" for name, v, b in keys])
    session.output.result(data, lambda: session.output.line(f"{word} {said}." if keys else nothing))


@click.command(
    cls=Command,
    examples="""
    leadflow projections promote
    leadflow projections promote stage_board
    """,
)
@projection_names
@pass_session
def promote(session: Session, /, names: tuple[str, ...]) -> None:
    """Let readers see the new builds that are ready: all of them in one transaction.

    They are brought up to the log's end first. What was shown until now stays, for
    `leadflow projections rollback`, until it is dropped.
    """
    from leadflow_projections.promoting import promote_builds, ready_builds
    from leadflow_projections.registry import named

    with session.store(write=True) as store, session.output.progress("Promoting") as progress:
        ready = ready_builds(store, named(names or None), named=bool(names))
        builds = promote_builds(store, ready, progress=shown(progress))
    session.output.result(
        [each.as_data() for each in builds], lambda: _tell_shown(session, builds, "shows")
    )


@click.command(
    cls=Command,
    examples="""
    leadflow projections rollback stage_board
    leadflow projections rollback stage_board --build 1.1
    """,
)
@projection_names
@build_option("The previous build to show; else the one that was shown last.")
@pass_session
def rollback(session: Session, /, names: tuple[str, ...], number: BuildNumber | None) -> None:
    """Let readers see the previous builds again, at once: all of them in one transaction.

    A runner brings them up to the log's end. What was shown until now becomes previous.
    """
    from leadflow_projections.promoting import roll_back
    from leadflow_projections.registry import named

    _one_name(names, number)
    with session.store(write=True) as store:
        builds = roll_back(store, names, named(None), number)
    session.output.result(
        [each.as_data() for each in builds], lambda: _tell_shown(session, builds, "shows again")
    )
    behind = {each.projection: each.lag_events for each in builds if each.lag_events}
    for name, events in behind.items():
        session.output.note(
            f"{name} is {events:,} {'event' if events == 1 else 'events'} behind the log; "
            "whoever runs it brings it up.",
            hint="where nobody does: `leadflow projections run --once`",
        )


@click.command(
    cls=Command,
    examples="""
    leadflow projections drop
    leadflow projections drop stage_board --build 1.1 --yes
    """,
)
@projection_names
@build_option("The previous build to drop; else all of them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def drop(
    session: Session, /, names: tuple[str, ...], number: BuildNumber | None, yes: bool
) -> None:
    """Drop previous builds, which frees their room; there is no rollback to them then."""
    from leadflow_projections.dropping import drop_builds, find_builds
    from leadflow_projections.sizes import build_bytes

    _one_name(names, number)
    with session.store(write=True) as store:
        builds = find_builds(store, "previous", names, number)
        if builds:
            size = sum(known or 0 for known in build_bytes(store, builds))
            said = listed([f"{b.projection} {b.version}.{b.build}" for b in builds])
            session.output.confirm(f"Drop {said} ({megabytes(size)})?", yes=yes)
            drop_builds(store, builds)
    _tell_gone(session, "Dropped", [b.key for b in builds], "No previous build is there to drop.")


def _one_name(names: Sequence[str], number: BuildNumber | None) -> None:
    if number is not None and len(names) != 1:
        raise click.UsageError("--build needs the name of its projection")
