"""`leadflow dead-letters`: seen, shown, retried and discarded from the command line."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from leadflow import Leadflow
from leadflow.kafka.intake import Terms, take
from leadflow.kafka.records import Received
from leadflow.persistence.inbox import Origin
from tests.cli.conftest import Run

TOPIC_ID = UUID("0b9a7b3c-7c3e-4b5e-9d60-6f1a2b3c4d5e")


def message(topic: str, source: str = "shop/web", **data: Any) -> bytes:
    document = {
        "specversion": "1.0",
        "id": f"{topic}-{data}",
        "source": source,
        "type": topic,
        "subject": "shop:1",
        "time": "2026-03-01T09:30:00Z",
        "data": data,
    }
    return json.dumps(document).encode()


@pytest.fixture
def letters(elsewhere: object) -> dict[str, str]:
    """A store with three dead letters: their ids by reason."""
    with Leadflow.open("sqlite:///leads.db", create=True) as leads:
        leads.capture("shop:1")
        values = [
            b'{"personal":"ada@example.org" \xff',
            message("lead.scored", "scoring", points=5, reason="model"),
            message("lead.engaged", kind="visit", count="3"),
        ]
        done = take(
            leads,
            [
                Received(Origin("inbox", TOPIC_ID, 0, n), b"shop:1", value, [("trace", b"\x01")])
                for n, value in enumerate(values)
            ],
            Terms(),
        )
    assert done.buried == 3
    names = ("broken", "not_accepted", "wrong")
    return {name: str(row.letter_id) for name, row in zip(names, done.dead, strict=True)}


def test_a_list_by_what_is_asked(leadflow: Run, letters: dict[str, str]) -> None:
    listed = leadflow("dead-letters", "list")
    assert listed.code == 0
    assert "not accepted from source 'scoring'" in listed.out
    found = leadflow("dead-letters", "list", "--json", "--source", "scoring").json
    assert [row["letter_id"] for row in found] == [letters["not_accepted"]]
    assert (found[0]["reason"], found[0]["attempt"], found[0]["offset"]) == ("not_accepted", 1, 1)
    assert len(leadflow("dead-letters", "list", "--json", "--reason", "invalid").json) == 2
    assert len(leadflow("dead-letters", "list", "--json", "--lead", "shop:1").json) == 2
    assert leadflow("dead-letters", "list", "--json", "--until", "2020-01-01").json == []
    assert leadflow("dead-letters", "list", "--json", "--older-than", "1d").json == []
    assert "no such dead letter" in leadflow("dead-letters", "list", "--type", "lead.lost").err


def test_one_is_shown_whole(leadflow: Run, letters: dict[str, str]) -> None:
    shown = leadflow("dead-letters", "show", letters["broken"][:8])
    assert shown.code == 0
    assert '{"personal":"ada@example.org" \\xff' in shown.out
    assert "header trace" in shown.out
    data = leadflow("dead-letters", "show", letters["broken"], "--json").json
    assert (data["key"], data["headers"]) == ("shop:1", [["trace", "\x01"]])
    missing = leadflow("dead-letters", "show", "ffffffff-0", "--json")
    assert (missing.code, missing.error["code"]) == (1, "invalid_input")


def test_retrying_what_is_mended(leadflow: Run, letters: dict[str, str]) -> None:
    again = leadflow("dead-letters", "retry", "--json")
    assert again.code == 3
    assert (again.json["tried"], again.json["recorded"], again.json["failed"]) == (3, 0, 3)
    allowed = leadflow(
        *("dead-letters", "retry", letters["not_accepted"][:8]),
        *("--allow", "scoring=lead.scored", "--json"),
    )
    assert allowed.code == 0
    assert allowed.json["recorded"] == 1
    assert leadflow("lead", "show", "shop:1", "--json").json["score"] == 5
    left = leadflow("dead-letters", "list", "--json").json
    assert [row["attempt"] for row in left] == [2, 2]
    both = leadflow("dead-letters", "retry", letters["wrong"], "--reason", "invalid")
    assert both.code == 2


def test_what_may_be_sent_is_a_setting_too(
    leadflow: Run, letters: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_INBOX_ALLOW", "crm=*; scoring=lead.scored")
    assert leadflow("dead-letters", "retry", letters["not_accepted"]).code == 0
    monkeypatch.setenv("LEADFLOW_INBOX_ALLOW", "crm")
    assert leadflow("dead-letters", "retry", "--json").error["code"] == "invalid_input"


def test_discarding_asks_or_takes_yes(leadflow: Run, letters: dict[str, str]) -> None:
    assert leadflow("dead-letters", "discard").code == 2
    refused = leadflow("dead-letters", "discard", "--all", "--json")
    assert (refused.code, refused.error["code"]) == (1, "not_confirmed")
    one = leadflow("dead-letters", "discard", letters["wrong"], "--yes", "--json")
    assert one.json == {"discarded": 1}
    rest = leadflow("dead-letters", "discard", "--older-than", "0d", "--yes")
    assert "2 discarded" in rest.out
    assert leadflow("dead-letters", "list", "--json").json == []
