"""Every example of the documentation runs, and prints what the page shows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.broker.server import KafkaBroker
from tests.docs.examples import KAFKA_ADDRESS, POSTGRES_URL, Places, run_page
from tests.docs.pages import Page, all_pages
from tests.docs.shell import Shell

RUN: Final = ("console", "python")
REWRITE: Final = "REWRITE_EXAMPLES"
"""The variable by which `python -m tests.docs` asks to correct the pages instead."""


def pages_with_examples() -> list[Page]:
    return [page for page in all_pages() if any(f.language in RUN for f in page.fences())]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("page", pages_with_examples(), ids=lambda page: page.name)
def test_the_page_shows_what_happens(
    page: Page, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgres = None
    if POSTGRES_URL in page.text:
        postgres = request.getfixturevalue("postgres_database")
    kafka = None
    if KAFKA_ADDRESS in page.text:
        broker = KafkaBroker(request.getfixturevalue("kafka_folder"))
        request.addfinalizer(broker.stop)
        broker.start()
        kafka = broker.address
    for name in [name for name in os.environ if name.startswith("LEADFLOW_")]:
        if name != "LEADFLOW_OLIST_DIR":
            monkeypatch.delenv(name)
    olist = os.environ.get("LEADFLOW_OLIST_DIR") if "needs: olist" in page.text else None
    # What a page says of today may not hold when midnight passes while it runs: once more.
    for attempt in ("first", "second"):
        today = datetime.now(UTC).date()
        folder = tmp_path / attempt
        folder.mkdir()
        monkeypatch.chdir(folder)
        shell = Shell(folder, tmp_path / f"{attempt}.state", tmp_path)
        places = Places(
            shell,
            olist=Path(olist) if olist else None,
            postgres=postgres,
            kafka=kafka,
            rewrite=REWRITE in os.environ,
        )
        try:
            run_page(page.path, places)
        except AssertionError:
            if datetime.now(UTC).date() == today or postgres or kafka:
                raise
        else:
            break
    rewrite(page, places)
    if places.left_out:
        pytest.skip(f"all ran but what needs the Olist files, at lines {places.left_out}")


def rewrite(page: Page, places: Places) -> None:
    """Correct what the page shows, where that was asked for."""
    text = page.text
    for (start, end), block in sorted(places.rewritten.items(), reverse=True):
        text = text[:start] + block + text[end:]
    if places.rewritten:
        page.path.write_text(text, "utf-8")
