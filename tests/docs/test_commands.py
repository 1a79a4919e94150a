"""Documentation and messages name commands that exist, and every command is documented."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands_named import calls_in, command_lines, leaf_commands, wrong_with
from tests.docs.pages import CLI_REFERENCE, ROOT, Page, all_pages

SOURCES = ("leadflow", "projections/leadflow_projections", "commands/leadflow_commands")
_QUOTED = re.compile(r"`(leadflow [^`{}\n]+)`")


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.name)
def test_pages_name_commands_and_options_that_exist(page: Page) -> None:
    wrong = {f"{where}: {call}": wrong_with(call) for where, call in command_lines(page)}
    assert {call: what for call, what in wrong.items() if what} == {}


def test_messages_name_commands_and_options_that_exist() -> None:
    wrong: dict[str, str] = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for quoted in _QUOTED.findall(path.read_text("utf-8")):
                for call in calls_in(quoted):
                    if what := wrong_with(call):
                        wrong[f"{path.relative_to(ROOT)}: {call}"] = what
    assert wrong == {}


def test_every_command_stands_in_the_reference() -> None:
    reference = Page(CLI_REFERENCE).text
    missing = [
        words
        for words in leaf_commands()
        if not re.search(rf"^#+ leadflow {' '.join(words)}$", reference, re.MULTILINE)
    ]
    assert missing == []


def test_every_command_is_shown_in_use_somewhere_else() -> None:
    """A reference tells what a command takes; a tutorial or a how-to tells what it is for."""
    pages = [page for page in all_pages() if page.path != CLI_REFERENCE]
    shown = [call.split()[1:] for page in pages for _, call in command_lines(page)]
    missing = [
        " ".join(words)
        for words in leaf_commands()
        if not any(tuple(call[: len(words)]) == words for call in shown)
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("call", "what"),
    [
        ("leadflow lead shw shop:1", "leadflow lead has no command 'shw'"),
        ("leadflow fly", "leadflow has no command 'fly'"),
        ("leadflow log stats --jsn", "leadflow log stats has no option --jsn"),
        ("leadflow log stats --json > there", None),
        ("leadflow COMMAND --help", None),
    ],
)
def test_the_check_itself(call: str, what: str | None) -> None:
    assert wrong_with(call) == what
