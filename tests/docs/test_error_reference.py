"""The reference of errors names every code, every exit code and every rule there is."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import leadflow
import leadflow_commands
import leadflow_projections
from leadflow.domain.stages import Stage
from leadflow.errors import LeadflowError
from leadflow_commands import failures
from tests.docs.pages import DOCS, ROOT

PAGE: Final = DOCS / "reference" / "exit-codes-and-errors.md"
TEXT: Final = PAGE.read_text("utf-8")


def errors() -> Iterator[type[LeadflowError]]:
    """Every error class of the three packages."""
    for package in (leadflow, leadflow_projections, leadflow_commands):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    yield from _below(LeadflowError)


def _below(error: type[LeadflowError]) -> Iterator[type[LeadflowError]]:
    for child in error.__subclasses__():
        if child.__module__.startswith("leadflow"):
            yield child
            yield from _below(child)


def test_every_error_code_has_a_row() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", TEXT, re.MULTILINE))
    assert rows == {error.code: error.__name__ for error in errors()}


def test_every_code_of_the_command_line_has_a_row() -> None:
    source = Path(failures.__file__).read_text("utf-8")
    codes = set(re.findall(r'Failure\(\s*"(\w+)"', source))
    rows = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert codes
    assert codes <= rows


def test_every_exit_code_has_a_row() -> None:
    named = {
        int(n)
        for row in re.findall(r"^\| ([\d, ]+) \|", TEXT, re.MULTILINE)
        for n in row.split(",")
    }
    known = {
        value for name, value in vars(failures).items() if name.isupper() and type(value) is int
    }
    assert named == known | {0}


def test_every_rule_has_a_row() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "leadflow").rglob("*.py")]
    rules = {rule for text in sources for rule in re.findall(r'Violation\(\s*"(\w+)"', text)}
    rules |= {rule for text in sources for rule in re.findall(r'rule="(\w+)"', text)}
    section = TEXT.partition("## Rules")[2]
    rows = {
        name
        for row in re.findall(r"^\| (`.+?`) \|", section, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    by_stage = {f"is_{stage.value}" for stage in Stage if f"is_{stage.value}" in rows}
    assert rows - by_stage - {"not_from_STAGE"} == rules
