"""`leadflow metrics`: the funnel and the durations, read from the log."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.choices import Among, PairType
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.moments import DURATION, MOMENT, GivenMoment, when
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_projections.archive.twin import Archive
    from leadflow_projections.metrics.selection import Selection


@click.group(
    cls=Group,
    examples="""
    leadflow metrics funnel --by source
    leadflow metrics funnel --as-of 2018-05-31
    leadflow metrics durations
    """,
)
def metrics() -> None:
    """Figures that say how leads become customers, and how long it takes.

    They are read from the log itself, need no running projection, and say up to which
    position of the log they go. What is undefined is shown as –, never as 0.
    """


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that all metrics share, as they were given."""

    as_of: GivenMoment | None
    known_at: GivenMoment | None
    since: GivenMoment | None
    until: GivenMoment | None
    basis: str
    within: timedelta | None
    where: Sequence[tuple[str, str]]
    by: str | None
    list_leads: bool
    form: str | None
    archive: Path | None

    def selection(self, session: Session) -> Selection:
        """The cycles asked about.

        Raises:
            click.UsageError: when the options contradict each other.
        """
        from leadflow.errors import InvalidInput
        from leadflow_projections.metrics.selection import Basis, Condition, Selection

        try:
            return Selection(
                basis=Basis(self.basis),
                since=None if self.since is None else self.since.first(session.zone),
                until=_last(self.until, session),
                within=self.within,
                where=tuple(Condition(field, value or None) for field, value in self.where),
                by=self.by,
                zone=session.settings.timezone,
            )
        except InvalidInput as problem:
            raise click.UsageError(f"{problem.message}; {problem.hint}") from None

    def moments(self, session: Session) -> dict[str, datetime | None]:
        """As of when, and known when; a bare date is its last instant."""
        return {
            "as_of": _last(self.as_of, session),
            "known_at": _last(self.known_at, session),
        }

    @contextmanager
    def log(self, session: Session) -> Generator[Store | Archive]:
        """What is read: the store, or the archive alone that was named.

        Raises:
            click.UsageError: when a store and an archive are both named.
        """
        if self.archive is None:
            with session.store() as store:
                yield store
            return
        from leadflow_projections.archive.twin import Archive
        from leadflow_projections.moments import moment

        if "store" in session.flags:
            raise click.UsageError(
                "--archive reads an archive without any store: leave --store out, "
                "or name its archive by LEADFLOW_ARCHIVE"
            )
        archive = Archive(self.archive)
        yield archive
        session.output.note(
            f"Read from the archive {archive.folder} alone, which knows the log up to "
            f"{when(moment(archive.survey().segments[-1].recorded_to), session.zone)}."
        )

    def format(self, session: Session) -> str:
        """How the figures are written.

        Raises:
            click.UsageError: when --json and another --format are both given.
        """
        if session.json and self.form not in {None, "json"}:
            raise click.UsageError(f"--json and --format {self.form} exclude each other")
        return self.form or ("json" if session.json else "table")


def _last(given: GivenMoment | None, session: Session) -> datetime | None:
    return None if given is None else given.last(session.zone)


class StepsType(click.ParamType[tuple[str, ...]]):
    """Reads steps of the funnel, separated by commas."""

    name = "steps"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        from leadflow.errors import InvalidInput
        from leadflow_projections.metrics.funnel import choose_steps

        names = [name.strip().replace("-", "_") for name in str(value).split(",")]
        try:
            return tuple(stage.value for stage in choose_steps([name for name in names if name]))
        except InvalidInput as problem:
            self.fail(f"{problem.message}; {problem.hint}", param, ctx)


class PictureType(click.Path):
    """A file to draw into, whose name ends like a format that there is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if Path(str(value)).suffix.lower() not in {".html", ".png", ".svg"}:
            self.fail(
                f"{str(value)!r} names no picture; end it with .html, .png or .svg", param, ctx
            )
        return super().convert(value, param, ctx)


_SHARED = (
    click.option(
        "--as-of", type=MOMENT, help="What had happened by then; a date is its last instant."
    ),
    click.option("--known-at", type=MOMENT, help="What the log had learnt of by then."),
    click.option("--since", type=MOMENT, help="The period's first day or moment."),
    click.option("--until", type=MOMENT, help="The period's last day or moment, inclusive."),
    click.option(
        "--basis",
        type=Among(["cohort", "period"], what="basis"),
        default="cohort",
        show_default=True,
        help="cohort: what became of those that began in the period. "
        "period: what happened in the period, whoever it happened to.",
    ),
    click.option(
        "--within",
        type=DURATION,
        help="Count each one only so long from its beginning, such as 90d; those whose "
        "window has not ended are left out and counted apart.",
    ),
    click.option(
        "--where",
        type=PairType(),
        multiple=True,
        help="Only these; the same field again is an alternative, another field narrows. "
        "FIELD= asks for a blank one.",
    ),
    click.option(
        "--by",
        metavar="FIELD",
        help="Group by source, campaign, channel, landing_page, sales_type, owner, tier, cycle, "
        "or a dimension or enriched field of the leads.",
    ),
    click.option("--list-leads", is_flag=True, help="The leads behind every figure too."),
    click.option(
        "--format",
        "form",
        type=Among(["table", "json", "csv", "parquet"], what="format"),
        help="How to write the figures; else table.",
    ),
    click.option(
        "--archive",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Read an archive alone, such as a copy of it, without any store.",
    ),
)


def asking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that all metrics share."""
    for option in reversed(_SHARED):
        command = option(command)
    return command


@metrics.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    # every lead there is, then source by source
    leadflow metrics funnel
    leadflow metrics funnel --by source
    # as it was at the end of a past day
    leadflow metrics funnel --as-of 2018-05-31
    # leads of January, and what became of them in their first 90 days
    leadflow metrics funnel --since 2018-01-01 --until 2018-01-31 --within 90d
    # what happened in January, whenever the lead came
    leadflow metrics funnel --basis period --since 2018-01-01 --until 2018-01-31
    # a picture, and one page with figures and definitions
    leadflow metrics funnel --plot funnel.png
    leadflow metrics funnel --by source --plot funnel.html
    """,
)
@asking
@click.option(
    "--steps",
    type=StepsType(),
    metavar="STEP,…",
    help="The steps shown; else captured,qualified,sales_ready,handed_over,offered,customer.",
)
@click.option("--strict", is_flag=True, help="Count entered steps only, not those skipped.")
@click.option(
    "--plot",
    type=PictureType(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw it too, into FILE.html (one page that needs no network), FILE.png or FILE.svg.",
)
@pass_session
def funnel(
    session: Session,
    /,
    steps: tuple[str, ...] | None,
    strict: bool,
    plot: Path | None,
    **options: Any,
) -> None:
    """How many leads reached each step, and what became of the others.

    Reached: entered the step or any later one. In every row reached = went on + lost +
    disqualified + open; the last row has nowhere to go on to. Each cycle counts once: a
    lead that was reopened has several.
    """
    from leadflow_commands.metric_tables import show_funnel
    from leadflow_projections.metrics.funnel import choose_steps
    from leadflow_projections.metrics.reading import read_funnel

    asked = Asked(**options)
    form = asked.format(session)
    selection = asked.selection(session)
    with asked.log(session) as log:
        read = read_funnel(
            log,
            selection,
            **asked.moments(session),
            steps=choose_steps(steps or ()),
            strict=strict,
            list_leads=asked.list_leads,
        )
    if plot is not None:
        from leadflow_projections.pictures.files import draw_funnel

        draw_funnel(read, plot)
    show_funnel(session, read, form)
    if plot is not None:
        session.output.note(f"The picture is in {plot}.")


@metrics.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow metrics durations
    leadflow metrics durations --by source --json
    # those who bought in the first quarter, whenever they came
    leadflow metrics durations --basis period --since 2018-01-01 --until 2018-03-31
    """,
)
@asking
@pass_session
def durations(session: Session, /, **options: Any) -> None:
    """How long it takes: lead time and time to handover, in days.

    lead_time: capture to first purchase. time_to_handover: capture to first handover. What
    is still open is counted and in no average; what is dated before its capture stays in,
    and is counted as negative. Quartiles interpolate linearly.
    """
    from leadflow_commands.metric_tables import show_durations
    from leadflow_projections.metrics.reading import read_durations

    asked = Asked(**options)
    form = asked.format(session)
    selection = asked.selection(session)
    with asked.log(session) as log:
        read = read_durations(log, selection, **asked.moments(session), list_leads=asked.list_leads)
    show_durations(session, read, form)
