"""The figures of Olist's real leads, from the command line, against counts over the raw files."""

import csv
import sqlite3
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest

from tests.conftest import OLIST_FILES
from tests.integration.metrics.conftest import Run, run

PAST_DAYS = ("2017-06-14", "2017-12-04", "2017-12-05", "2018-01-31", "2018-05-31", "2018-11-14")


@dataclass(frozen=True)
class Lead:
    """A row of the leads' file, with its deal if it has one."""

    source: str
    contact: date
    won: datetime | None

    @property
    def days(self) -> float:
        """From 00:00 of the first contact to the deal."""
        assert self.won is not None
        return (self.won - datetime.combine(self.contact, datetime.min.time())) / timedelta(days=1)


@pytest.fixture(scope="module")
def raw(olist_dir: Path) -> list[Lead]:
    """The leads as the two files have them."""

    def rows(name: str) -> list[dict[str, str]]:
        with (olist_dir / name).open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    won = {row["mql_id"]: datetime.fromisoformat(row["won_date"]) for row in rows(OLIST_FILES[1])}
    return [
        Lead(
            row["origin"],
            date.fromisoformat(row["first_contact_date"]),
            won.get(row["mql_id"]),
        )
        for row in rows(OLIST_FILES[0])
    ]


def ends(steps: list[dict[str, Any]]) -> tuple[int, int, float | None]:
    """Captured, customers, and the conversion of the one into the other."""
    first, last = steps[0], steps[-1]
    assert (first["stage"], last["stage"]) == ("captured", "customer")
    return first["reached"], last["reached"], last["overall_conversion"]


def test_the_whole_funnel(metrics: Run, raw: list[Lead]) -> None:
    shown = metrics("funnel").json
    wins = sum(lead.won is not None for lead in raw)
    assert ends(shown["steps"]) == (len(raw), wins, wins / len(raw)) == (8000, 842, 0.10525)
    assert (shown["as_of"], shown["known_at"]) == (None, None)
    for step in shown["steps"]:
        assert step["reached"] == (
            step["went_on"] + step["lost"] + step["disqualified"] + step["open"]
        )


def test_by_source_with_blank_apart_from_unknown(metrics: Run, raw: list[Lead]) -> None:
    shown = metrics("funnel", "--by", "source").json
    assert shown["by"] == "source"
    found = {group["value"]: ends(group["steps"])[:2] for group in shown["groups"]}
    leads = Counter(lead.source or None for lead in raw)
    wins = Counter(lead.source or None for lead in raw if lead.won)
    assert found == {source: (n, wins[source]) for source, n in leads.items()}
    assert (found[None], found["unknown"], found["paid_search"]) == (
        *((60, 14), (1099, 179)),
        (1586, 195),
    )
    one = metrics("funnel", "--where", "source=email").json
    assert ends(one["steps"])[:2] == found["email"]


def test_cohort_and_period_of_january(metrics: Run) -> None:
    january = ("--since", "2018-01-01", "--until", "2018-01-31")
    assert ends(metrics("funnel", *january).json["steps"]) == (1141, 152, 152 / 1141)
    period = metrics("funnel", *january, "--basis", "period").json
    assert ends(period["steps"]) == (1141, 73, 73 / 1141)


def test_every_month_as_cohort_and_as_period(metrics: Run, raw: list[Lead]) -> None:
    for year, month in [(2017, 6), (2017, 12), (2018, 2), (2018, 5), (2018, 11)]:
        first = date(year, month, 1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        asked = ("funnel", "--since", str(first), "--until", str(last))
        cohort = [lead for lead in raw if first <= lead.contact <= last]
        wins = sum(lead.won is not None for lead in cohort)
        assert ends(metrics(*asked).json["steps"])[:2] == (len(cohort), wins)
        won = sum(lead.won is not None and first <= lead.won.date() <= last for lead in raw)
        period = metrics(*asked, "--basis", "period").json["steps"]
        assert ends(period)[:2] == (len(cohort), won)


def test_wins_without_new_leads_have_no_rate(metrics: Run) -> None:
    asked = ("--basis", "period", "--since", "2018-06-01", "--until", "2018-11-30")
    assert ends(metrics("funnel", *asked).json["steps"]) == (0, 177, None)


@pytest.mark.parametrize("day", PAST_DAYS)
def test_as_it_was_on_a_past_day(metrics: Run, raw: list[Lead], day: str) -> None:
    shown = metrics("funnel", "--as-of", day).json
    known = sum(lead.contact <= date.fromisoformat(day) for lead in raw)
    won = sum(lead.won is not None and str(lead.won.date()) <= day for lead in raw)
    assert shown["as_of"] == f"{day}T23:59:59.999999Z"
    assert ends(shown["steps"])[:2] == (known, won)
    by_source = metrics("funnel", "--as-of", day, "--by", "source").json["groups"]
    assert sum(ends(group["steps"])[0] for group in by_source) == known
    assert sum(ends(group["steps"])[1] for group in by_source) == won


def test_a_deal_before_its_first_contact_is_in_the_past_too(metrics: Run, raw: list[Lead]) -> None:
    day = "2018-03-07"  # the deal is of the 6th, its first contact of the 8th
    steps = {s["stage"]: s for s in metrics("funnel", "--as-of", day).json["steps"]}
    known = sum(str(lead.contact) <= day for lead in raw)
    won = sum(lead.won is not None and str(lead.won.date()) <= day for lead in raw)
    assert (steps["captured"]["entered"], steps["customer"]["entered"]) == (known, won)


def test_days_from_first_contact_to_won(metrics: Run, raw: list[Lead]) -> None:
    days = [lead.days for lead in raw if lead.won]
    lead_time = metrics("durations").json[0]
    assert (lead_time["name"], lead_time["unit"]) == ("lead_time", "days")
    assert (lead_time["n"], lead_time["open"]) == (842, 7158)
    assert lead_time["mean"] == pytest.approx(mean(days), abs=1e-9)
    assert lead_time["median"] == pytest.approx(median(days), abs=1e-9)
    rounded = [round(lead_time[name], 4) for name in ("mean", "median", "greatest", "least")]
    assert rounded == [49.1008, 14.6507, 427.5518, -1.1813]
    assert lead_time["negative"] == 1


def test_days_by_source(metrics: Run, raw: list[Lead]) -> None:
    for figures in metrics("durations", "--by", "source").json:
        if figures["name"] == "lead_time":
            days = [
                lead.days for lead in raw if lead.won and lead.source == (figures["value"] or "")
            ]
            assert (figures["n"], figures["median"]) == (
                len(days),
                pytest.approx(median(days), abs=1e-9),
            )


def test_the_handover_has_no_known_time_and_so_no_duration(metrics: Run) -> None:
    handover = metrics("durations").json[1]
    assert (handover["name"], handover["n"], handover["mean"]) == ("time_to_handover", 0, None)
    assert handover["assumed_left_out"] == 842


def test_the_leads_behind_each_figure_are_as_many(metrics: Run) -> None:
    steps = metrics("funnel", "--where", "source=display", "--list-leads").json["steps"]
    assert [len(step["list"]) for step in steps] == [step["reached"] for step in steps]
    assert steps[0]["reached"] == 118


def test_a_day_before_the_import_nothing_was_known(metrics: Run, raw: list[Lead]) -> None:
    shown = metrics("funnel", "--known-at", "2018-12-31").json
    assert ends(shown["steps"]) == (0, 0, None)
    assert shown["position"] == 0
    yesterday = metrics("funnel", "--known-at", "2018-12-31", "--as-of", "2018-05-31").json
    assert ends(yesterday["steps"]) == (0, 0, None)
    assert metrics("durations", "--known-at", "2018-12-31").json[0]["n"] == 0


def test_importing_twice_changes_nothing(
    metrics: Run, olist_store: str, olist_files: tuple[str, ...]
) -> None:
    before = [metrics("funnel", "--by", "source").json, metrics("durations").json]
    log = _events(olist_store)
    again = run("import", "olist", *olist_files, "--store", olist_store, "--json")
    assert again.code == 0, again.err
    assert again.json["accepted"] == 0
    assert again.json["unchanged"] == 8842
    assert _events(olist_store) == log
    assert [metrics("funnel", "--by", "source").json, metrics("durations").json] == before


def _events(url: str) -> int:
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        return int(connection.execute("SELECT max(position) FROM stored_events").fetchone()[0])


def test_a_day_in_another_zone(metrics: Run, raw: list[Lead]) -> None:
    zone = ("--tz", "America/Sao_Paulo")
    shown = metrics("funnel", "--as-of", "2018-05-30", *zone).json
    end = datetime.fromisoformat("2018-05-31T03:00")  # midnight there, by the clock of the files
    known = sum(lead.contact <= date(2018, 5, 30) for lead in raw)
    won = sum(lead.won is not None and lead.won < end for lead in raw)
    assert ends(shown["steps"])[:2] == (known, won)
    january = ("--since", "2018-01-01", "--until", "2018-01-31", *zone)
    assert ends(metrics("funnel", *january).json["steps"])[:2] == (1141, 152)


def test_the_same_figures_from_postgresql(
    metrics: Run, olist_files: tuple[str, ...], postgres_database: str, tmp_path: Path
) -> None:
    there = ("--store", postgres_database, "--key-file", str(tmp_path / "key"))
    for words in (("store", "init"), ("import", "olist", *olist_files)):
        called = run(*words, *there, "-q")
        assert called.code == 0, called.err
    for words in (
        ("funnel", "--by", "source"),
        ("funnel", "--as-of", "2018-01-31"),
        ("durations",),
    ):
        shown = run("metrics", *words, *there, "--json")
        assert shown.code == 0, shown.err
        assert shown.json == metrics(*words).json
