"""`leadflow projections diff` and `verify`: read models against each other and against the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.build_options import (
    BuildNumber,
    build_option,
    from_option,
    listed,
    threads_option,
)
from leadflow_commands.diff_text import tell_diff
from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.projection_names import projection_names
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leadflow_projections.comparing import RowDifference
    from leadflow_projections.sourcing import Origin
    from leadflow_projections.verifying import Verified

_MOST_COLUMNS = 6


@click.command(
    cls=Command,
    shares=("store", "archive"),
    examples="""
    leadflow projections diff
    # in a pipeline: exit 3 where more than 10 leads would change
    leadflow projections diff stage_board --fail-if-changed 10 --json
    """,
)
@projection_names
@click.option(
    "--fail-if-changed",
    type=click.IntRange(min=0),
    is_flag=False,
    flag_value=0,
    metavar="[N]",
    help="Exit with 3 where more than N leads would change; without N, where any would.",
)
@from_option
@threads_option
@pass_session
def diff(
    session: Session,
    /,
    *,
    names: tuple[str, ...],
    fail_if_changed: int | None,
    origin: Origin,
    threads: int | None,
) -> int:
    """Say what readers would see change if the builds that are ready were promoted.

    Both sides are compared at one position: the one that lags is brought up in memory,
    nothing is written. Leads are named as examples.
    """
    from leadflow_projections.comparisons import diff_ready

    with session.store() as store, session.output.progress("Comparing") as progress:
        found = diff_ready(
            store,
            names or None,
            origin=origin,
            threads=threads,
            tell=lambda events: progress.reach(events, says="events of the tail folded"),
        )
    session.output.result(found.as_data(), lambda: tell_diff(session.output, found))
    return DIFFERENCE if fail_if_changed is not None and found.changed > fail_if_changed else 0


class _Sample(click.ParamType[str]):
    """A number of leads, or a share of them with a percent sign."""

    name = "sample"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        number, percent = str(value).removesuffix("%"), str(value).endswith("%")
        try:
            good = 0 < float(number) <= 100 if percent else int(number) > 0
        except ValueError:
            good = False
        if not good:
            self.fail(f"{value!r} is no sample; write 500 (leads) or 5%", param, ctx)
        return str(value)


@click.command(
    cls=Command,
    shares=("store", "archive"),
    examples="""
    leadflow projections verify
    leadflow projections verify stage_board --sample 5%
    # a new build, before it is promoted
    leadflow projections verify stage_board --build 1.2
    """,
)
@projection_names
@click.option("--sample", type=_Sample(), metavar="N|P%", help="Only N leads, or P% of them.")
@build_option("Another build than the live one.")
@from_option
@threads_option
@pass_session
def verify(
    session: Session,
    /,
    *,
    names: tuple[str, ...],
    sample: str | None,
    number: BuildNumber | None,
    origin: Origin,
    threads: int | None,
) -> int:
    """Fold the log afresh, and compare the stored rows with that; exit 3 where they differ.

    Finds rows that were altered, deleted or added by hand, and a checkpoint that was moved:
    every event up to it must have been folded once, or be parked. Whoever runs the
    projections goes on meanwhile. Nothing is written.
    """
    from leadflow_projections.comparisons import verify_sample, verify_whole

    if number is not None and len(names) != 1:
        raise click.UsageError("--build needs the name of its projection")
    if sample is not None and origin == "archive":
        raise click.UsageError("a sample's events are read from the log, lead by lead")
    with session.store() as store, session.output.progress("Verifying") as progress:
        if sample is None:
            found = verify_whole(
                store,
                names or None,
                number,
                origin=origin,
                threads=threads,
                tell=progress.reach,
            )
        else:
            found = verify_sample(store, names or None, sample, number, threads=threads)
    session.output.result([each.as_data() for each in found], lambda: _tell(session, found))
    return 0 if all(each.is_well for each in found) else DIFFERENCE


def _tell(session: Session, found: Sequence[Verified]) -> None:
    for each in found:
        _tell_one(session, each)
    wrong = [each.projection for each in found if not each.is_well]
    if wrong:
        session.output.warn(
            f"{listed(wrong)}: the read model is not what the log says.",
            hint=f"`leadflow projections rebuild {' '.join(wrong)} --promote` makes it anew",
        )


def _tell_one(session: Session, each: Verified) -> None:
    line = session.output.line
    build = f"{each.projection} {each.version}.{each.build}"
    rows = sum(table.comparison.left_rows for table in each.tables)
    what = f"{rows:,} rows" if each.sample is None else f"{each.sample:,} leads sampled"
    place = f"at position {each.position:,}"
    if each.is_equal:
        hashes = " ".join(table.comparison.right_hash for table in each.tables)
        said = "" if each.sample is not None else f" Content {hashes}."
        line(f"{build} {place}: {what}, as the log has them.{said}")
    for table in each.tables:
        found = table.comparison
        if found.is_equal:
            continue
        counts = [
            f"{number:,} {word}"
            for number, word in (
                (found.altered, "altered"),
                (found.missing, "missing"),
                (found.extra, "added"),
            )
            if number
        ]
        line(f"{build} {place}: of {what} of {table.table}, {listed(counts)}.")
        for example in found.examples:
            line(f"  {_difference(example)}")
        rest = found.altered + found.missing + found.extra - len(found.examples)
        if rest > 0:
            line(f"  and {rest:,} more")
    if not each.is_balanced:
        line(_unbalanced(build, each))


def _unbalanced(build: str, each: Verified) -> str:
    if each.position > each.head:
        return (
            f"{build}: the checkpoint is at position {each.position:,}, and the log ends at "
            f"{each.head:,}."
        )
    return (
        f"{build}: the log has {each.events:,} events up to its checkpoint, and {each.folded:,} "
        f"were folded ({each.parked:,} are parked): the checkpoint was moved."
    )


def _difference(found: RowDifference) -> str:
    key = " ".join(str(part) for part in found.key.values())
    if found.kind == "missing":
        return f"{key}: missing"
    if found.kind == "extra":
        return f"{key}: added; the log has nothing of it"
    parts = [
        f"{name} is {stored!r}, the log says {folded!r}"
        for name, (folded, stored) in list(found.columns.items())[:_MOST_COLUMNS]
    ]
    more = len(found.columns) - len(parts)
    return f"{key}: {'; '.join(parts)}" + (f"; and {more} more columns" if more else "")
