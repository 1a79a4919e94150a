"""Whether the commands and options that a text names are commands and options of the program."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

import click

from leadflow_commands.main import cli
from tests.docs.pages import Page

_SHELLS: Final = ("console", "sh")
_PLACEHOLDER = re.compile(r"[A-Z…\[<(.]|\.\.\.")
_ENDS: Final = ("|", "||", "&&", ";", ">", ">>", "2>", "<", "&")


def context() -> click.Context:
    return click.Context(cli, info_name="leadflow")


def leaf_commands() -> Iterator[tuple[str, ...]]:
    """Every command that does something, by its words after `leadflow`."""
    yield from _leaves(cli, context(), ())


def _leaves(
    group: click.Group, ctx: click.Context, words: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        assert command is not None, f"{name} is listed, and cannot be loaded"
        if isinstance(command, click.Group):
            yield from _leaves(command, ctx, (*words, name))
        else:
            yield (*words, name)


def command_lines(page: Page) -> Iterator[tuple[str, str]]:
    """Every call of `leadflow` that a page shows or names, and where."""
    for code in page.inline_code():
        for call in calls_in(code):
            yield page.name, call
    for fence in page.fences():
        if fence.language not in _SHELLS:
            continue
        text = fence.text.replace("\\\n", " ")
        for line in text.splitlines():
            shown = line.removeprefix("$ ") if fence.language == "console" else line
            if fence.language == "console" and shown == line:
                continue
            for call in calls_in(shown):
                yield f"{page.name}:{fence.line}", call


def calls_in(line: str) -> Iterator[str]:
    """The calls of the program in a line of shell."""
    line = re.sub(r"(^|\s)#.*", "", line)
    for part in re.split(r"\|\||&&|[|;&(]", line):
        found = re.search(r"(?:^|\s)(leadflow\s.*)", part)
        if found:
            yield found[1].strip().rstrip(")")


def wrong_with(call: str) -> str | None:
    """What is wrong with a call, or None: a word that is no command, an option it has not."""
    words = _words(call)[1:]
    command: click.Command = cli
    ctx = context()
    while words and isinstance(command, click.Group):
        word = words[0]
        if word.startswith("-") or _PLACEHOLDER.match(word):
            break
        following = command.get_command(ctx, word) if word in command.list_commands(ctx) else None
        if following is None:
            return f"{ctx.command_path} has no command {word!r}"
        command, words = following, words[1:]
        ctx = click.Context(command, parent=ctx, info_name=word)
    known = {name for param in command.get_params(ctx) for name in _names(param)}
    for word in words:
        flag = word.partition("=")[0]
        if re.fullmatch(r"-[a-z]|--[a-z][a-z-]*", flag) and flag not in known:
            return f"{ctx.command_path} has no option {flag}"
    return None


def _words(call: str) -> list[str]:
    try:
        words = shlex.split(call, comments=True)
    except ValueError:
        words = call.split()
    ends = [i for i, word in enumerate(words) if word in _ENDS]
    return words[: ends[0]] if ends else words


def _names(param: click.Parameter) -> list[str]:
    return [*param.opts, *param.secondary_opts]
