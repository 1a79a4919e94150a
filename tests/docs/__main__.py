"""Brings the pages up to date: generated ones are written, examples show what happens now.

python -m tests.docs                      # the generated pages
python -m tests.docs docs/tutorial/*.md   # and what these pages show
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.docs.event_reference import event_reference
from tests.docs.examples import Places, run_page
from tests.docs.pages import DOCS
from tests.docs.shell import Shell

GENERATED: Final[dict[Path, Callable[[], str]]] = {
    DOCS / "reference" / "events.md": event_reference,
}
"""Pages that are made from the code."""


def refresh(page: Path) -> int:
    """Write what the page's commands print now into it; gives how many blocks changed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "here")
        folder.mkdir()
        olist = os.environ.get("LEADFLOW_OLIST_DIR")
        places = Places(
            Shell(folder, Path(name, "state"), Path(name)),
            olist=Path(olist) if olist and "needs: olist" in page.read_text("utf-8") else None,
            postgres=os.environ.get("LEADFLOW_TEST_POSTGRES"),
            rewrite=True,
        )
        before = Path.cwd()
        os.chdir(folder)
        try:
            run_page(page, places)
        finally:
            os.chdir(before)
    text = page.read_text("utf-8")
    for (start, end), block in sorted(places.rewritten.items(), reverse=True):
        text = text[:start] + block + text[end:]
    page.write_text(text, "utf-8")
    return len(places.rewritten)


def main() -> None:
    for page, content in GENERATED.items():
        page.write_text(content(), "utf-8")
    for name in sys.argv[1:]:
        page = Path(name).resolve()
        sys.stdout.write(f"{name}: {refresh(page)} blocks changed\n")


if __name__ == "__main__":
    main()
