"""Progress of long work: a bar on a terminal, one plain line each ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import click

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

EVERY_SECONDS: Final = 10.0


class Progress:
    """Used in a `with` block; told of the work done by `advance` or `reach`."""

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        mode: Literal["bar", "plain", "json", "silent"],
        color: bool = False,
    ) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._mode = mode
        self._color = color
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._says = ""
        self._facts: Mapping[str, Any] = {}
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Self:
        self._began = self._said = time.monotonic()
        if self._mode == "bar":
            self._bar = _bar(self._color)
            self._task = self._bar.add_task(self.label, total=self.total, rate="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, count: int = 1) -> None:
        """So much more is done."""
        self.reach(self.done + count)

    def reach(
        self,
        done: int,
        total: int | None = None,
        *,
        says: str = "",
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """So much is done in all; the total may still grow.

        `says` is shown to people beside it, `facts` are given to machines.
        """
        self.done = done
        self.total = self.total if total is None else total
        self._says, self._facts = says, facts or {}
        if self._bar is not None and self._task is not None:
            label = f"{self.label}: {says}" if says else self.label
            rate = f"{self._rate(time.monotonic()):,}/s"
            self._bar.update(
                self._task, completed=done, total=self.total, description=label, rate=rate
            )
        elif self._mode in ("plain", "json") and time.monotonic() - self._said >= EVERY_SECONDS:
            self._said = time.monotonic()
            self._say()

    def _say(self) -> None:
        rate = self._rate(self._said)
        left = round((self.total - self.done) / rate) if self.total and rate else None
        if self._mode == "json":
            from leadflow_commands.output import as_json

            state = {
                "label": self.label,
                "done": self.done,
                "total": self.total,
                "per_second": rate,
                "seconds_left": left,
                **self._facts,
            }
            click.echo(as_json({"progress": state}, indent=False), err=True)
            return
        share = f" of {self.total:,} ({self.done / self.total:.0%})" if self.total else ""
        says = f", {self._says}" if self._says else ""
        time_left = "" if left is None else f", {left // 60}:{left % 60:02d} left"
        click.echo(f"{self.label}: {self.done:,}{share}, {rate:,}/s{time_left}{says}", err=True)

    def _rate(self, moment: float) -> int:
        """How much was done a second, so far."""
        seconds = moment - self._began
        return round(self.done / seconds) if seconds > 0 else 0


def _bar(color: bool) -> Bar:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True, no_color=not color),
        transient=True,
    )
