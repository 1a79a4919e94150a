"""What every command has: the shared options, examples in its help, and lazy loading.

A command is declared with `@click.command(cls=Command, examples=…)`; a group with
`@click.group(cls=Group, …)`. Subcommands of the program itself are imported only when
they are used, so that `leadflow --help` costs nothing but click.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

import click

from leadflow_commands.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

LEAD_HELP: Final = "Its UUID, a unique beginning of it (four digits or more), or SYSTEM:ID."
"""What may be written wherever a command asks for a lead."""

pass_session = click.make_pass_decorator(Session, ensure=True)


class SharedOption(click.Option):
    """An option that may stand before or after the command; its value goes to the session."""


@dataclass(frozen=True, slots=True)
class Lazy:
    """A subcommand that is imported when it is used, with its line for the list."""

    target: str
    """module:attribute"""
    summary: str
    section: str = "Commands"

    def load(self) -> click.Command:
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


def _remember(ctx: click.Context, option: click.Parameter, value: object) -> None:
    if value is not None:
        ctx.ensure_object(Session).give(str(option.name), value)


def _shared(*names: str, **attributes: Any) -> Callable[[], SharedOption]:
    def make() -> SharedOption:
        return SharedOption(names, expose_value=False, callback=_remember, **attributes)

    return make


_SHARED: Final = {
    "store": _shared(
        "--store",
        metavar="URL",
        help="The store: sqlite:///leads.db or postgresql://…; also LEADFLOW_STORE.",
    ),
    "key_file": _shared(
        "--key-file",
        metavar="FILE",
        help="The key of personal data, where it lies elsewhere; also LEADFLOW_KEY_FILE.",
    ),
    "archive": _shared(
        "--archive",
        metavar="DIR",
        help="The folder of the columnar twin, where it lies elsewhere; also LEADFLOW_ARCHIVE.",
    ),
    "brokers": _shared(
        "--brokers",
        "--bootstrap-server",
        metavar="HOST:PORT,…",
        help="Kafka's brokers; also LEADFLOW_KAFKA.",
    ),
    "tz": _shared(
        "--tz",
        metavar="ZONE",
        help="Time zone of bare dates and of times shown, such as Europe/Berlin; else UTC.",
    ),
    "json": _shared(
        "--json", is_flag=True, flag_value=True, default=None, help="Answer in JSON, for machines."
    ),
    "quiet": _shared(
        "-q",
        "--quiet",
        is_flag=True,
        flag_value=True,
        default=None,
        help="Say nothing but results and errors.",
    ),
    "no_color": _shared(
        "--no-color",
        is_flag=True,
        flag_value=True,
        default=None,
        help="No colours; also NO_COLOR, and wherever output is no terminal.",
    ),
}


def _shared_options(chosen: Collection[str]) -> list[click.Parameter]:
    wanted = {*chosen, "json", "quiet", "no_color"}
    if "store" in wanted:
        wanted.add("key_file")
    return [make() for name, make in _SHARED.items() if name in wanted]


def _write_options(
    command: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    shared = sections["Options before or after any command"] = []
    for option in command.get_params(ctx):
        record = option.get_help_record(ctx)
        if record is None:
            continue
        if isinstance(option, SharedOption) or option.name == "help":
            shared.append(record)
        else:
            argument = isinstance(option, click.Argument)
            sections["Arguments" if argument else "Options"].append(record)
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


def _write_examples(examples: str, formatter: click.HelpFormatter) -> None:
    with formatter.section("Examples"):
        for line in examples.splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line}".rstrip() + "\n")


class Command(click.Command):
    """A command with examples in its help and the options that all commands share.

    `shares` names which of store, archive, brokers and tz it uses; the others are always there.
    """

    def __init__(
        self,
        name: str | None,
        *,
        examples: str = "",
        shares: Collection[str] = ("store",),
        params: list[click.Parameter] | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(name, params=[*(params or ()), *_shared_options(shares)], **attributes)
        self.examples = cleandoc(examples)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        if self.examples:
            _write_examples(self.examples, formatter)

    def format_arguments(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing here: arguments stand with the options, in one place."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_options(self, ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, join_amounts(self, args))


class Group(click.Group):
    """A group whose subcommands keep the order of their declaration; some are lazy."""

    def __init__(
        self,
        name: str | None = None,
        *,
        examples: str = "",
        lazy: Mapping[str, Lazy] | None = None,
        params: list[click.Parameter] | None = None,
        **attributes: Any,
    ) -> None:
        shared = _shared_options(("store", "tz"))
        super().__init__(name, params=[*(params or ()), *shared], **attributes)
        self.examples = cleandoc(examples)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        return [*self.lazy, *(name for name in self.commands if name not in self.lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy and cmd_name not in self.commands:
            self.commands[cmd_name] = self.lazy[cmd_name].load()
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in self.list_commands(ctx) and not name.startswith("-"):
            raise click.exceptions.NoSuchCommand(
                name,
                f"{ctx.command_path} has no command {name!r}",
                possibilities=self.list_commands(ctx),
                ctx=ctx,
            )
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_help_text(ctx, formatter)
        if self.examples:
            _write_examples(self.examples, formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            section = self.lazy[name].section if name in self.lazy else "Commands"
            sections.setdefault(section, []).append((name, self.summary(name)))
        widest = max(len(name) for name in self.list_commands(ctx))
        for section, rows in sections.items():
            with formatter.section(section):
                formatter.write_dl([(f"{name:{widest}}", summary) for name, summary in rows])

    def summary(self, name: str) -> str:
        """The command's line in the list, without importing it where it is lazy."""
        if name in self.lazy:
            return self.lazy[name].summary
        return self.commands[name].get_short_help_str(limit=80)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=self.summary(name))
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def join_amounts(command: click.Command, args: Sequence[str]) -> list[str]:
    """Let an amount be written as two words: `--amount 1999.00 EUR`."""
    money = {
        name
        for option in command.params
        if getattr(option.type, "takes_currency", False)
        for name in option.opts
    }
    joined: list[str] = []
    for word in args:
        is_currency = len(word) == 3 and word.isalpha() and word.isupper()
        if is_currency and len(joined) > 1 and joined[-2] in money and joined[-1][-1:].isdigit():
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined
