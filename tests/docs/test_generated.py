"""Pages made from the code say what the code says now (cli.md: tests/cli)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.__main__ import GENERATED


@pytest.mark.parametrize("page", GENERATED, ids=lambda page: page.name)
def test_the_page_is_fresh(page: Path) -> None:
    assert page.read_text("utf-8") == GENERATED[page](), "run: python -m tests.docs"
