"""Options and wording that the commands about builds of read models share."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from leadflow_commands.moments import duration

if TYPE_CHECKING:
    from leadflow_commands.progress import Progress
    from leadflow_projections.building import Progress as Step

F = TypeVar("F", bound=Callable[..., Any])
BuildNumber = tuple[int, int]
"""Version and build, written as `1.2`."""


class _Number(click.ParamType[BuildNumber]):
    name = "build"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> BuildNumber:
        if isinstance(value, tuple):
            return cast("BuildNumber", value)
        match = re.fullmatch(r"(\d{1,9})\.(\d{1,9})", value)
        if match is None:
            self.fail(f"{value!r} is no build; write VERSION.BUILD, such as 1.2", param, ctx)
        return int(match[1]), int(match[2])


def build_option(text: str) -> Callable[[F], F]:
    """`--build VERSION.BUILD`, as `projections status` shows it."""
    return click.option("--build", "number", type=_Number(), metavar="V.B", help=text)


from_option = click.option(
    "--from",
    "origin",
    type=click.Choice(["auto", "log", "archive"]),
    default="auto",
    show_default=True,
    help="Where events are read: the log alone, the archive's segments and then the tail, or "
    "whatever of these there is.",
)

threads_option = click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Use N threads; else one per core."
)


def shown(progress: Progress) -> Callable[[Step], None]:
    """What shows the steps of work on builds."""

    def show(step: Step) -> None:
        eta = step.eta_seconds
        place = f"position {step.position:,} of {step.high_water_mark:,}"
        left = f", {duration(eta)} left" if eta else ""
        progress.reach(
            step.events,
            step.of or None,
            says=f"{step.phase}, {place}{left}",
            facts={
                "phase": step.phase,
                "position": step.position,
                "high_water_mark": step.high_water_mark,
                "events_per_second": round(step.events_per_second),
                "eta_seconds": None if eta is None else round(eta, 1),
            },
        )

    return show


def count(number: int | None) -> str:
    """A number with its thousands apart; nothing for None."""
    return "" if number is None else f"{number:,}"


def megabytes(size: int | None) -> str:
    """A size for people; nothing for None."""
    if size is None:
        return ""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = parts or [""]
    return f"{', '.join(others)} and {last}" if others else last
