"""`leadflow import csv`: what an analyst does with an export, and with the next one."""

from __future__ import annotations

import csv
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.domain.policy import default_policy
from leadflow_commands.importing import running, workers
from leadflow_commands.importing.mapping_file import load_mapping
from leadflow_commands.importing.reading import opened
from leadflow_commands.importing.running import Answers, Source, import_tables
from tests.cli.conftest import Run

MAPPING = """
name = "crm_deals"
system = "crm"
[id]
columns = ["deal"]
[times.opened]
columns = ["opened"]
formats = ["%Y-%m-%d"]
[times.closed]
columns = ["closed"]
formats = ["%Y-%m-%d"]
[[rules]]
name = "captured"
event = "lead.captured"
time = "opened"
[rules.data]
source = "source"
personal = { name = "name", email = "e-mail" }
[[rules]]
name = "researched"
event = "lead.enriched"
time = "opened"
data.dimensions.industry = "industry"
[[rules]]
name = "trial"
event = "lead.engaged"
time = "opened"
when = { column = "source", equals = "web" }
data = { kind = { value = "trial_requested" } }
[[rules]]
name = "offer"
event = "lead.engaged"
time = "opened"
when = { column = "source", equals = "web" }
data = { kind = { value = "offer_requested" } }
[[rules]]
name = "open"
event = "none"
group = "stage"
when = { column = "stage", equals = "Open" }
[[rules]]
name = "won"
event = "lead.purchased"
group = "stage"
when = { column = "stage", equals = "Won" }
time = "closed"
data = { order_id = "deal", amount = { column = "value", as = "money", currency = "EUR" } }
"""
COLUMNS = ("deal", "opened", "closed", "source", "name", "e-mail", "industry", "stage", "value")
HEADER = ",".join((*COLUMNS, "extra")) + "\n"


def row(number: int, stage: str = "Open", **more: str) -> str:
    cells = {
        "deal": str(number),
        "opened": "2026-01-02",
        "closed": "2026-02-03" if stage == "Won" else "",
        "source": "web",
        "name": f"Person {number}",
        "e-mail": f"p{number}@example.org",
        "industry": "energy",
        "stage": stage,
        "value": "12.50",
    } | more
    return ",".join(cells[column] for column in COLUMNS) + ",\n"


Files = tuple[Path, Path]


@pytest.fixture
def files(elsewhere: Path) -> Files:
    """The export, to be written by the test, and its mapping."""
    mapping = elsewhere / "map.toml"
    mapping.write_text(MAPPING)
    return elsewhere / "deals.csv", mapping


def do_import(leadflow: Run, files: Files, *options: str, rows: str) -> Any:
    files[0].write_text(HEADER + rows)
    ran = leadflow("import", "csv", str(files[0]), "--mapping", str(files[1]), "--json", *options)
    assert ran.code == 0, ran.err
    return ran.json


def history(lead: str) -> list[e.LeadEvent]:
    with Leadflow.open("sqlite:///leads.db") as leads:
        return leads.history(lead)


def test_rows_become_facts_and_no_policy_runs(leadflow: Run, files: Files) -> None:
    report = do_import(leadflow, files, rows=row(1) + row(2, "Won"))

    assert [report[k] for k in ("rows", "accepted", "leads", "events")] == [2, 2, 2, 9]
    assert report["unused_columns"] == {str(files[0]): ["extra"]}
    assert [event.topic for event in history("crm:2")] == [
        "lead.captured",
        "lead.enriched",
        "lead.engaged",
        "lead.engaged",
        "lead.purchased",
    ]


def test_a_rehearsal_reports_the_same_and_records_nothing(leadflow: Run, files: Files) -> None:
    files[0].write_text(HEADER + row(1) + row(2, "Won") + row(3, "Gone") + row(2))
    call = ("import", "csv", str(files[0]), "--mapping", str(files[1]), "--json")

    rehearsed = leadflow(*call, "--dry-run")
    assert not Path("leads.db").exists()
    recorded = leadflow(*call)
    again = leadflow(*call, "--dry-run")

    assert rehearsed.json == recorded.json
    assert recorded.json["refused"] == 2
    assert [again.json[k] for k in ("unchanged", "events", "refused")] == [2, 0, 2]


def test_points_carry_the_time_of_their_cause_and_the_queue_stays_empty(
    leadflow: Run, files: Files
) -> None:
    do_import(leadflow, files, "--score", rows=row(1))

    scored = [event for event in history("crm:1") if isinstance(event, e.Scored)]
    assert scored
    assert {event.occurred_at.date().isoformat() for event in scored} == {"2026-01-02"}
    assert not any(isinstance(event, e.BecameSalesReady) for event in history("crm:1"))


def test_leads_enter_the_queue_when_asked_to(leadflow: Run, files: Files) -> None:
    do_import(leadflow, files, "--score", "--queue", rows=row(1))

    assert any(isinstance(event, e.BecameSalesReady) for event in history("crm:1"))


READY = """
[[rules]]
name = "ready"
event = "lead.became_sales_ready"
time = "opened"
"""


@pytest.mark.parametrize("queue", [False, True])
def test_what_a_file_says_of_the_queue_is_held_back_unless_asked_for(
    leadflow: Run, files: Files, queue: bool
) -> None:
    files[1].write_text(MAPPING + READY)

    report = do_import(leadflow, files, *(["--queue"] if queue else []), rows=row(1))

    assert report["held_back"] == (0 if queue else 1)
    ready = [event for event in history("crm:1") if isinstance(event, e.BecameSalesReady)]
    assert len(ready) == (1 if queue else 0)


def test_a_later_export_adds_what_is_new_and_lists_what_changed(
    leadflow: Run, files: Files
) -> None:
    do_import(leadflow, files, rows=row(1) + row(2) + row(3))
    changed = row(2, industry="retail", **{"e-mail": "new@example.org"})

    won = row(1, "Won", closed="2026-03-01")
    later = do_import(leadflow, files, rows=won + changed + row(3) + row(4))

    assert [later[k] for k in ("accepted", "unchanged", "changed", "leads")] == [3, 1, 1, 1]
    assert [event.topic for event in history("crm:1")][-1] == "lead.purchased"
    assert [(c["lead"], c["rule"], c["what"], c["recorded"]) for c in later["changes"]] == [
        ("crm:2", "captured", ["personal.email"], False),
        ("crm:2", "researched", ["dimensions.industry energy to retail"], True),
    ]
    again = do_import(leadflow, files, rows=row(2, industry="retail"))
    assert [again[k] for k in ("unchanged", "changed", "events")] == [1, 0, 0]


def test_what_is_said_anew_and_taken_back_is_recorded_each_time(
    leadflow: Run, files: Files
) -> None:
    for industry in ("energy", "retail", "retail", "energy", "energy"):
        do_import(leadflow, files, rows=row(1, industry=industry))

    said = [event for event in history("crm:1") if isinstance(event, e.Enriched)]
    assert [event.dimensions["industry"] for event in said] == ["energy", "retail", "energy"]


def test_nothing_personal_is_in_a_report(leadflow: Run, files: Files) -> None:
    do_import(leadflow, files, rows=row(1, **{"e-mail": "secret@example.org"}))
    files[0].write_text(HEADER + row(1, **{"e-mail": "other@example.org"}) + row(2, "Gone"))

    for form in ((), ("--json",)):
        ran = leadflow("import", "csv", str(files[0]), "--mapping", str(files[1]), *form)
        assert ran.code == 1
        for word in ("secret@", "other@", "Person"):
            assert word not in ran.out + ran.err


def test_refused_rows_are_mended_and_imported_again(
    leadflow: Run, files: Files, elsewhere: Path
) -> None:
    refused = elsewhere / "refused.csv"
    files[0].write_text(HEADER + row(1) + row(2, "Gone") + "4,\n" + row(5))
    call = ("--mapping", str(files[1]), "--refused-to", str(refused), "--json")

    first = leadflow("import", "csv", str(files[0]), *call)

    assert (first.code, first.json["accepted"]) == (1, 2)
    with refused.open(newline="") as file:
        kept = list(csv.reader(file))
    assert kept[0] == [*HEADER.strip().split(","), "leadflow: reason"]
    assert {line[0]: line[-1] for line in kept[1:]} == {
        "2": "stage: 'Gone' fits no rule of the group stage",
        "4": "2 fields where the header has 10",
    }
    assert stat.S_IMODE(refused.stat().st_mode) == 0o600
    gone = next(line for line in kept if line[0] == "2")
    with refused.open("w", newline="") as file:
        csv.writer(file).writerows([kept[0], ["Open" if cell == "Gone" else cell for cell in gone]])
    second = leadflow("import", "csv", str(refused), *call)
    assert [second.json[k] for k in ("accepted", "refused")] == [1, 0], second.err


def test_more_than_allowed_refused_is_a_failure(leadflow: Run, files: Files) -> None:
    files[0].write_text(HEADER + row(1) + row(2, "Gone"))
    call = ("import", "csv", str(files[0]), "--mapping", str(files[1]))

    assert leadflow(*call, "--max-refused", "1").code == 0
    assert leadflow(*call).code == 1


JOINED = """
name = "crm"
system = "crm"
id = { columns = ["id"] }
[times.day]
columns = ["day"]
[files.leads]
match = "leads*.csv"
[files.deals]
match = "deals*.csv"
id = { columns = ["lead"], unknown = "refuse" }
joins = { accounts = "account" }
[files.accounts]
match = "accounts*.csv"
key = "name of account"
[[rules]]
name = "captured"
event = "lead.captured"
files = ["leads"]
time = "day"
[[rules]]
name = "sector"
event = "lead.enriched"
files = ["deals"]
time = "day"
data.dimensions.sector = "accounts.sector"
"""


def test_files_of_several_kinds_are_joined_by_id_and_looked_up(
    leadflow: Run, elsewhere: Path
) -> None:
    (elsewhere / "map.toml").write_text(JOINED)
    (elsewhere / "leads_1.csv").write_text("id,day\n1,2026-01-01\n2,2026-01-01\n")
    (elsewhere / "deals.csv").write_text("lead,day,account\n1,2026-01-02,Acme\n9,2026-01-02,Acme\n")
    (elsewhere / "accounts.csv").write_text("name of account,sector\nAcme,energy\n")
    files = ("deals.csv", "accounts.csv", "leads=leads_1.csv")

    ran = leadflow("import", "csv", *files, "--mapping", "map.toml", "--json")

    assert ran.code == 1
    assert [ran.json[k] for k in ("rows", "accepted", "refused")] == [4, 3, 1]
    sector = history("crm:1")[1]
    assert isinstance(sector, e.Enriched)
    assert sector.dimensions == {"sector": "energy"}
    lacking = leadflow("import", "csv", "deals.csv", "--mapping", "map.toml")
    assert "looks rows up in the file accounts, and none was given" in lacking.err
    strange = leadflow("import", "csv", "x.csv", "--mapping", "map.toml")
    assert "fits none of the kinds" in strange.err


@pytest.fixture(params=["processes", "alone"])
def batches_of_50(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, drafted in processes of their own or not."""
    monkeypatch.setattr(running, "ROWS_PER_TRANSACTION", 50)
    monkeypatch.setattr(workers, "WORTH_IT", 1 if request.param == "processes" else 10**9)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("batches_of_50")
def test_the_rows_of_a_lead_in_many_batches(leadflow: Run, files: Files) -> None:
    """Only the first can be drafted as a new lead's."""
    identity = '["industry"]\nrepeated = "further"\nrows = ["deal"]'
    files[1].write_text(MAPPING.replace('["deal"]', identity))
    rows = "".join(row(n, "Won" if n % 3 else "Open", industry=f"i{n % 70}") for n in range(400))

    report = do_import(leadflow, files, rows=rows)

    assert [report[k] for k in ("accepted", "leads", "refused")] == [400, 70, 0]
    events = history("crm:i5")
    assert [event.originator_version for event in events] == list(range(1, len(events) + 1))
    orders = [event.order_id for event in events if isinstance(event, e.Purchased)]
    assert orders == [str(n) for n in range(5, 400, 70) if n % 3]
    assert leadflow("log", "verify").code == 0
    again = do_import(leadflow, files, rows=rows)
    assert [again[k] for k in ("unchanged", "events")] == [400, 0]


def test_what_processes_record_is_what_one_alone_records(
    leadflow: Run, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ROWS_PER_TRANSACTION", 40)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    rows = "".join(row(n, "Won" if n % 2 else "Open") for n in range(120))
    told: list[list[dict[str, Any]]] = []
    for number, least in enumerate((1, 10**9)):
        monkeypatch.setattr(workers, "WORTH_IT", least)
        url = f"sqlite:///{number}.db"
        do_import(leadflow, files, "--score", "--store", url, rows=rows)
        with Leadflow.open(url) as leads:
            told.append([said(x) for n in range(120) for x in leads.history(f"crm:{n}")])

    assert told[0] == told[1]


def said(event: e.LeadEvent) -> dict[str, Any]:
    """An event without what differs each time."""
    own = {"event_id", "recorded_at", "position", "causation_id", "cause"}
    return event.model_dump(exclude=own)


def test_a_policy_that_changes_meanwhile_decides_the_rest(files: Files) -> None:
    """Drafts were decided under the former one: what is left is decided anew."""
    files[0].write_text(HEADER + "".join(row(n) for n in range(2_500)))
    mapping = load_mapping(files[1]).of_kind(None)
    with Leadflow.open("sqlite:///:memory:", create=True) as leads:
        other = default_policy().model_copy(update={"name": "other"})

        class Activates:
            def advance(self, count: int = 1) -> None:
                if leads.policy().name != "other":
                    leads.activate_policy(other)

        with opened(files[0], mapping) as table:
            import_tables(leads, [Source(table, mapping)], Activates(), answers=Answers(score=True))
        first, last = (
            {x.policy for x in leads.history(lead) if isinstance(x, e.Scored)}
            for lead in ("crm:0", "crm:2400")
        )

    assert len(first) == len(last) == 1
    assert first != last
