"""The shipped mappings on their made examples: which events for which row, and the funnel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from leadflow import Leadflow
from leadflow.domain.events import LeadEvent, own_fields
from leadflow_commands.importing.mapping_file import InvalidMapping
from leadflow_commands.importing.named_mappings import (
    find_mapping,
    shipped_example,
    shipped_names,
    shipped_text,
)
from leadflow_commands.importing.personal import sounds_personal
from tests.cli.conftest import Ran, Run

WITH_EXAMPLE: Final = [name for name in shipped_names() if shipped_example(name)]

OUTCOMES: Final[dict[str, dict[str, list[str]]]] = {
    "crm-opportunities": {
        "crm:OPP-01": [
            "captured 2026-01-05 day",
            "enriched 2026-01-05 day account=Acme Ltd product=Basic",
            "handed_over 2026-01-05 day Grace Sales",
            "purchased 2026-02-20 day 120000 USD",
        ],
        "crm:OPP-02": [
            "captured 2026-01-07 day",
            "enriched 2026-01-07 day account=Beta GmbH product=Plus",
            "handed_over 2026-01-07 day Grace Sales",
            "lost 2026-01-30 day",
        ],
        "crm:OPP-03": [
            "captured 2026-02-02 day",
            "enriched 2026-02-02 day product=Plus",
            "handed_over 2026-02-02 day Linus Sales",
        ],
        "crm:OPP-04": [],
        "crm:OPP-05": [
            "captured 2026-01-12 day",
            "enriched 2026-01-12 day account=Gamma SA product=Plus",
            "handed_over 2026-01-12 day Linus Sales",
            "purchased 2026-03-02 day 480050 USD",
        ],
        "crm:OPP-06": [
            "captured 2026-03-10 assumed",
            "enriched 2026-03-10 assumed account=Delta plc product=Basic",
            "handed_over 2026-03-10 assumed Grace Sales",
            "purchased 2026-03-10 day 115000 USD",
        ],
        "crm:OPP-07": [
            "captured 2026-02-14 day",
            "enriched 2026-02-14 day account=Acme Ltd product=Basic",
            "handed_over 2026-02-14 day Grace Sales",
            "lost 2026-02-14 assumed",
        ],
        "crm:OPP-08": [
            "captured 2000-01-01 assumed",
            "enriched 2000-01-01 assumed account=Epsilon AB product=Plus",
            "handed_over 2000-01-01 assumed Linus Sales",
        ],
        "crm:OPP-09": [],
        "crm:OPP-10": [
            "captured 2026-02-01 day",
            "enriched 2026-02-01 day account=Beta GmbH product=Plus",
            "handed_over 2026-02-01 day Linus Sales",
            "lost 2026-03-15 day",
        ],
    },
    "event-rows": {
        "crm:77": [
            "captured 2026-03-01 exact paid_search",
            "engaged 2026-03-02 exact paid_search visit",
            "engaged 2026-03-02 exact trial_requested",
            "qualified 2026-03-04 exact target",
            "handed_over 2026-03-05 exact linus",
            "offer_made 2026-03-10 exact 199900 EUR",
            "purchased 2026-03-20 exact 199900 EUR",
            "refunded 2026-04-02 exact 19900 EUR",
        ],
        "crm:78": ["captured 2026-03-04 exact events", "lost 2026-03-12 exact no budget"],
    },
    "hubspot-contacts": {
        "hubspot:101": [
            "captured 2026-01-04 exact paid_search",
            "enriched 2026-01-04 exact country=Germany lead_status=Connected",
            "qualified 2026-01-06 exact MQL target",
            "qualified 2026-01-08 exact SQL target",
            "handed_over 2026-01-10 exact Grace Sales",
            "purchased 2026-02-01 exact",
        ],
        "hubspot:102": [
            "captured 2026-01-05 exact organic_search",
            "enriched 2026-01-05 exact country=France lead_status=Open",
            "qualified 2026-01-20 exact MQL target",
        ],
        "hubspot:103": [
            "captured 2026-01-09 exact direct",
            "enriched 2026-01-09 exact lead_status=New",
            "consent_withdrawn 2026-01-09 exact email",
        ],
        "hubspot:104": [
            "captured 2026-01-11 exact offline",
            "enriched 2026-01-11 exact country=Germany lead_status=In Progress",
            "qualified 2026-01-12 exact SQL target",
            "handed_over 2026-01-15 exact Linus Sales",
        ],
    },
    "hubspot-deals": {
        "hubspot-deal:9001": [
            "captured 2026-01-10 exact PAID_SEARCH",
            "enriched 2026-01-10 exact company=Acme Ltd pipeline=Sales Pipeline",
            "handed_over 2026-01-10 exact Grace Sales",
            "purchased 2026-02-01 exact 199900 EUR",
        ],
        "hubspot-deal:9002": [
            "captured 2026-01-12 exact OFFLINE",
            "enriched 2026-01-12 exact company=Beta GmbH pipeline=Sales Pipeline",
            "handed_over 2026-01-12 exact Linus Sales",
            "lost 2026-03-03 exact Price",
        ],
        "hubspot-deal:9003": [
            "captured 2026-02-01 exact DIRECT_TRAFFIC",
            "enriched 2026-02-01 exact pipeline=Sales Pipeline",
            "handed_over 2026-02-01 exact Linus Sales",
            "offer_made 2026-02-01 assumed 450050 USD",
        ],
        "hubspot-deal:9004": [
            "captured 2026-02-03 exact",
            "enriched 2026-02-03 exact company=Delta plc pipeline=Sales Pipeline",
            "handed_over 2026-02-03 exact Grace Sales",
        ],
        "hubspot-deal:9005": [
            "captured 2026-02-05 exact REFERRALS",
            "enriched 2026-02-05 exact pipeline=Partner Pipeline",
            "handed_over 2026-02-05 exact Grace Sales",
            "purchased 2026-02-05 assumed 30000 EUR",
        ],
    },
    "lead-scoring": {
        # All of them are captured, described and judged.
        "scoring:p-01": ["engaged visit x5", "engaged email_opened", "purchased"],
        "scoring:p-02": ["consent_withdrawn email", "consent_withdrawn email", "contacted phone"],
        "scoring:p-03": [
            "engaged visit x2",
            "consent_withdrawn phone",
            "engaged chat",
            "lost Lost to EINS",
        ],
        "scoring:p-04": ["disqualified Already a student"],
        "scoring:p-05": [],
        "scoring:p-06": ["engaged visit", "engaged visit", "purchased"],
        "scoring:p-07": ["engaged inbound_call", "contacted phone"],
        "scoring:p-08": ["engaged email_clicked"],
    },
    "pipedrive-deals": {
        "pipedrive:1": [
            "captured 2026-01-04 exact Web forms",
            "enriched 2026-01-04 exact organization=Acme Ltd pipeline=Pipeline",
            "handed_over 2026-01-04 exact Grace Sales",
            "purchased 2026-02-20 exact 120000 EUR",
        ],
        "pipedrive:2": [
            "captured 2026-01-05 exact Live chat",
            "enriched 2026-01-05 exact organization=Beta GmbH pipeline=Pipeline",
            "handed_over 2026-01-05 exact Grace Sales",
            "lost 2026-01-30 exact Too expensive",
        ],
        "pipedrive:3": [
            "captured 2026-02-02 exact",
            "enriched 2026-02-02 exact pipeline=Pipeline",
            "handed_over 2026-02-02 exact Linus Sales",
        ],
    },
    "salesforce-leads": {
        "salesforce:00Q000000000001": [
            "captured 2026-01-04 day Web",
            "enriched 2026-01-04 day industry=Retail rating=Hot",
            "qualified 2026-01-18 day SQL target",
            "handed_over 2026-01-18 day Grace Sales",
        ],
        "salesforce:00Q000000000002": [
            "captured 2026-01-05 day Trade Show",
            "enriched 2026-01-05 day rating=Warm",
            "contacted 2026-01-09 assumed phone",
            "consent_withdrawn 2026-01-09 assumed email",
        ],
        "salesforce:00Q000000000003": [
            "captured 2026-01-06 day Phone Inquiry",
            "enriched 2026-01-06 day industry=Energy rating=Cold",
            "disqualified 2026-02-02 assumed Closed - Not Converted",
            "consent_withdrawn 2026-02-02 assumed phone",
        ],
        "salesforce:00Q000000000004": ["captured 2026-01-30 day Web"],
    },
    "salesforce-opportunities": {
        "salesforce-opportunity:006000000000001": [
            "captured 2026-01-18 day Web",
            "enriched 2026-01-18 day account=Acme Ltd type=New Business",
            "handed_over 2026-01-18 day Grace Sales",
            "purchased 2026-02-20 day 120000 USD",
        ],
        "salesforce-opportunity:006000000000002": [
            "captured 2026-01-20 day Trade Show",
            "enriched 2026-01-20 day account=Beta GmbH type=New Business",
            "handed_over 2026-01-20 day Grace Sales",
            "lost 2026-03-01 day Competitor",
        ],
        "salesforce-opportunity:006000000000003": [
            "captured 2026-02-01 day",
            "enriched 2026-02-01 day account=Gamma SA type=Existing Business",
            "handed_over 2026-02-01 day Linus Sales",
            "offer_made 2026-02-01 assumed 480050 USD",
        ],
        "salesforce-opportunity:006000000000004": [
            "captured 2026-02-03 day Web",
            "enriched 2026-02-03 day type=New Business",
            "handed_over 2026-02-03 day Linus Sales",
        ],
    },
}

REACHED: Final = {
    # captured, qualified, sales_ready, handed_over, offered, customer; then lost
    "crm-opportunities": ([8, 8, 8, 8, 3, 3], 3),
    "event-rows": ([2, 1, 1, 1, 1, 1], 1),
    "hubspot-contacts": ([4, 3, 2, 2, 1, 1], 0),
    "hubspot-deals": ([5, 5, 5, 5, 3, 2], 1),
    "lead-scoring": ([8, 2, 2, 2, 2, 2], 1),
    "pipedrive-deals": ([3, 3, 3, 3, 1, 1], 1),
    "salesforce-leads": ([4, 1, 1, 1, 0, 0], 0),
    "salesforce-opportunities": ([4, 4, 4, 4, 2, 1], 1),
}


def told(event: LeadEvent) -> str:
    """An event in one line: what, when, how well that is known, and what it carries."""
    carried: dict[str, Any] = event.model_dump(mode="json", include=set(own_fields(type(event))))
    words = [event.topic.removeprefix("lead."), str(event.occurred_at.date()), event.time_basis]
    words += [
        carried[k] for k in ("source", "to_owner", "tier", "reason", "kind") if carried.get(k)
    ]
    if carried.get("target"):
        words.append("target")
    if event.topic in ("lead.consent_withdrawn", "lead.contacted"):
        words.append(carried["channel"])
    if (amount := carried.get("amount")) is not None:
        words.append(f"{amount['minor']} {amount['currency']}")
    words += [f"{key}={text}" for key, text in sorted(carried.get("dimensions", {}).items())]
    if carried.get("count", 1) > 1:
        words.append(f"x{carried['count']}")
    return " ".join(words)


def imported(leadflow: Run, name: str, *words: str) -> Ran:
    Path("export.csv").write_text(leadflow("import", "mappings", name, "--example").out, "utf-8")
    return leadflow("import", "csv", "export.csv", "--mapping", name, "--json", *words)


def histories(leads: Leadflow, ids: list[str]) -> dict[str, list[str]]:
    known = {id_: leads.store.load(leads.resolve(id_)) for id_ in ids}
    return {
        id_: [told(event) for event in events if isinstance(event, LeadEvent)]
        for id_, events in known.items()
    }


def test_every_shipped_example_has_its_outcomes_here() -> None:
    assert set(OUTCOMES) == set(REACHED) == set(WITH_EXAMPLE)
    assert {*WITH_EXAMPLE, "olist_deals", "olist_leads"} == set(shipped_names())


@pytest.mark.parametrize("name", [name for name in WITH_EXAMPLE if name != "lead-scoring"])
def test_each_row_gives_the_events_that_its_mapping_promises(leadflow: Run, name: str) -> None:
    ran = imported(leadflow, name)

    assert (ran.code, ran.json["refused"], ran.json["irregular"]) == (0, 0, 0), ran.err
    with Leadflow.open("sqlite:///leads.db") as leads:
        assert histories(leads, list(OUTCOMES[name])) == OUTCOMES[name]


def test_a_wide_export_without_dates(leadflow: Run) -> None:
    ran = imported(leadflow, "lead-scoring")

    assert (ran.code, ran.json["accepted"], ran.json["irregular"]) == (0, 8, 0), ran.err
    wanted = OUTCOMES["lead-scoring"]
    with Leadflow.open("sqlite:///leads.db") as leads:
        found = histories(leads, list(wanted))
        first = leads.store.load(leads.resolve("lead-number:660001"))
    events = {id_: [t.replace(" 2020-01-01 assumed", "") for t in h] for id_, h in found.items()}
    assert {id_: history[3:] for id_, history in events.items()} == wanted
    assert [history[0] for history in events.values()] == [
        *("captured google", "captured google", "captured google", "captured chat", "captured"),
        *("captured google", "captured google", "captured google"),
    ]
    assert events["scoring:p-01"][1] == (
        "enriched city=Mumbai country=India what_is_your_current_occupation=Unemployed"
    )
    [described, judged] = [e.model_dump(mode="json") for e in first if e.topic == "lead.enriched"]
    fields = {name: value["value"] for name, value in described["fields"].items()}
    assert (fields["search"], fields["magazine"]) == (True, False)
    assert fields["total_time_spent_on_website"] == 674
    assert fields["page_views_per_visit"] == "2.5"
    assert set(judged["known_after_outcome"]) == set(judged["fields"])
    assert judged["fields"]["tags"]["value"] == "Closed by Horizzon"
    assert judged["fields"]["asymmetrique_activity_score"]["value"] == 15


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_funnel_of_an_example(leadflow: Run, name: str) -> None:
    imported(leadflow, name)

    steps = leadflow("metrics", "funnel", "--json").json["steps"]
    reached, lost = REACHED[name]
    assert [step["reached"] for step in steps] == reached
    assert sum(step["lost"] for step in steps) == lost


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_imported_again_an_example_changes_nothing(leadflow: Run, name: str) -> None:
    rehearsed = imported(leadflow, name, "--dry-run")
    assert not Path("leads.db").exists()
    first = imported(leadflow, name)
    again = imported(leadflow, name)

    assert rehearsed.json == first.json
    assert (again.code, again.json["events"]) == (0, 0)
    assert again.json["unchanged"] == again.json["rows"] == first.json["rows"]


@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_what_is_personal_stays_in_the_personal_part(leadflow: Run, name: str) -> None:
    imported(leadflow, name)
    leadflow("log", "export", "--format", "jsonl", "out.jsonl")

    exported = Path("out.jsonl").read_text("utf-8")
    assert "example.org" not in exported
    assert "Example" not in exported
    assert "+1 555" not in exported
    assert "+4930" not in exported


def test_flags_that_sound_personal_are_named_as_what_they_are() -> None:
    for name in shipped_names():
        assert all(sounds_personal(column) for column in find_mapping(name).not_personal)


def test_a_mapping_is_named_by_path_or_by_name(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(shipped_text("event-rows").replace('"event-rows"', '"own"', 1))

    assert find_mapping(str(own)).name == "own"
    assert find_mapping("event-rows").name == "event-rows"
    assert find_mapping("olist-leads").name == "olist_leads"


@pytest.mark.parametrize(
    ("named", "message", "hint"),
    [
        ("hubspot-deal", "there is no mapping 'hubspot-deal'", "did you mean hubspot-deals?"),
        ("own.toml", "own.toml: No such file or directory", ""),
        ("maps/own", "maps/own: No such file or directory", ""),
    ],
)
def test_a_mapping_that_is_not_there(named: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidMapping) as caught:
        find_mapping(named)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_the_mappings_are_listed_and_printed(leadflow: Run) -> None:
    listed = leadflow("import", "mappings", "--json").json

    assert [row["name"] for row in listed] == shipped_names()
    assert leadflow("import", "mappings", "event-rows").out == shipped_text("event-rows")
    assert leadflow("import", "mappings", "olist_leads", "--example").code == 1
    assert leadflow("import", "mappings", "--example").code == 2
    assert "did you mean event-rows?" in leadflow("import", "mappings", "event-row").err


def test_a_later_export_of_opportunities_adds_what_happened_since(leadflow: Run) -> None:
    imported(leadflow, "crm-opportunities")
    later = (
        (shipped_example("crm-opportunities") or "")
        .replace("Engaging,2026-02-02,,", "Won,2026-02-02,2026-04-01,900")
        .replace(
            "OPP-04,Linus Sales,Basic,,Prospecting,,,",
            "OPP-04,Linus Sales,Basic,,Engaging,2026-04-02,,",
        )
    )
    Path("later.csv").write_text(later, "utf-8")

    ran = leadflow("import", "csv", "later.csv", "--mapping", "crm-opportunities", "--json")

    assert (ran.code, ran.json["accepted"], ran.json["unchanged"]) == (0, 2, 8), ran.err
    assert (ran.json["events"], ran.json["leads"], ran.json["changed"]) == (4, 1, 0)
    with Leadflow.open("sqlite:///leads.db") as leads:
        found = histories(leads, ["crm:OPP-03", "crm:OPP-04"])
    assert found["crm:OPP-03"][3:] == ["purchased 2026-04-01 day 90000 USD"]
    assert found["crm:OPP-04"] == [
        "captured 2026-04-02 day",
        "enriched 2026-04-02 day product=Basic",
        "handed_over 2026-04-02 day Linus Sales",
    ]
