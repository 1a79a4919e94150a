"""Everything the program prints: results on stdout, all else on stderr.

With `--json` a result is one JSON document on stdout, and each note, progress line or
error is one JSON object a line on stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

    from leadflow_commands.progress import Progress

_LEAST_WIDTH: Final = 6
"""What a flexible column keeps at least."""
_GAP: Final = 2
"""Blanks between columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its title, and how it gives way on a narrow terminal.

    `flexible` columns are shortened, by an ellipsis; where that is not enough, `spare` ones
    are left out. Others, such as numbers, are shown whole or not at all.
    """

    title: str
    right: bool = False
    flexible: bool = False
    spare: bool = False


class Output:
    """Where results, notes and errors of one call go."""

    def __init__(self, *, json: bool, quiet: bool, no_color: bool) -> None:
        self.json = json
        self.quiet = quiet
        self._no_color = no_color or bool(os.environ.get("NO_COLOR"))

    def result(self, data: Any, text: Callable[[], None]) -> None:
        """Print a result: as JSON, or for people by `text`."""
        if self.json:
            self.document(data)
        else:
            text()

    def document(self, data: Any) -> None:
        """Print one JSON document on stdout."""
        click.echo(as_json(data))

    def line(self, text: str = "") -> None:
        """Print a line of the result, or several."""
        click.echo(_visible(text, keep="\n\t"))

    def table(
        self, columns: Sequence[Column], rows: Iterable[Sequence[object]], *, title: str = ""
    ) -> None:
        """Print a table: aligned by blanks alone, as wide as it must be where piped."""
        from rich.table import Table

        cells = [[_plain(cell) for cell in row] for row in rows]
        console = self.console()
        widths = _fitting(columns, cells, console.width)
        table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
        for i, width in widths.items():
            table.add_column(
                columns[i].title,
                justify="right" if columns[i].right else "left",
                no_wrap=True,
                overflow="ellipsis",
                width=width,
            )
        for row in cells:
            table.add_row(*(row[i] for i in widths))
        if title:
            self.heading(title)
        with console.capture() as capture:
            console.print(table, crop=False, markup=False, highlight=False)
        click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))

    def heading(self, text: str) -> None:
        """Print the title of what follows."""
        click.echo(click.style(text, bold=True) if self.colored(sys.stdout) else text)

    def pairs(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print names and values below each other."""
        shown = [(name, _plain(value)) for name, value in pairs]
        widest = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            click.echo(f"{name:{widest}}  {value}".rstrip())

    def note(self, message: str, *, hint: str | None = None) -> None:
        """Say on stderr what the user should know; `-q` silences it."""
        if not self.quiet:
            self._say("note", message, hint)

    def warn(self, message: str, *, hint: str | None = None) -> None:
        """Say on stderr what the user must know, `-q` or not."""
        self._say("warning", message, hint)

    def error(self, code: str, message: str, hint: str | None) -> None:
        """Say on stderr what went wrong, and the next step."""
        if self.json:
            error = {"code": code, "message": message, "hint": hint}
            click.echo(as_json({"error": error}, indent=False), err=True)
        else:
            self._say("error", message, hint)

    def _say(
        self, kind: Literal["note", "warning", "error"], message: str, hint: str | None
    ) -> None:
        if self.json:
            click.echo(as_json({kind: {"message": message, "hint": hint}}, indent=False), err=True)
            return
        colored = self.colored(sys.stderr)
        color = {"note": None, "warning": "yellow", "error": "red"}[kind]
        label = "" if kind == "note" else f"{kind.capitalize()}: "
        shown = _visible(message, keep="\n")
        click.echo((click.style(label, fg=color) if colored else label) + shown, err=True)
        if hint:
            label = "Hint: "
            click.echo((click.style(label, fg="cyan") if colored else label) + hint, err=True)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before what cannot be undone; `--yes` answers, and no terminal means no.

        Raises:
            NotConfirmed: when the answer is no, or nobody is there to give one.
        """
        if yes:
            return
        if self.json or not sys.stdin.isatty():
            raise NotConfirmed(f"{question} Nobody can be asked here: give --yes to go ahead.")
        if not click.confirm(question, err=True):
            raise NotConfirmed("Nothing was changed.")

    def progress(self, label: str, total: int | None = None) -> Progress:
        """Progress on stderr: a bar on a terminal, else a line each ten seconds."""
        from leadflow_commands.progress import Progress

        bar = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.json
        mode: Literal["bar", "json", "plain"] = "bar" if bar else "json" if self.json else "plain"
        return Progress(
            label, total, mode="silent" if self.quiet else mode, color=self.colored(sys.stderr)
        )

    def console(self) -> Console:
        """A rich console for stdout; piped, it never shortens anything."""
        from rich.console import Console

        terminal = sys.stdout.isatty()
        return Console(
            file=sys.stdout,
            width=None if terminal else 10_000,
            no_color=not self.colored(sys.stdout),
            force_terminal=None if self.colored(sys.stdout) else False,
            emoji=False,
            markup=False,
            highlight=False,
        )

    def colored(self, stream: Any) -> bool:
        """Whether a stream gets colours: a terminal that was not told otherwise."""
        if self._no_color or os.environ.get("TERM") == "dumb":
            return False
        return bool(stream.isatty())


class NotConfirmed(click.ClickException):
    """A question was answered with no, or could not be asked."""


def as_json(data: Any, *, indent: bool = True) -> str:
    """JSON with instants in UTC and enums by value; a float that is none is null."""
    import orjson

    option = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS | (orjson.OPT_INDENT_2 if indent else 0)
    return orjson.dumps(data, option=option).decode()


def _plain(cell: object) -> str:
    """A cell's text on one line; nothing for None, and control characters made visible."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return _visible(str(cell))


def _visible(text: str, *, keep: str = "") -> str:
    """The text without what a terminal would obey: what came from outside may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else "·" for c in text)


def _fitting(columns: Sequence[Column], cells: list[list[str]], available: int) -> dict[int, int]:
    """The columns shown, and how wide: as they need it, less what some can spare."""
    from rich.cells import cell_len

    widths = {
        i: max([cell_len(column.title), *(cell_len(row[i]) for row in cells)])
        for i, column in enumerate(columns)
    }
    least = {i: min(_LEAST_WIDTH, w) if columns[i].flexible else w for i, w in widths.items()}
    for i in reversed([i for i, column in enumerate(columns) if column.spare]):
        if _with_gaps(least) > available:
            del least[i], widths[i]
    while _with_gaps(widths) > available:
        widest = max(widths, key=lambda i: widths[i] - least[i])
        if widths[widest] == least[widest]:
            break
        widths[widest] -= 1
    return widths


def _with_gaps(widths: dict[int, int]) -> int:
    return sum(widths.values()) + _GAP * (len(widths) - 1)
