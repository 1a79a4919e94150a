"""Importing CloudEvents lines: twice is once, and what is refused is told by its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from leadflow import Leadflow
from leadflow.domain import events as e
from tests.cli.conftest import Run


def line(identity: str, topic: str = "lead.captured", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": identity,
        "source": "shop/web",
        "type": topic,
        "subject": "shop:4711",
        "time": "2026-03-01T09:30:00Z",
        **more,
    }


CAPTURED = line(
    "1",
    data={
        "personal": {"name": "Ada Example", "email": "ada@example.org"},
        "source": "paid_search",
        "consents": [{"channel": "email"}],
    },
)
PURCHASED = line(
    "2",
    "lead.purchased",
    time="2026-03-04T10:00:00+01:00",
    actor="grace",
    data={"order_id": "7", "amount": {"minor": 1999, "currency": "EUR"}},
)


def written(path: Path, *lines: dict[str, Any] | str) -> str:
    texts = [text if isinstance(text, str) else json.dumps(text) for text in lines]
    path.write_text("\n".join(texts) + "\n")
    return str(path)


def test_messages_are_recorded_once_however_often_they_come(leadflow: Run, elsewhere: Path) -> None:
    file = written(elsewhere / "e.jsonl", CAPTURED, PURCHASED, PURCHASED)

    first = leadflow("import", "events", file, "--json")
    assert first.code == 0, first.err
    assert [first.json[k] for k in ("rows", "accepted", "unchanged", "leads", "events")] == [
        3,
        2,
        1,
        1,
        2,
    ]
    again = leadflow("import", "events", file, "--json")
    assert [again.json[k] for k in ("accepted", "unchanged", "events")] == [0, 3, 0]
    assert leadflow("log", "stats", "--json").json["events"] == 1 + 2


def test_what_was_sent_is_what_is_recorded(leadflow: Run, elsewhere: Path) -> None:
    leadflow("import", "events", written(elsewhere / "e.jsonl", CAPTURED, PURCHASED))

    with Leadflow.open("sqlite:///leads.db") as leads:
        captured, purchased = leads.history("shop:4711")
        assert leads.find("ADA@example.org") == [captured.lead_id]
    assert isinstance(captured, e.Captured)
    assert captured.producer == "shop/web"
    assert captured.personal is not None
    assert captured.personal.name == "Ada Example"
    assert isinstance(purchased, e.Purchased)
    assert (purchased.occurred_at.hour, purchased.actor) == (9, "grace")
    assert purchased.entered == "customer"


def test_refused_lines_are_told_by_number_and_the_rest_is_recorded(
    leadflow: Run, elsewhere: Path
) -> None:
    file = written(
        elsewhere / "e.jsonl",
        CAPTURED,
        "",
        "{ broken",
        {**PURCHASED, "type": "lead.purchase"},
        {**PURCHASED, "data": {"order_id": "7", "cycle": 3}},
        {**CAPTURED, "data": {"source": "email"}},
        line("9", "lead.erased", data={}),
        PURCHASED,
    )

    ran = leadflow("import", "events", file, "--json")

    assert ran.code == 1
    assert ran.error["message"].startswith("5 of 7 lines refused, the others were taken")
    assert [ran.json[k] for k in ("rows", "accepted", "refused")] == [7, 2, 5]
    reasons = {r["line"]: r["reason"] for r in ran.json["refusals"]}
    assert "no JSON" in reasons[3]
    assert "did you mean lead.purchased?" in reasons[4]
    assert "stamped by the log" in reasons[5]
    assert "imported before with other content" in reasons[6]
    assert "leadflow lead erase" in reasons[7]
    assert leadflow("import", "events", file, "--max-refused", "5").code == 0


def test_the_same_id_with_other_content_is_refused_even_alone(
    leadflow: Run, elsewhere: Path
) -> None:
    leadflow("import", "events", written(elsewhere / "e.jsonl", CAPTURED))
    other = {**CAPTURED, "data": {"source": "email"}}

    ran = leadflow("import", "events", written(elsewhere / "e.jsonl", other), "--json")

    assert (ran.code, ran.json["refused"], ran.json["events"]) == (1, 1, 0)


def test_a_message_of_another_source_may_have_the_same_id(leadflow: Run, elsewhere: Path) -> None:
    other = {**PURCHASED, "id": "1", "source": "erp"}

    ran = leadflow("import", "events", written(elsewhere / "e.jsonl", CAPTURED, other), "--json")

    assert (ran.code, ran.json["accepted"]) == (0, 2)


def test_facts_that_break_a_rule_are_kept_and_counted(leadflow: Run, elsewhere: Path) -> None:
    early = {**PURCHASED, "time": "2026-02-01T00:00:00Z"}

    ran = leadflow("import", "events", written(elsewhere / "e.jsonl", CAPTURED, early), "--json")

    assert (ran.code, ran.json["events"], ran.json["irregular"]) == (0, 2, 1)


def test_standard_input(leadflow: Run) -> None:
    text = json.dumps(CAPTURED) + "\n" + json.dumps(PURCHASED)

    ran = leadflow("import", "events", "-", "--json", stdin=text)

    assert (ran.code, ran.json["accepted"]) == (0, 2)


def test_spend_is_recorded_on_its_source(leadflow: Run, elsewhere: Path) -> None:
    spend = line(
        "s1",
        "spend.recorded",
        data={
            "source": "paid_search",
            "period": {"first": "2026-03-01", "last": "2026-03-31"},
            "amount": {"minor": 120_000, "currency": "EUR"},
        },
    )
    spend.pop("subject")

    file = written(elsewhere / "e.jsonl", spend, spend)
    ran = leadflow("import", "events", file, "--json")

    assert (ran.json["accepted"], ran.json["unchanged"], ran.json["events"]) == (1, 1, 1)
    assert leadflow("log", "stats", "--json").json["by_type"]["spend.recorded"] == 1


def test_a_rehearsal_records_nothing(leadflow: Run, elsewhere: Path) -> None:
    file = written(elsewhere / "e.jsonl", CAPTURED, PURCHASED, "{ broken")

    ran = leadflow("import", "events", file, "--dry-run", "--json")

    assert (ran.code, ran.json["accepted"], ran.json["refused"]) == (1, 2, 1)
    assert not (elsewhere / "leads.db").exists()


def test_what_was_exported_can_be_imported_into_another_store(
    leadflow: Run, elsewhere: Path
) -> None:
    leadflow("import", "events", written(elsewhere / "e.jsonl", CAPTURED, PURCHASED))
    leadflow("log", "export", "--format", "jsonl", "--with-personal", "out.jsonl")
    leads_only = [t for t in Path("out.jsonl").read_text().splitlines() if '"type":"lead.' in t]

    file = written(elsewhere / "in.jsonl", *leads_only)
    ran = leadflow("import", "events", file, "--store", "sqlite:///other.db", "--json")

    assert (ran.code, ran.json["accepted"]) == (0, 2)
    with (
        Leadflow.open("sqlite:///leads.db") as one,
        Leadflow.open("sqlite:///other.db") as other,
    ):
        lead = one.resolve("shop:4711")
        assert other.get(lead).revenue == one.get(lead).revenue == {"EUR": 1999}
        assert other.get(lead).stage == one.get(lead).stage


@pytest.mark.parametrize("name", ["none.jsonl", "."])
def test_a_file_that_cannot_be_read(leadflow: Run, name: str) -> None:
    ran = leadflow("import", "events", name)

    assert ran.code == 1
    assert ran.err.startswith(f"Error: {name}: ")


def test_an_empty_file_brings_nothing(leadflow: Run, elsewhere: Path) -> None:
    ran = leadflow("import", "events", written(elsewhere / "e.jsonl"), "--json")

    assert (ran.code, ran.json["rows"]) == (0, 0)
