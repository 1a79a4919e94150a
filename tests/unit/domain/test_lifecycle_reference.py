"""The lifecycle reference prints the very table that the program uses."""

from __future__ import annotations

from pathlib import Path

from leadflow.domain import events as e
from leadflow.domain.stages import COLUMNS, TABLE, Stage

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "lifecycle.md"


def table() -> str:
    """The stage-by-event table as Markdown."""
    names = ["(unknown)" if stage is None else stage.value for stage in COLUMNS]
    head = f"| event | {' | '.join(names)} |\n| --- |{' --- |' * len(names)}"
    rows = [
        f"| `{event.topic}` | {' | '.join(TABLE[event.topic, s].value for s in COLUMNS)} |"
        for event in e.LEAD_EVENTS
    ]
    return "\n".join([head, *rows])


def test_the_page_shows_the_table_of_the_program() -> None:
    assert table() in PAGE.read_text("utf-8")


def test_the_page_names_every_event_and_stage() -> None:
    text = PAGE.read_text("utf-8")
    assert [event.topic for event in e.LEAD_EVENTS if f"`{event.topic}`" not in text] == []
    assert [stage.value for stage in Stage if stage.value not in text] == []
