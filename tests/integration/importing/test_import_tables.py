"""Importing tables: what is refused alone, what is refused whole, and going on after a stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from leadflow import Leadflow
from leadflow_commands.importing import running
from leadflow_commands.importing.mapping_file import shipped_mapping
from leadflow_commands.importing.reading import opened
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.running import Source, import_tables
from tests.cli.conftest import Run

MQLS = "mql_id,first_contact_date,landing_page_id,origin\n"
DEALS = (
    "mql_id,seller_id,sdr_id,sr_id,won_date,business_segment,lead_type,lead_behaviour_profile,"
    "has_company,has_gtin,average_stock,business_type,declared_product_catalog_size,"
    "declared_monthly_revenue\n"
)


def mql(number: int, day: str = "2018-01-02", origin: str = "email") -> str:
    return f"m{number},{day},page,{origin}\n"


def deal(number: int, won: str = "2018-02-03 10:00:00") -> str:
    return f"m{number},s{number},sdr,sr,{won},pet,industry,,,,,reseller,,0.0\n"


@pytest.fixture
def files(elsewhere: Path) -> tuple[Path, Path]:
    """The two files, with headers alone."""
    mqls, deals = elsewhere / "mqls.csv", elsewhere / "deals.csv"
    mqls.write_text(MQLS)
    deals.write_text(DEALS)
    return mqls, deals


def test_bad_rows_are_refused_by_line_and_the_rest_is_recorded(
    leadflow: Run, files: tuple[Path, Path]
) -> None:
    files[0].write_text(MQLS + mql(1) + mql(2, "02.01.2018") + "m3\n" + mql(4) + mql(5))
    files[1].write_text(DEALS + deal(1) + deal(9) + deal(4, "soon"))

    ran = leadflow("import", "olist", *map(str, files), "--json")

    assert ran.code == 1
    assert ran.error["code"] == "rows_refused"
    assert ran.error["message"].startswith("4 of 8 rows refused, the others were taken")
    report = ran.json
    assert [report[k] for k in ("rows", "accepted", "unchanged", "refused")] == [8, 4, 0, 4]
    assert [report[k] for k in ("leads", "events", "irregular")] == [3, 7, 0]
    assert [(Path(r["file"]).name, r["line"]) for r in report["refusals"]] == [
        ("deals.csv", 3),
        ("deals.csv", 4),
        ("mqls.csv", 3),
        ("mqls.csv", 4),
    ]
    assert report["refusals"][0]["reason"] == "no lead olist:m9"
    assert leadflow("log", "stats", "--json").json["events"] == 1 + 7


def test_refusals_may_be_allowed(leadflow: Run, files: tuple[Path, Path]) -> None:
    files[0].write_text(MQLS + mql(1) + "m2\n")
    files[0].write_text(files[0].read_text() + mql(3))

    assert leadflow("import", "olist", *map(str, files), "--max-refused", "1").code == 0
    assert leadflow("import", "olist", *map(str, files), "--max-refused", "0").code == 1


def test_mended_rows_are_all_that_a_second_import_adds(
    leadflow: Run, files: tuple[Path, Path]
) -> None:
    files[0].write_text(MQLS + mql(1) + mql(2, "02.01.2018"))
    leadflow("import", "olist", *map(str, files))
    files[0].write_text(MQLS + mql(1) + mql(2))

    ran = leadflow("import", "olist", *map(str, files), "--json")

    assert ran.code == 0
    assert [ran.json[k] for k in ("accepted", "unchanged", "events")] == [1, 1, 1]


def test_a_row_that_says_something_else_now_is_listed_and_not_recorded(
    leadflow: Run, files: tuple[Path, Path]
) -> None:
    files[0].write_text(MQLS + mql(1))
    leadflow("import", "olist", *map(str, files))
    files[0].write_text(MQLS + mql(1, origin="social"))

    ran = leadflow("import", "olist", *map(str, files), "--json")

    assert ran.code == 0
    assert [ran.json[k] for k in ("unchanged", "changed", "events")] == [1, 1, 0]
    assert ran.json["changes"] == [
        {
            "file": str(files[0]),
            "line": 2,
            "lead": "olist:m1",
            "rule": "captured",
            "what": ["source email to social"],
            "recorded": False,
        }
    ]
    assert leadflow("lead", "show", "olist:m1", "--json").json["source"] == "email"


def test_the_same_row_twice_in_a_file_is_refused(leadflow: Run, files: tuple[Path, Path]) -> None:
    files[0].write_text(MQLS + mql(1) + mql(1))

    ran = leadflow("import", "olist", *map(str, files), "--json")

    assert [ran.json[k] for k in ("accepted", "refused", "leads")] == [1, 1, 1]
    assert ran.json["refusals"][0]["reason"] == "mql_id: 'm1' is the id of line 2, too"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        MQLS.replace("origin", "source").encode() + mql(2).encode(),
        (MQLS + mql(2) + "m3,2018").encode(),
        (MQLS + mql(2) + 'm3,"2018-01-02,page,email\n' + mql(4)).encode(),
        (MQLS + mql(2)).encode() + b"m3,2018-01-02,page,caf\xe9\n",
        (MQLS + mql(2) + "m3,2018-\x00,page,email\n").encode(),
    ],
    ids=["empty", "header", "cut short", "open quote", "encoding", "NUL"],
)
def test_a_file_that_is_not_whole_leaves_nothing_behind(
    leadflow: Run, files: tuple[Path, Path], broken: bytes
) -> None:
    files[0].write_text(MQLS + mql(1))
    files[1].write_bytes(broken.replace(b"mql_id,first_contact", b"mql_id,x"))
    swapped = leadflow("import", "olist", str(files[0]), str(files[1]), "--json")
    files[0].write_bytes(broken)
    first = leadflow("import", "olist", str(files[0]), str(files[1]), "--json")

    for ran in (swapped, first):
        assert ran.code == 1
        assert ran.error["code"] == "unreadable_file"
        assert ran.out == ""
    assert not (files[0].parent / "leads.db").exists()


def test_a_missing_file(leadflow: Run, files: tuple[Path, Path]) -> None:
    ran = leadflow("import", "olist", "none.csv", str(files[1]))

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("Error: there is no file none.csv")


class Interrupted(Exception):
    pass


class StopsAfter:
    """A progress that interrupts the import after some transactions."""

    def __init__(self, transactions: int) -> None:
        self.left = transactions

    def advance(self, count: int = 1) -> None:
        self.left -= 1
        if self.left == 0:
            raise Interrupted


@pytest.fixture
def sources(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Source, Source]]:
    monkeypatch.setattr(running, "ROWS_PER_TRANSACTION", 7)
    files[0].write_text(MQLS + "".join(mql(n) for n in range(40)))
    files[1].write_text(DEALS + "".join(deal(n) for n in range(0, 40, 2)))
    mappings = shipped_mapping("olist_leads"), shipped_mapping("olist_deals")
    with opened(files[0], mappings[0]) as mqls, opened(files[1], mappings[1]) as deals:
        yield Source(mqls, mappings[0]), Source(deals, mappings[1])


@pytest.mark.parametrize("transactions", range(1, 9))
def test_an_import_interrupted_anywhere_goes_on(
    sources: tuple[Source, Source], transactions: int
) -> None:
    with Leadflow.open("sqlite:///:memory:", create=True) as leads:
        with pytest.raises(Interrupted):
            import_tables(leads, sources, StopsAfter(transactions))
        rest = import_tables(leads, sources, StopsAfter(-1))

        assert rest.unchanged == min(transactions * 7, 40) + max(transactions - 6, 0) * 7
        assert rest.accepted == 60 - rest.unchanged
        assert leads.store.head().position == 1 + 40 + 20 * 4


def test_a_rehearsal_sees_the_rows_before(sources: tuple[Source, Source]) -> None:
    with Leadflow.open("sqlite:///:memory:", create=True) as leads:
        rehearsed = import_tables(leads, sources, StopsAfter(-1), dry_run=True)
        assert leads.store.head().position == 0
        recorded = import_tables(leads, sources, StopsAfter(-1))

    assert isinstance(recorded, Report)
    assert rehearsed.as_data() == recorded.as_data()
    assert recorded.accepted == 60
