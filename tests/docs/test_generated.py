"""Pages made from the code say what the code says now."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from leadflow_commands.reference import reference
from tests.docs.__main__ import GENERATED
from tests.docs.pages import CLI_REFERENCE


@pytest.mark.parametrize(
    ("page", "content", "command"),
    [
        *((page, content, "python -m tests.docs") for page, content in GENERATED.items()),
        (CLI_REFERENCE, reference, f"python -m leadflow_commands.reference > {CLI_REFERENCE.name}"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_the_page_is_fresh(page: Path, content: Callable[[], str], command: str) -> None:
    assert page.read_text("utf-8") == content(), f"run: {command}"
