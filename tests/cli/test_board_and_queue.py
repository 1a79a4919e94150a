"""`leadflow board` and `leadflow queue`: read from live read models that catch up first."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.cli.conftest import Ran, Run
from tests.cli.test_terminal import on_terminal, without_colours

ENTRY = {
    "rank",
    "lead_id",
    "score",
    "temperature",
    "ready_since",
    "waiting_seconds",
    "overdue",
    "owner",
    "lease_until",
    "channels",
    "why",
}


@pytest.fixture
def waiting(leadflow: Run) -> list[str]:
    """Three leads in the queue, the one with the highest score first."""
    for number, kinds in enumerate((["offer_requested"], ["webinar"], [])):
        lead = f"shop:{number}"
        name = ("--name", f"Lead {number}", "--source", "fair")
        assert leadflow("lead", "capture", "--id", lead, *name).code == 0
        for kind in kinds:
            assert leadflow("lead", "engage", lead, "--kind", kind).code == 0
        assert leadflow("lead", "make-sales-ready", lead, "--override").code == 0
    return ["shop:0", "shop:1", "shop:2"]


def test_the_board_catches_up_and_says_so(leadflow: Run, ada: str) -> None:
    first = leadflow("board", "--json")
    assert "was not built yet" in first.err
    (row,) = first.json
    assert (row["stage"], row["source"], row["temperature"]) == ("captured", "paid_search", "cold")
    assert row["since"] == "2026-03-01T00:00:00Z"
    again = leadflow("board", "--json")
    assert (again.err, again.json) == ("", first.json)
    leadflow("lead", "lose", ada, "--reason", "silence")
    behind = leadflow("board", "--json")
    assert "1 event behind" in behind.err
    assert behind.json[0]["stage"] == "lost"
    assert leadflow("board", "--json", "-q").err == ""


def test_the_board_for_people(leadflow: Run, ada: str) -> None:
    ran = leadflow("board")
    header, row = ran.out.splitlines()
    assert header.split() == [
        *("lead", "name", "stage", "since", "temp", "score", "tier", "owner", "source", "revenue")
    ]
    assert "Ada Example" in row
    assert "captured" in row


def test_the_board_fits_a_terminal(leadflow: Run, waiting: list[str]) -> None:
    long = ("--name", "Countess " + "Ada " * 30, "--source", "a_very_long_marketing_source_indeed")
    leadflow("lead", "capture", "--id", "long:1", *long)
    leadflow("lead", "purchase", "long:1", "--order-id", "1", "--amount", "1234567.89 EUR")
    for command in (["board"], ["queue", "list"]):
        code, shown = on_terminal(*command)
        assert code == 0
        table = [line for line in without_colours(shown).splitlines() if "Lead " in line]
        assert len(table) == 3
        assert max(map(len, table)) <= 80
        assert "1,234,5…" not in shown


def test_the_board_filters(leadflow: Run, ada: str) -> None:
    leadflow("lead", "capture", "--id", "fair:1", "--source", "fair")
    leadflow("lead", "qualify", "fair:1", "--target")
    assert len(leadflow("board", "--json").json) == 2
    for words, count in (
        (["--stage", "qualified"], 1),
        (["--stage", "lost"], 0),
        (["--where", "source=fair"], 1),
        (["--where", "source=fair", "--where", "stage=captured"], 0),
        (["--where", "target=true"], 1),
        (["--where", "sales_type="], 2),
        (["--where", "temperature=cold"], 2),
        (["--limit", "1"], 1),
    ):
        assert len(leadflow("board", "--json", *words).json) == count, words


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("sorce=fair", "did you mean source?"),
        ("target=maybe", "true or false"),
        ("points=many", "whole number"),
        ("source", "no NAME=VALUE"),
    ],
)
def test_a_wrong_filter_is_wrong_usage(leadflow: Run, ada: str, condition: str, said: str) -> None:
    ran = leadflow("board", "--where", condition)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_merged_leads_are_one_row(leadflow: Run, ada: str) -> None:
    leadflow("lead", "capture", "--id", "fair:1")
    leadflow("lead", "engage", "fair:1", "--kind", "webinar")
    points = {row["lead_id"]: row["points"] for row in leadflow("board", "--json").json}
    leadflow("lead", "merge", ada, "fair:1", "--keep", ada)
    (row,) = leadflow("board", "--json").json
    assert row["points"] == sum(points.values())
    assert row["lead_id"] == leadflow("lead", "show", ada, "--json").json["lead_id"]


def test_the_queue_in_order_with_reasons(leadflow: Run, waiting: list[str]) -> None:
    ran = leadflow("queue", "list", "--json")
    assert all(set(entry) >= ENTRY for entry in ran.json)
    assert [entry["rank"] for entry in ran.json] == [1, 2, 3]
    ids = [leadflow("lead", "show", lead, "--json").json["lead_id"] for lead in waiting]
    assert [entry["lead_id"] for entry in ran.json] == ids
    assert ran.json[0]["why"]
    assert ran.json[0]["owner"] is None
    text = leadflow("queue", "list", "--limit", "2")
    assert len(text.out.splitlines()) == 3
    assert "asked for a trial, a presentation or an offer" in text.out


def test_an_empty_queue(leadflow: Run, ada: str) -> None:
    assert leadflow("queue", "list", "--json").json == []
    assert "Nobody is waiting" in leadflow("queue", "list").err
    ran = leadflow("queue", "claim", "--owner", "grace", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error["code"] == "nobody_waiting"


def test_claiming_walks_from_the_top(leadflow: Run, waiting: list[str]) -> None:
    claimed = [leadflow("queue", "claim", "--owner", f"owner {i}", "--json") for i in range(3)]
    names = [ran.json["personal"]["name"] for ran in claimed]
    assert names == ["Lead 0", "Lead 1", "Lead 2"]
    assert all(ran.json["lease_until"] for ran in claimed)
    assert leadflow("queue", "claim", "--owner", "late").code == 1
    other = leadflow("queue", "claim", waiting[0], "--owner", "late", "--json")
    assert (other.code, other.error["code"]) == (1, "refused")
    assert "owner 0 holds the lead" in other.error["message"]
    assert leadflow("queue", "release", waiting[0], "--owner", "owner 0").code == 0
    again = leadflow("queue", "claim", "--owner", "late", "--json")
    assert again.json["personal"]["name"] == "Lead 0"
    handed = leadflow("queue", "hand-over", waiting[0], "--to-owner", "late", "--json")
    assert handed.json["stage"] == "handed_over"
    assert len(leadflow("queue", "list", "--json").json) == 2


def test_a_claim_says_whom_to_call(leadflow: Run, waiting: list[str]) -> None:
    text = leadflow("queue", "claim", "--owner", "grace").out
    assert "name Lead 0" in text
    assert "owner             grace" in text


def test_claiming_takes_the_actor_or_asks_for_one(
    leadflow: Run, waiting: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leadflow("queue", "claim").code == 2
    monkeypatch.setenv("LEADFLOW_ACTOR", "grace")
    assert leadflow("queue", "claim", "--json").json["owner"] == "grace"


def test_of_those_who_claim_at_once_each_gets_another_lead(
    leadflow: Run, waiting: list[str]
) -> None:
    leadflow("queue", "list")

    def claim(owner: str) -> Ran:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "leadflow_commands"),
                "queue",
                "claim",
                "--owner",
                owner,
                "--json",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    with ThreadPoolExecutor() as pool:
        ran = list(pool.map(claim, ["a", "b", "c", "d"]))
    got = [one.json["lead_id"] for one in ran if one.code == 0]
    assert len(got) == len(set(got)) == 3
    (left,) = [one for one in ran if one.code != 0]
    assert left.error["code"] == "nobody_waiting"
