"""Brings the pages up to date: generated ones are written, examples show what happens now.

python -m tests.docs                              # the generated pages
python -m tests.docs docs/how-to/postgresql.md    # and what these pages show
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.docs.event_reference import event_reference
from tests.docs.pages import DOCS, ROOT
from tests.docs.test_examples import REWRITE
from tests.docs.wire_reference import wire_files

GENERATED: Final[dict[Path, Callable[[], str]]] = {
    DOCS / "reference" / "events.md": event_reference,
    **wire_files(),
}
"""Pages that are made from the code."""


def main() -> int:
    for page, content in GENERATED.items():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(content(), "utf-8")
    pages = [Path(name).resolve().relative_to(ROOT).as_posix() for name in sys.argv[1:]]
    if not pages:
        return 0
    os.environ[REWRITE] = "1"
    test = "tests/docs/test_examples.py::test_the_page_shows_what_happens"
    return pytest.main(["-q", "-p", "no:cacheprovider", *(f"{test}[{page}]" for page in pages)])


if __name__ == "__main__":
    sys.exit(main())
