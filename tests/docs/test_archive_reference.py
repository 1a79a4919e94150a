"""The page on the archive names every column, manifest field and threshold there is."""

from __future__ import annotations

from dataclasses import fields

from leadflow_projections.archive.behind import LEAST_EVENTS
from leadflow_projections.archive.columns import twin_columns
from leadflow_projections.archive.manifest import Manifest
from leadflow_projections.archive.twin import LOCK, SEGMENT_EVENTS, TEMPORARY
from tests.docs.pages import DOCS, Page

PAGE = Page(DOCS / "reference" / "archive.md")
TEXT = PAGE.path.read_text("utf-8")


def test_it_names_every_column_and_field() -> None:
    named = set(PAGE.inline_code())
    assert set(twin_columns()) <= named
    assert {field.name for field in fields(Manifest)} <= named
    assert {"position", "recorded_at", "topic", "lead_id", "version"} <= named


def test_it_says_the_sizes_that_hold() -> None:
    assert f"{SEGMENT_EVENTS:,} positions" in TEXT
    assert f"{LEAST_EVENTS:,} events or more" in TEXT
    assert LOCK in TEXT
    assert TEMPORARY in TEXT
