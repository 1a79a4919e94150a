"""Writes docs/reference/cli.md from the commands themselves:

python -m leadflow_commands.reference > docs/reference/cli.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Final

import click

from leadflow_commands.frame import Command, Group, SharedOption
from leadflow_commands.main import cli
from leadflow_commands.settings import ENVIRONMENT
from leadflow_commands.shapes import SHAPES

_INTRODUCTION: Final = """
# The command line
<!-- Written by `python -m leadflow_commands.reference`; do not edit. -->

One program, `leadflow`. Results go to stdout, all else to stderr: errors in one sentence with
a hint of the next step, notes, progress (a bar on a terminal, elsewhere a line each ten
seconds). With `--json` a result is one JSON document, and an error is
`{"error": {"code", "message", "hint"}}` on stderr. Undefined is null. Keys may be added, never
renamed. Tables, on the other hand, are for people and may change.

A lead is named by its UUID, by a unique beginning of it, or by SYSTEM:ID, the id of its record
in another system. A moment is ISO 8601 with a zone, `2026-03-01T09:30:00Z`, or a bare date,
which means the whole day, in UTC unless `--tz` says otherwise. An amount is written with its
currency, `1999.00 EUR`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed: refused, not found, not readable; nothing was half done |
| 2 | wrong usage |
| 3 | a check found a difference, or a limit was passed |
| 130, 143 | ended by Ctrl-C, by SIGTERM |
| 141 | the reader of its output went away |
"""


def reference() -> str:
    """The whole page."""
    with click.Context(cli, info_name="leadflow", terminal_width=80) as ctx:
        parts = [_INTRODUCTION.strip(), _shared(ctx), _settings(), _shapes(), *_commands(cli, ctx)]
    return "\n\n".join(parts) + "\n"


def _shared(ctx: click.Context) -> str:
    options = [p for p in cli.get_params(ctx) if isinstance(p, SharedOption)]
    return "## Options before or after any command\n" + _rows("option", options, ctx)


def _settings() -> str:
    lines = [
        "## Settings",
        "A flag goes before a variable of the environment, that before `leadflow.toml` in the"
        " current directory, that before `leadflow/leadflow.toml` in the user's configuration"
        ' folder. In both files a setting is written `name = "value"`. Secrets are no settings:'
        " a key lies in a file or in `LEADFLOW_KEY`, a database's password in a password file or"
        " in `LEADFLOW_STORE`.",
        "",
        "| setting | variable |",
        "| --- | --- |",
        *(f"| `{name}` | `{variable}` |" for name, variable in ENVIRONMENT.items()),
        "| `key_file` | `LEADFLOW_KEY_FILE` |",
        "",
        "`LEADFLOW_DEBUG=1` shows where an error came from. `NO_COLOR` and `TERM=dumb` turn"
        " colours off.",
    ]
    return "\n".join(lines)


def _shapes() -> str:
    rows = [f"| {command} | `{_cell(shape)}` |" for command, shape in SHAPES.items()]
    return "\n".join(
        [
            "## Shapes of `--json`",
            "What scripts may rely on. A list may hold further keys than are named here.",
            "",
            "| command | shape |",
            "| --- | --- |",
            *rows,
        ]
    )


def _commands(group: click.Group, ctx: click.Context) -> Iterator[str]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None
        with click.Context(command, parent=ctx, info_name=name, terminal_width=80) as inner:
            yield _page(command, inner)
            if isinstance(command, click.Group):
                yield from _commands(command, inner)


def _page(command: click.Command, ctx: click.Context) -> str:
    depth = ctx.command_path.count(" ") + 1
    parts = [f"{'#' * depth} {ctx.command_path}", _prose(command.help or "")]
    if isinstance(command, (Command, Group)) and command.examples:
        parts.append(f"```sh\n{command.examples}\n```")
    if isinstance(command, click.Group):
        rows = [
            f"| `{name}` | {_cell(_summary(command, name, ctx))} |"
            for name in command.list_commands(ctx)
        ]
        parts.append("\n".join(["| command | |", "| --- | --- |", *rows]))
        return "\n\n".join(parts)
    parts.append(f"`{' '.join(ctx.command.get_usage(ctx).split()[1:])}`")
    own = [p for p in command.params if not isinstance(p, SharedOption)]
    arguments = [p for p in own if isinstance(p, click.Argument)]
    options = [p for p in own if isinstance(p, click.Option) and not p.hidden]
    parts += [_rows("argument", arguments, ctx)] if arguments else []
    parts += [_rows("option", options, ctx)] if options else []
    return "\n\n".join(parts)


def _summary(group: click.Group, name: str, ctx: click.Context) -> str:
    if isinstance(group, Group):
        return group.summary(name)
    command = group.get_command(ctx, name)
    return command.get_short_help_str(limit=200) if command else ""


def _prose(text: str) -> str:
    paragraphs = cleandoc(text).split("\n\n")
    return "\n\n".join(re.sub(r"\s+", " ", paragraph).strip() for paragraph in paragraphs)


def _rows(title: str, params: Sequence[click.Parameter], ctx: click.Context) -> str:
    lines = [f"| {title} | |", "| --- | --- |"]
    for param in params:
        record = param.get_help_record(ctx)
        if record is not None:
            name, text = record
            lines.append(f"| `{_cell(name)}` | {_cell(text)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|").strip()


if __name__ == "__main__":
    click.echo(reference(), nl=False)
