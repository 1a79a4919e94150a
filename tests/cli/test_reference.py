"""Every command explains itself, and the reference page says what the commands say."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from leadflow_commands.frame import Command, Group, SharedOption
from leadflow_commands.main import COMMANDS, cli
from leadflow_commands.reference import reference
from leadflow_commands.shapes import SHAPES

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cli.md"


def commands(
    command: click.Command = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        with click.Context(command, info_name="leadflow") as ctx:
            for name in command.list_commands(ctx):
                inner = command.get_command(ctx, name)
                assert inner is not None
                yield from commands(inner, (*path, name))


ALL = dict(commands())


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_has_help_and_examples(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert command.help
    assert isinstance(command, (Command, Group))
    assert "leadflow" in command.examples
    for param in command.params:
        if not isinstance(param, SharedOption):
            assert param.help, f"{param.name} has no help"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_its_examples_can_be_typed(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert isinstance(command, (Command, Group))
    for line in command.examples.splitlines():
        words = shlex.split(line, comments=True, posix=True)
        if not words or words[0] != "leadflow":
            continue
        stop = next(
            (i for i, word in enumerate(words) if word in ("|", "||", "&&", ">", ">>")), None
        )
        check_words(words[1:stop])


def check_words(words: list[str]) -> None:
    """Parse as the program would, without running the command."""
    group: click.Command = cli
    ctx = click.Context(cli, info_name="leadflow")
    while isinstance(group, click.Group):
        name, *words = words
        inner = group.get_command(ctx, name)
        assert inner is not None, name
        group = inner
    if "-" not in words:
        group.make_context("leadflow", list(words))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    loaded = COMMANDS[name].load()
    assert loaded.name == name
    assert COMMANDS[name].summary == loaded.get_short_help_str(limit=200)


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "write it anew: python -m leadflow_commands.reference > docs/reference/cli.md"
    )


def test_every_documented_shape_is_of_a_command() -> None:
    named = {" ".join(path) for path in ALL} | {"lead VERB", "any error", "on stderr", "import"}
    for commands_of_shape in SHAPES:
        for name in commands_of_shape.replace("and a list of these: ", "").split(", "):
            assert name in named, name


def test_an_amount_may_be_two_words() -> None:
    check_words(["lead", "offer", "x:1", "--offer-id", "1", "--amount", "1999.00", "EUR"])
