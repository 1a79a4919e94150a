"""Every promise names a test, and the tests named are there."""

from __future__ import annotations

import ast
import re
from typing import Final

from tests.docs.pages import DOCS, ROOT

TEXT: Final = (DOCS / "reference" / "guarantees.md").read_text("utf-8")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_the_tests_named_are_there() -> None:
    missing: list[str] = []
    for file, name in _TEST.findall(TEXT):
        tree = ast.parse((ROOT / file).read_text("utf-8"))
        if name not in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}:
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_promise_names_one() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "---" not in line]
    promises = [row for row in rows if not row.startswith("| promise")]
    assert promises
    assert [row for row in promises if not _TEST.search(row)] == []
