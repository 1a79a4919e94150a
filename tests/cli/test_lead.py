"""`leadflow lead`: the generated verbs, and the ways to read a lead."""

import re
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from leadflow.domain.events import LEAD_EVENTS, Erased, Merged, Unmerged, own_fields
from leadflow.verbs import Verbs
from leadflow_commands.event_options import options_of
from leadflow_commands.verbs import VERBS
from tests.cli.conftest import Run

SHOWN = {
    "lead_id",
    "version",
    "stage",
    "furthest_stage",
    "cycle",
    "phase",
    "temperature",
    "tier",
    "target",
    "score",
    "score_now",
    "owner",
}


def test_there_is_a_verb_for_every_event_of_a_lead() -> None:
    assert {verb.event for verb in VERBS} | {Merged, Unmerged, Erased} == set(LEAD_EVENTS)
    for verb in VERBS:
        assert hasattr(Verbs, verb.method)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_field_that_the_facade_takes_is_an_option(verb: object) -> None:
    event, method = verb.event, getattr(Verbs, verb.method)  # type: ignore[attr-defined]
    offered = {option.name for option in options_of(event, method)}
    given_by_policy = {"personal", "rule", "policy", "cause", "score", "response_due"}
    assert set(own_fields(event)) - offered <= given_by_policy | {"external_ids"}
    for option in options_of(event, method):
        assert option.help, option.name


def test_a_whole_life(leadflow: Run, ada: str) -> None:
    steps = [
        "enrich shop:4711 --field employees=120 --field zip=01234 --dimension industry=retail",
        "qualify shop:4711 --tier MQL --target",
        "nurture shop:4711 --programme welcome",
        "make-sales-ready shop:4711 --override",
        "claim shop:4711 --owner grace",
        "hand-over shop:4711 --to-owner grace",
        "accept shop:4711 --by grace",
        "contact shop:4711 --channel phone --outcome conversation",
        "offer shop:4711 --offer-id O-17 --amount 1999.00 EUR",
        "accept-offer shop:4711 --offer-id O-17",
        "purchase shop:4711 --order-id 10023 --amount 1999.00EUR --cost 1200.00 EUR",
        "refund shop:4711 --order-id 10023 --amount 500.00 EUR",
        "reopen shop:4711 --reason upsell",
        "lose shop:4711 --reason silence --competitor Acme",
    ]
    for step in steps:
        ran = leadflow("lead", *step.split())
        assert ran.code == 0, (step, ran.err)
        assert ran.err == "", step
    state = leadflow("lead", "show", ada, "--json").json
    assert set(state) >= SHOWN
    assert state["stage"] == "lost"
    assert state["furthest_stage"] == "customer"
    assert state["cycle"] == 2
    assert state["revenue"] == {"EUR": 149_900}
    assert state["fields"] == {"employees": 120, "zip": "01234"}
    assert state["dimensions"] == {"industry": "retail"}
    assert state["personal"] == {"name": "Ada Example", "email": "ada@example.org"}
    history = leadflow("lead", "history", ada, "--json").json
    offered = next(event for event in history if event["type"] == "lead.offer_made")
    assert offered["data"] == {"offer_id": "O-17", "amount": {"minor": 199_900, "currency": "EUR"}}


def test_what_a_verb_says(leadflow: Run, ada: str) -> None:
    ran = leadflow("lead", "engage", ada, "--kind", "offer_requested", "--json")
    assert set(ran.json) == {"lead_id", "version", "stage", "score", "repeated", "events"}
    assert [event["type"] for event in ran.json["events"]][:2] == ["lead.engaged", "lead.scored"]
    text = leadflow("lead", "qualify", ada, "--tier", "MQL", "--target").out
    assert text.startswith(f"lead {ran.json['lead_id']}\n")
    assert "now " in text


def test_sent_twice_is_recorded_once(leadflow: Run, ada: str) -> None:
    words = ["lead", "engage", ada, "--kind", "webinar", "--command-id", "webinar-17"]
    first, second = leadflow(*words, "--json").json, leadflow(*words, "--json").json
    assert (first["repeated"], second["repeated"]) == (False, True)
    assert first["version"] == second["version"]
    assert [e["id"] for e in first["events"]] == [e["id"] for e in second["events"]]
    assert "recorded before" in leadflow(*words).err
    other = leadflow("lead", "engage", ada, "--kind", "chat", "--command-id", "webinar-17")
    assert (other.code, other.out) == (1, "")
    assert "other content" in other.err


def test_a_refusal_names_the_rule(leadflow: Run, ada: str) -> None:
    ran = leadflow("lead", "hand-over", ada, "--to-owner", "grace", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.error["code"] == "refused"
    assert "not sales-ready" in ran.error["message"]


def test_a_lead_goes_by_uuid_prefix_or_external_id(leadflow: Run, ada: str) -> None:
    lead_id = leadflow("lead", "show", ada, "--json").json["lead_id"]
    for name in (lead_id, lead_id[:6], lead_id.upper(), ada):
        assert leadflow("lead", "show", name, "--json").json["lead_id"] == lead_id
    for unknown in (str(uuid4()), "shop:unknown"):
        ran = leadflow("lead", "show", unknown, "--json")
        assert ran.code == 1
        assert ran.error["code"] == "lead_not_found"
    assert leadflow("lead", "show", "??").code == 1


def test_capture_without_an_id_makes_one(leadflow: Run) -> None:
    ran = leadflow("lead", "capture", "--name", "Grace Example", "--json")
    assert UUID(ran.json["lead_id"]).version == 4


def test_moments_of_what_happened(leadflow: Run, ada: str) -> None:
    first, second = leadflow("lead", "history", ada, "--json").json[:2]
    assert (first["time"], first["timebasis"]) == ("2026-03-01T00:00:00Z", "day")
    assert (second["time"], second.get("timebasis")) == ("2026-03-02T10:00:00Z", None)
    leadflow(
        *("lead", "engage", ada, "--kind", "visit", "--occurred-at", "2026-07-01"),
        *("--tz", "Europe/Berlin"),
    )
    berlin = leadflow("lead", "history", ada, "--tz", "Europe/Berlin")
    assert re.search(r"2026-07-01 +engaged", berlin.out)
    assert re.search(r"2026-03-02 11:00 +engaged", berlin.out)
    times = [event["time"] for event in leadflow("lead", "history", ada, "--json").json]
    assert "2026-07-01T00:00:00Z" in times


def test_show_as_of_a_day_and_at_a_version(leadflow: Run, ada: str) -> None:
    then = leadflow("lead", "show", ada, "--as-of", "2026-03-01", "--json").json
    assert (then["version"], then["score"]) == (1, 0)
    assert then["as_of"] == "2026-03-01T23:59:59.999999Z"
    now = leadflow("lead", "show", ada, "--json").json
    assert now["score"] > 0
    assert now["score_now"] < now["score"]
    assert leadflow("lead", "show", ada, "--version", "1", "--json").json["version"] == 1
    before = leadflow("lead", "show", ada, "--as-of", "2026-02-28")
    assert before.code == 1
    unknown_then = leadflow("lead", "show", ada, "--known-at", "2026-03-02")
    assert unknown_then.code == 1


def test_explain_sums_to_the_score(leadflow: Run, ada: str) -> None:
    leadflow("lead", "engage", ada, "--kind", "webinar")
    leadflow("lead", "score", ada, "--points", "-5", "--reason", "bounced")
    score = leadflow("lead", "show", ada, "--json").json["score"]
    explained = leadflow("lead", "explain", ada, "--json").json
    assert explained["score"] == score == sum(p["points"] for p in explained["points"])
    assert explained["points"][-1]["cause"] is None
    assert explained["points"][0]["cause"]["type"] == "lead.engaged"
    columns = {column["column"]: column for column in explained["columns"]}
    assert columns["source"]["value"] == "paid_search"
    assert columns["source"]["events"][0]["type"] == "lead.captured"
    assert f"Score {score}, the sum of {len(explained['points'])} entries" in (
        leadflow("lead", "explain", ada).out
    )


def test_explain_counts_the_current_cycle_only(leadflow: Run, ada: str) -> None:
    leadflow("lead", "lose", ada, "--reason", "silence")
    leadflow("lead", "reopen", ada, "--reason", "called")
    explained = leadflow("lead", "explain", ada, "--json").json
    assert (explained["score"], explained["points"]) == (0, [])


def test_history_is_the_file(leadflow: Run, ada: str) -> None:
    text = leadflow("lead", "history", ada).out
    assert re.search(r"1  2026-03-01 +captured +paid_search +name Ada Example", text)
    assert "scored" in text


def test_find_by_address_and_id(leadflow: Run, ada: str) -> None:
    leadflow("lead", "enrich", ada, "--phone", "+49 30 123456")
    for text in ("ada@example.org", "Ada@Example.org", "+4930123456", "+49 (30) 12 34 56", ada):
        ran = leadflow("lead", "find", text, "--json")
        assert ran.code == 0
        assert [lead["personal"]["name"] for lead in ran.json] == ["Ada Example"], text
    none = leadflow("lead", "find", "grace@example.org", "--json")
    assert (none.code, none.json) == (0, [])


def test_merge_and_unmerge(leadflow: Run, ada: str) -> None:
    leadflow("lead", "capture", "--id", "fair:93", "--name", "A. Example")
    merged = leadflow("lead", "merge", "fair:93", ada, "--json")
    assert merged.code == 0, merged.err
    survivor = leadflow("lead", "show", ada, "--json").json
    assert merged.json["lead_id"] == survivor["lead_id"]
    assert leadflow("lead", "show", "fair:93", "--json").json["merged_into"] == survivor["lead_id"]
    history = leadflow("lead", "history", ada, "--json").json
    assert {event["subject"] for event in history} == {
        survivor["lead_id"],
        leadflow("lead", "show", "fair:93", "--json").json["lead_id"],
    }
    positions = [event["position"] for event in history]
    assert positions == sorted(positions)
    assert "merged with" in leadflow("lead", "show", ada).out
    assert leadflow("lead", "unmerge", "fair:93").code == 0
    assert leadflow("lead", "show", "fair:93", "--json").json["merged_into"] is None


@pytest.mark.parametrize("confirm", [[], ["--confirm", "8a81"], ["--confirm", "shop:4712"]])
def test_erase_wants_the_id_again(leadflow: Run, ada: str, confirm: list[str]) -> None:
    ran = leadflow("lead", "erase", ada, *confirm)
    assert (ran.code, ran.out) == (1, "")
    assert leadflow("lead", "show", ada, "--json").json["erased"] is False


def test_erase_takes_the_personal_data(leadflow: Run, ada: str) -> None:
    assert leadflow("lead", "erase", ada, "--confirm", ada, "--request-id", "R-1").code == 0
    state = leadflow("lead", "show", ada, "--json").json
    assert (state["erased"], state["personal"], state["source"]) == (True, None, "paid_search")
    assert leadflow("lead", "find", "ada@example.org", "--json").json == []
    refused = leadflow("lead", "engage", ada, "--kind", "visit", "--json")
    assert refused.error["code"] == "refused"


def test_personal_data_goes_nowhere_in_the_clear(leadflow: Run, ada: str) -> None:
    leadflow("lead", "capture", "--id", "x:1", "--landing-page", "https://a.example/p?mail=zq9@b.c")
    leadflow("lead", "contact", ada, "--channel", "phone", "--notes", "likes zq9 blue")
    stored = b"".join(path.read_bytes() for path in Path().glob("leads.db*"))
    for secret in (b"Ada Example", b"ada@example.org", b"zq9"):
        assert secret not in stored
