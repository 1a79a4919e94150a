"""Bad input to `leadflow import csv`: one sentence with its place, and nothing half done."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Run

MAPPING = """
name = "deals"
system = "crm"

[id]
columns = ["id"]

[times.created]
columns = ["created"]
formats = ["%d/%m/%Y", "%m/%d/%Y"]

[[rules]]
name = "captured"
event = "lead.captured"
time = "created"

[rules.data]
source = "source"

[[rules]]
name = "won"
event = "lead.purchased"
time = "created"
group = "state"
when = { column = "state", equals = "won" }

[rules.data]
order_id = "id"
amount = { column = "amount", as = "money", currency_column = "currency" }

[[rules]]
name = "open"
event = "none"
group = "state"
when = { column = "state", one_of = ["open", "new"] }
"""
HEADER = "id,created,source,state,amount,currency\n"
GOOD = HEADER + "1,31/01/2026,web,won,10.50,EUR\n2,28/02/2026,fair,open,,\n"


def imported(leadflow: Run, content: bytes | str, mapping: str = MAPPING, *words: str) -> Ran:
    Path("map.toml").write_text(mapping, "utf-8")
    Path("deals.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    return leadflow("import", "csv", "deals.csv", "--mapping", "map.toml", "--json", *words)


def workbook(name: str, content: str) -> bytes:
    with zipfile.ZipFile("w.zip", "w") as archive:
        archive.writestr(name, content)
    return Path("w.zip").read_bytes()


def test_the_good_file_is_good(leadflow: Run) -> None:
    assert imported(leadflow, GOOD).code == 0


@pytest.mark.parametrize("words", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "deals.csv, line 1: the file is empty"),
        ("\ufeff", "deals.csv, line 1: the file is empty"),
        (GOOD.replace("created", "creatd"), "line 1: there is no column 'created', which the map"),
        (GOOD.replace("source", "id"), "line 1: the header has the column 'id' twice"),
        (GOOD.replace(",", ";"), "line 1: there is no column 'id'"),
        (GOOD.encode() + "3,01/03/2026,caf\u00e9,open,,\n".encode("cp1252"), "line 4, column 17: "),
        (GOOD + "3,01/03/2026,w\0b,open,,\n", "line 4, column 15: holds a NUL byte"),
        (GOOD + '3,01/03/2026,"web,open,,\n', "line 4, column 14: a quote opens there and never"),
        (GOOD + '3,01/03/2026,"w"eb,open,,\n', "line 4, column 17: 'e' stands behind a closing q"),
        (GOOD + "3,01/03/2026,we", "line 4: the file ends in the middle of a row, in column 'sou"),
        (GOOD.encode() + b"3" * 50_000_000, "line 4, column 4,000,001: the line has more than"),
        (GOOD.encode("utf-16"), "line 1, column 1: this is utf-16 text, not utf-8"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "line 1, column 1: this is an Excel workbook (xls)"),
        (b"\x1f\x8b" + b"\0" * 40, "the gzip file cannot be unpacked from there on"),
    ],
    ids=[
        *("empty", "mark", "column", "twice", "delimiter", "encoding", "nul", "quote", "behind"),
        *("end", "endless", "utf-16", "xls", "gzip"),
    ],
)
def test_a_file_that_is_not_what_it_should_be_records_nothing(
    leadflow: Run, elsewhere: Path, content: bytes | str, said: str, words: tuple[str, ...]
) -> None:
    ran = imported(leadflow, content, MAPPING, *words)

    assert (ran.code, ran.out) == (1, "")
    assert ran.error["message"].startswith("deals.csv, line ")
    assert said in ran.error["message"]
    assert "\n" not in ran.error["message"]
    assert not (elsewhere / "leads.db").exists()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("xl/workbook.xml", "<workbook/>", "an Excel workbook (xlsx)"),
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument sprea"),
    ],
)
def test_a_spreadsheet_given_as_csv(
    leadflow: Run, elsewhere: Path, name: str, content: str, kind: str
) -> None:
    ran = imported(leadflow, workbook(name, content))

    assert ran.code == 1
    assert f"deals.csv, line 1, column 1: this is {kind}" in ran.error["message"]
    assert "export or save it as CSV" in ran.error["hint"]
    assert not (elsewhere / "leads.db").exists()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("3,02/03/2026,web,open,,", "created: '02/03/2026' is ambiguous: 2026-03-02 as %d/%m/%Y"),
        ("3,2026-03-02,web,open,,", "created: '2026-03-02' is no date of the form %d/%m/%Y or"),
        ("3,31/02/2026,web,open,,", "created: '31/02/2026' is no date"),
        ("3,,web,open,,", "created: blank, and there is no other time"),
        (",31/03/2026,web,open,,", "id: blank, and the lead's id needs it"),
        ("3,31/03/2026,web,won,1,EUX", "currency: 'EUX' is no ISO 4217 currency"),
        ("3,31/03/2026,web,won,1,", "currency: blank, so the amount has no currency"),
        ("3,31/03/2026,web,won,ten,EUR", "amount: 'ten' is no number with the decimal mark '.'"),
        ("3,31/03/2026,web,won,1.999,EUR", "amount: '1.999' has more digits than EUR has"),
        ("3,31/03/2026,web,perhaps,,", "state: 'perhaps' fits no rule of the group state"),
        ("3,31/03/2026,web,open,", "5 fields where the header has 6"),
        ("3,31/03/2026,web,open,,,", "7 fields where the header has 6"),
        ("1,31/03/2026,web,open,,", "id: '1' is the id of line 2, too"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_alone(leadflow: Run, row: str, reason: str) -> None:
    ran = imported(leadflow, f"{GOOD}{row}\n4,30/04/2026,web,open,,\n")

    assert ran.code == 1
    assert [ran.json[k] for k in ("rows", "accepted", "refused")] == [4, 3, 1]
    [refusal] = ran.json["refusals"]
    assert (refusal["file"], refusal["line"]) == ("deals.csv", 4)
    assert refusal["reason"].startswith(reason)
    assert f"the first is deals.csv, line 4: {reason}" in ran.error["message"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"open", "new"', '"open", "won"', "the rule won can be first as well as open"),
        ('currency_column = "currency"', 'currency = "EUX"', "'EUX' is no ISO 4217 currency"),
        ('"%d/%m/%Y"', '"%d/%m"', "has no year"),
        ('"%d/%m/%Y"', '"%q"', "%q in '%q' is not known"),
        ('"lead.captured"', '"lead.capturd"', "unknown event 'lead.capturd'"),
        ('time = "created"', 'time = "creatd"', "there is no time 'creatd'"),
        ("[[rules]]", "[[rules]", "map.toml is no TOML"),
    ],
)
def test_a_mapping_that_contradicts_itself_is_told_by_its_line(
    leadflow: Run, elsewhere: Path, old: str, new: str, said: str
) -> None:
    ran = imported(leadflow, GOOD, MAPPING.replace(old, new, 1))

    assert (ran.code, ran.error["code"]) == (1, "invalid_mapping")
    assert said in ran.error["message"]
    assert "line " in ran.error["message"]
    assert not (elsewhere / "leads.db").exists()


def test_a_broken_file_beside_a_good_one_records_nothing_of_either(
    leadflow: Run, elsewhere: Path
) -> None:
    imported(leadflow, GOOD, MAPPING, "--dry-run")
    Path("more.csv").write_text(GOOD + '9,01/03/2026,"web,open,,\n')

    ran = leadflow("import", "csv", "deals.csv", "more.csv", "--mapping", "map.toml", "--json")

    assert (ran.code, ran.out) == (1, "")
    assert ran.error["message"].startswith("more.csv, line 4, column 14")
    assert not (elsewhere / "leads.db").exists()


def test_standard_input_and_gzip(leadflow: Run) -> None:
    imported(leadflow, GOOD, MAPPING, "--dry-run")
    ran = leadflow("import", "csv", "-", "--mapping", "map.toml", "--json", stdin=GOOD)

    assert (ran.code, ran.json["accepted"]) == (0, 2), ran.err
