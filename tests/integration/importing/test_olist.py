"""A real company's leads: every figure from the command line, against counts of the files."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.domain.values import TimeBasis
from leadflow_commands.importing.mapping_file import SHIPPED, shipped_mapping
from leadflow_commands.importing.reading import opened
from leadflow_commands.importing.running import Source, import_tables
from tests.cli.conftest import Run
from tests.conftest import OLIST_FILES


@dataclass(frozen=True)
class Raw:
    """What the two files say, read without any of our code."""

    origin: dict[str, str]
    contacted: dict[str, date]
    won: dict[str, datetime]
    deals: list[dict[str, str]]

    def days_to_win(self) -> list[float]:
        midnights = {i: datetime.combine(d, time(), UTC) for i, d in self.contacted.items()}
        return [(won - midnights[i]) / timedelta(days=1) for i, won in self.won.items()]

    def as_of(self, moment: datetime) -> tuple[int, int]:
        """How many leads and customers there were."""
        leads = sum(datetime.combine(d, time(), UTC) <= moment for d in self.contacted.values())
        return leads, sum(won <= moment for won in self.won.values())


@pytest.fixture(scope="module")
def raw(olist_dir: Path) -> Raw:
    mqls, deals = (
        list(csv.DictReader((olist_dir / name).read_text("utf-8").splitlines()))
        for name in OLIST_FILES
    )
    return Raw(
        origin={row["mql_id"]: row["origin"] for row in mqls},
        contacted={row["mql_id"]: date.fromisoformat(row["first_contact_date"]) for row in mqls},
        won={
            row["mql_id"]: datetime.fromisoformat(row["won_date"]).replace(tzinfo=UTC)
            for row in deals
        },
        deals=deals,
    )


class Silent:
    def advance(self, count: int = 1) -> None: ...


@pytest.fixture(scope="module")
def imported(olist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store with both files in it."""
    url = f"sqlite:///{tmp_path_factory.mktemp('olist')}/olist.db"
    mappings = [shipped_mapping(name) for name in SHIPPED]
    files = [olist_dir / name for name in OLIST_FILES]
    with (
        Leadflow.open(url, create=True) as leads,
        opened(files[0], mappings[0]) as mqls,
        opened(files[1], mappings[1]) as deals,
    ):
        report = import_tables(
            leads, [Source(mqls, mappings[0]), Source(deals, mappings[1])], Silent()
        )
        told = report.as_data()
        assert told.pop("unused_columns") == {str(file): [] for file in files}
        assert told == {
            "rows": 8842,
            "accepted": 8842,
            "unchanged": 0,
            "refused": 0,
            "leads": 8000,
            "events": 8000 + 4 * 842,
            "irregular": 1,
            "changed": 0,
            "held_back": 0,
            "refusals": [],
            "changes": [],
        }
    return url


def funnel(leadflow: Run, store: str, *options: str) -> dict[str, Any]:
    ran = leadflow("metrics", "funnel", "--json", "--store", store, *options)
    assert ran.code == 0, ran.err
    found: dict[str, Any] = ran.json
    return found


def step(steps: list[dict[str, Any]], stage: str) -> dict[str, Any]:
    return next(row for row in steps if row["stage"] == stage)


def test_the_whole_funnel(leadflow: Run, imported: str, raw: Raw) -> None:
    steps = funnel(leadflow, imported)["steps"]

    assert step(steps, "captured")["reached"] == len(raw.origin) == 8_000
    assert step(steps, "customer")["reached"] == len(raw.won) == 842
    assert step(steps, "handed_over")["reached"] == 842
    assert step(steps, "customer")["overall_conversion"] == pytest.approx(0.10525)


def test_the_funnel_by_origin(leadflow: Run, imported: str, raw: Raw) -> None:
    leads, won = Counter(raw.origin.values()), Counter(raw.origin[i] for i in raw.won)
    groups = funnel(leadflow, imported, "--by", "source")["groups"]

    found = {
        group["value"] or "": (
            step(group["steps"], "customer")["reached"],
            step(group["steps"], "captured")["reached"],
        )
        for group in groups
    }
    assert found == {origin: (won[origin], count) for origin, count in leads.items()}
    assert found["organic_search"] == (271, 2296)
    assert found["unknown"] == (179, 1099)
    assert found[""] == (14, 60)


def test_lead_time(leadflow: Run, imported: str, raw: Raw) -> None:
    ran = leadflow("metrics", "durations", "--json", "--store", imported)
    durations = {row["name"]: row for row in ran.json}
    days = raw.days_to_win()

    found = durations["lead_time"]
    assert found["n"] == 842
    assert found["mean"] == pytest.approx(mean(days), abs=1e-9)
    assert found["median"] == pytest.approx(median(days), abs=1e-9)
    assert found["greatest"] == pytest.approx(max(days), abs=1e-9)
    assert found["least"] == pytest.approx(min(days), abs=1e-9)
    assert [round(found[name], 4) for name in ("mean", "median", "greatest", "least")] == [
        49.1008,
        14.6507,
        427.5518,
        -1.1813,
    ]


def test_when_leads_were_handed_over_is_not_known_and_not_made_up(
    leadflow: Run, imported: str
) -> None:
    ran = leadflow("metrics", "durations", "--json", "--store", imported)
    found = next(row for row in ran.json if row["name"] == "time_to_handover")

    assert (found["n"], found["median"]) == (0, None)


@pytest.mark.parametrize(
    "day", ["2017-06-13", "2017-12-31", "2018-01-31", "2018-03-31", "2018-05-04", "2018-11-14"]
)
def test_any_past_day(leadflow: Run, imported: str, raw: Raw, day: str) -> None:
    end = datetime.combine(date.fromisoformat(day), time.max, UTC)
    steps = funnel(leadflow, imported, "--as-of", day)["steps"]

    found = step(steps, "captured")["reached"], step(steps, "customer")["reached"]
    assert found == raw.as_of(end)


def test_january_as_cohort_and_as_period(leadflow: Run, imported: str, raw: Raw) -> None:
    period = ("--since", "2018-01-01", "--until", "2018-01-31")
    begun = {i for i, day in raw.contacted.items() if (day.year, day.month) == (2018, 1)}

    cohort = funnel(leadflow, imported, *period)["steps"]
    assert step(cohort, "captured")["reached"] == len(begun) == 1_141
    assert step(cohort, "customer")["reached"] == len(begun & raw.won.keys()) == 152

    within = funnel(leadflow, imported, *period, "--basis", "period")["steps"]
    wins = sum((won.year, won.month) == (2018, 1) for won in raw.won.values())
    assert step(within, "customer")["reached"] == wins == 73
    assert step(within, "customer")["overall_conversion"] == pytest.approx(73 / 1_141)


def test_a_rate_over_nothing_is_undefined(leadflow: Run, imported: str) -> None:
    steps = funnel(
        leadflow,
        imported,
        *("--basis", "period", "--since", "2018-06-01", "--until", "2018-11-30"),
    )["steps"]

    assert step(steps, "captured")["reached"] == 0
    assert step(steps, "customer")["reached"] == 177
    assert step(steps, "customer")["overall_conversion"] is None


def test_a_day_before_the_import_knows_nothing(leadflow: Run, imported: str) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()

    steps = funnel(leadflow, imported, "--known-at", yesterday)["steps"]
    assert [row["reached"] for row in steps] == [0] * len(steps)


def test_the_deal_before_its_first_contact_is_kept_and_flagged(imported: str) -> None:
    with Leadflow.open(imported) as leads:
        history = leads.history("olist:b91cf8812365f50ff4bda4bcd6206b05")

    irregular = [(event.topic, event.irregular) for event in history if event.irregular]
    assert irregular == [("lead.purchased", ("before_capture",))]


def test_a_deal_in_the_log(imported: str, raw: Raw) -> None:
    deal = next(row for row in raw.deals if row["average_stock"] and row["has_company"])
    with Leadflow.open(imported) as leads:
        history = leads.history(f"olist:{deal['mql_id']}")
        assert leads.resolve(f"olist-seller:{deal['seller_id']}") == history[0].lead_id
    captured, qualified, handed_over, purchased, enriched = history

    assert isinstance(captured, e.Captured)
    assert captured.time_basis is TimeBasis.DAY
    assert {qualified.time_basis, handed_over.time_basis} == {TimeBasis.ASSUMED}
    assert isinstance(handed_over, e.HandedOver)
    assert (handed_over.from_owner, handed_over.to_owner) == (deal["sdr_id"], deal["sr_id"])
    assert isinstance(purchased, e.Purchased)
    assert (purchased.order_id, purchased.amount) == (deal["seller_id"], None)
    assert isinstance(enriched, e.Enriched)
    assert enriched.entered is None
    assert set(enriched.known_after_outcome) == {*enriched.fields, *enriched.dimensions}
    assert enriched.dimensions["lead_type"] == deal["lead_type"]
    assert enriched.fields["declared_monthly_revenue"].value == int(
        float(deal["declared_monthly_revenue"])
    )


def test_importing_again_changes_nothing(leadflow: Run, imported: str, olist_dir: Path) -> None:
    before = leadflow("log", "stats", "--json", "--store", imported).json
    files = [str(olist_dir / name) for name in OLIST_FILES]

    again = leadflow("import", "olist", *files, "--json", "--store", imported)

    assert again.code == 0
    assert (again.json["unchanged"], again.json["events"]) == (8842, 0)
    assert leadflow("log", "stats", "--json", "--store", imported).json == before


def test_a_rehearsal_reports_the_same_and_makes_no_store(
    leadflow: Run, elsewhere: Path, olist_dir: Path
) -> None:
    files = [str(olist_dir / name) for name in OLIST_FILES]

    ran = leadflow("import", "olist", *files, "--dry-run", "--json")

    assert (ran.json["accepted"], ran.json["leads"], ran.json["irregular"]) == (8842, 8000, 1)
    assert list(elsewhere.iterdir()) == []
