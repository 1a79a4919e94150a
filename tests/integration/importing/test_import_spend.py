"""Importing spend: what is recorded, what a repetition and what a correction is."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadflow import Leadflow
from leadflow.domain.events import SpendRecorded
from leadflow.domain.identity import spend_stream
from leadflow.domain.values import Money, SalesType, TimeBasis
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.spend import lacking, record
from leadflow_commands.importing.spend_rows import Spend, SpendKey
from tests.cli.conftest import Ran, Run

FILE = """source,campaign,sales_type,period,kind,amount,currency
paid_search,spring,net,2026-03,media,1200.50,EUR
paid_search,spring,net,2026-03,sales,300,EUR
events,,spear,2026-03-01/2026-03-15,,99.9,USD
"""


def spends(*sources: str) -> list[SpendRecorded]:
    with Leadflow.open("sqlite:///leads.db") as leads:
        events = [e for source in sources for e in leads.store.load(spend_stream(source))]
    return [event for event in events if isinstance(event, SpendRecorded)]


def spend(leadflow: Run, content: str, *words: str) -> Ran:
    Path("spend.csv").write_text(content, "utf-8")
    return leadflow("import", "spend", "spend.csv", "--json", *words)


def counts(ran: Ran) -> list[int]:
    return [ran.json[k] for k in ("rows", "accepted", "unchanged", "refused", "events")]


def test_a_row_is_what_was_spent_on_its_key(leadflow: Run) -> None:
    ran = spend(leadflow, FILE)

    assert (ran.code, counts(ran)) == (0, [3, 3, 0, 0, 3])
    media, sales, fair = spends("paid_search", "events")
    assert (media.campaign, media.sales_type, media.kind) == ("spring", SalesType.NET, "media")
    assert (media.period.first, media.period.last) == ("2026-03-01", "2026-03-31")
    assert media.amount == Money(minor=120_050, currency="EUR")
    assert (media.occurred_at.date().isoformat(), media.time_basis) == (
        "2026-03-31",
        TimeBasis.DAY,
    )
    assert sales.kind == "sales"
    assert (fair.campaign, fair.sales_type, fair.kind) == (None, SalesType.SPEAR, "media")
    assert (fair.period.last, fair.amount.minor) == ("2026-03-15", 9_990)


def test_the_same_rows_again_change_nothing_in_whatever_order(leadflow: Run) -> None:
    spend(leadflow, FILE)
    header, *rows = FILE.splitlines()
    again = spend(leadflow, "\n".join([header, *reversed(rows)]))

    assert (again.code, counts(again)) == (0, [3, 0, 3, 0, 0])


def test_a_corrected_amount_is_a_further_record_of_the_difference(leadflow: Run) -> None:
    spend(leadflow, FILE)
    corrected = spend(leadflow, FILE.replace("1200.50", "1150"))
    assert counts(corrected) == [3, 1, 2, 0, 1]
    assert counts(spend(leadflow, FILE.replace("1200.50", "1150"))) == [3, 0, 3, 0, 0]
    back = spend(leadflow, FILE)

    assert counts(back) == [3, 1, 2, 0, 1]
    media = [event.amount.minor for event in spends("paid_search") if event.kind == "media"]
    assert media == [120_050, -5_050, 5_050]


def test_rows_of_one_key_add_up(leadflow: Run) -> None:
    twice = FILE + "paid_search,spring,net,2026-03,media,0.50,EUR\n"

    assert counts(spend(leadflow, twice)) == [4, 4, 0, 0, 3]
    assert spends("paid_search")[0].amount.minor == 120_100
    assert counts(spend(leadflow, twice)) == [4, 0, 4, 0, 0]


def test_what_was_recorded_otherwise_counts_as_recorded(leadflow: Run) -> None:
    with Leadflow.open("sqlite:///leads.db", create=True) as leads:
        leads.record_spend(
            "events",
            period={"first": "2026-03-01", "last": "2026-03-15"},
            amount=Money(minor=9_990, currency="USD"),
            sales_type="sales",
        )

    assert counts(spend(leadflow, FILE)) == [3, 2, 1, 0, 2]


def test_a_sum_of_which_a_row_is_refused_is_refused_whole(leadflow: Run) -> None:
    both = FILE + "paid_search,spring,net,2026-03,media,20,EUR\n"
    spend(leadflow, both)
    broken = spend(leadflow, both.replace(",20,", ",2O,"))

    assert (broken.code, counts(broken)) == (1, [4, 0, 2, 2, 0])
    reasons = {r["line"]: r["reason"] for r in broken.json["refusals"]}
    assert reasons[5] == "amount: '2O' is no number with the decimal mark '.'"
    assert reasons[2] == "line 5 is of the same sum, and refused"


def test_bookings_with_an_id_are_recorded_once_each(leadflow: Run) -> None:
    one = "Invoice,source,month,cost,currency\nA-1,events,2026-03,100,EUR\n"
    other = one.replace("A-1", "A-2")
    words = ("--column", "id=Invoice")

    assert counts(spend(leadflow, one, *words)) == [1, 1, 0, 0, 1]
    assert counts(spend(leadflow, other, *words)) == [1, 1, 0, 0, 1]
    assert counts(spend(leadflow, one, *words)) == [1, 0, 1, 0, 0]
    changed = spend(leadflow, one.replace("100", "90"), *words)

    assert changed.code == 1
    assert "a booking of this id is recorded with other content" in changed.err
    assert [event.amount.minor for event in spends("events")] == [10_000, 10_000]


def test_headers_formats_and_values_of_an_export(leadflow: Run) -> None:
    content = (
        "\ufeffKampagne;Von;Bis;Kosten (EUR)\r\n"
        "Frühling;01.03.26;31.03.26;1.234,50\r\n"
        ";01.04.26;30.04.26;7\r\n"
    )
    ran = spend(
        leadflow,
        content,
        *("--column", "campaign=Kampagne", "--column", "first=Von", "--column", "last=#3"),
        *("--column", "amount=Kosten (EUR)", "--set", "source=paid_search"),
        *("--decimal", ",", "--thousands", ".", "--date-format", "%d.%m.%y"),
    )

    assert (ran.code, counts(ran)) == (0, [2, 2, 0, 0, 2])
    first, second = spends("paid_search")
    assert (first.campaign, first.period.last) == ("Frühling", "2026-03-31")
    assert (first.amount.minor, second.amount.minor) == (123_450, 700)


def test_a_source_may_be_called_otherwise_than_its_leads_do(leadflow: Run) -> None:
    content = "Platform,Day,Amount spent (USD)\nGoogle Ads,2026-03-01,5\nMeta,2026-03-01,6\n"
    ran = spend(leadflow, content, "--rename", "Google Ads=paid_search")

    assert ran.code == 0, ran.err
    assert [event.amount.minor for event in spends("paid_search", "Meta")] == [500, 600]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("USD", "USX", "currency: 'USX' is no ISO 4217 currency"),
        ("USD", "", "currency: blank, and a spend needs its currency"),
        ("spear", "cold", "sales_type: 'cold' is no sales type; known are spear, seed, net"),
        ("03-15,,", "03-15,tv,", "kind: 'tv' is not media, sales or other"),
        ("2026-03-01/", "03/", "period: '03/2026-03-15' is no period"),
        ("2026-03-01/", "2027-03-01/", "before it begins on 2027-03-01"),
        ("99.9", "99,9", "8 fields where the header has 7"),
        ("99.9", "99.999", "amount: '99.999' has more digits than USD has"),
        ("99.9", "nan", "amount: 'nan' is no number"),
        ("99.9", "9" * 15, "is more than any amount"),
        ("events", " ", "source: blank, and a spend needs its source"),
        ("events", "x" * 10_001, "source: String should have at most 10000 characters"),
    ],
)
def test_a_row_that_is_no_spend_is_refused_alone(
    leadflow: Run, old: str, new: str, reason: str
) -> None:
    ran = spend(leadflow, FILE.replace(old, new))

    assert ran.code == 1
    assert [ran.json[k] for k in ("accepted", "refused")] == [2, 1]
    assert reason in ran.json["refusals"][0]["reason"]
    assert ran.json["refusals"][0]["line"] == 4
    assert "spend.csv, line 4" in ran.error["message"]


@pytest.mark.parametrize(
    ("content", "words", "sentence"),
    [
        ("", (), "line 1: the file is empty"),
        ("source,amount,currency\n", (), "line 1: no column is the period"),
        ("source,month,currency\n", (), "no column is the amount (looked for amount, cost"),
        ("month,cost,currency\n", (), "no column is the source"),
        ("source,month,cost\n", (), "no column is the currency"),
        (FILE, ("--column", "amount=Cost"), "there is no column 'Cost', which is to be the am"),
        (FILE[:-12], (), "ends in the middle of a row"),
        (FILE + 'a,"b\n', (), "line 5, column 3: a quote opens there and never closes"),
    ],
)
def test_a_file_that_cannot_be_used_records_nothing(
    leadflow: Run, elsewhere: Path, content: str, words: tuple[str, ...], sentence: str
) -> None:
    ran = spend(leadflow, content, *words)

    assert (ran.code, ran.out) == (1, "")
    assert sentence in ran.error["message"]
    assert "spend.csv, line " in ran.error["message"]
    assert not (elsewhere / "leads.db").exists()


def test_a_rehearsal_records_nothing(leadflow: Run, elsewhere: Path) -> None:
    ran = spend(leadflow, FILE, "--dry-run")

    assert counts(ran) == [3, 3, 0, 0, 3]
    assert not (elsewhere / "leads.db").exists()


def test_standard_input(leadflow: Run) -> None:
    ran = leadflow("import", "spend", "-", "--json", stdin=FILE)

    assert (ran.code, ran.json["accepted"]) == (0, 3)


@pytest.mark.parametrize("amount", ["12.50", "1.23", "1.2345,5", "12.34.567", "1,234.5", ".500"])
def test_marks_of_thousands_must_be_three_digits_apart(leadflow: Run, amount: str) -> None:
    content = f"source;month;cost;currency\nevents;2026-03;{amount};EUR\n"
    ran = spend(leadflow, content, "--decimal", ",", "--thousands", ".")

    assert ran.json["refused"] == 1, spends("events")
    assert "is no number with the decimal mark ','" in ran.json["refusals"][0]["reason"]


def test_wrong_usage(leadflow: Run) -> None:
    assert spend(leadflow, FILE, "--decimal", ",", "--thousands", ",").code == 2
    assert spend(leadflow, FILE, "--encoding", "utf-9").code == 2
    assert spend(leadflow, FILE, "--column", "amont=x").code == 2
    assert "did you mean amount?" in spend(leadflow, FILE, "--column", "amont=x").error["message"]


def test_two_imports_at_once_cannot_both_add_their_difference(leadflow: Run) -> None:
    spend(leadflow, FILE)
    key = SpendKey("events", None, SalesType.SPEAR, "2026-03-01", "2026-03-15", "media", "USD")
    with Leadflow.open("sqlite:///leads.db") as leads:
        # Three read the log before any of them records.
        counted = [Report(), Report(), Report()]
        postings = [
            list(lacking(leads, [Spend(2, key, minor, None)], report))
            for minor, report in zip((9_000, 9_000, 8_000), counted, strict=True)
        ]
        for posting, report in zip(postings, counted, strict=True):
            record(leads, "spend.csv", posting, report)

    first, same, other = counted
    assert (first.accepted, same.unchanged, other.refused) == (1, 1, 1)
    assert "another import has just recorded this sum" in other.refusals[0].reason
    assert sum(event.amount.minor for event in spends("events")) == 9_000
