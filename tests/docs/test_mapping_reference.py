"""The mapping's reference names every key, as the models have it."""

from __future__ import annotations

import re
import tomllib

import pytest

from leadflow_commands.importing.mapping_file import parse_mapping
from tests.docs.mapping_reference import PAGE, PARTS, written

TEXT = PAGE.read_text("utf-8")
WHOLE = [text for text in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if "system =" in text]


def test_the_tables_are_those_of_the_models() -> None:
    assert written(TEXT) == TEXT, "run python -m tests.docs.mapping_reference"


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_its_table(part: str) -> None:
    assert f"<!-- keys of {part} -->" in TEXT


@pytest.mark.parametrize("text", WHOLE)
def test_whole_examples_are_valid(text: str) -> None:
    assert parse_mapping(text, "mapping.md").name


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL))
def test_parts_of_examples_are_toml(text: str) -> None:
    assert tomllib.loads(text)
