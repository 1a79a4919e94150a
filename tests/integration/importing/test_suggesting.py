"""Drafted mappings: valid as they stand, and their rehearsal takes nearly all rows."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadflow.errors import InvalidInput
from leadflow_commands.importing.mapping_file import parse_mapping
from leadflow_commands.importing.named_mappings import shipped_example, shipped_names
from leadflow_commands.importing.suggesting import suggestion
from tests.cli.conftest import Ran, Run
from tests.conftest import OLIST_FILES
from tests.unit.importing.mappings import HEADER, ROW

GERMAN = """Vorgangsnr;Vorname;Nachname;E-Mail;Telefon;Firma;Quelle;Kampagne;Status;\
Angelegt am;Abgeschlossen am;Auftragswert (EUR);Betreuer;Newsletter;Werbesperre Telefon;Bemerkung
0001;Käthe;Müller;kaethe@example.org;030 123456;Müller GmbH;Messe;Frühjahr;gewonnen;02.03.26;\
05.04.26;1.234,50;G. Schäfer;ja;nein;ruft zurück
0002;Jörg;Weiß;joerg@example.org;;Weiß & Söhne;Google Ads;;verloren;13.03.26;20.03.26;;\
G. Schäfer;nein;nein;zu teuer
0003;Özlem;Test;;0171 555555;;Empfehlung;;in Bearbeitung;13.03.26;;;L. Groß;ja;ja;
0004;Max;Muster;max@example.org;;Muster AG;Google Ads;Frühjahr;Angebot;15.03.26;;4.800,00;\
L. Groß;nein;nein;Angebot geschickt
0005;Erika;Beispiel;erika@example.org;;;;;neu;31.03.26;;;;nein;nein;k.A.
"""


def drafted(content: str | bytes, name: str = "leads.csv") -> dict[str, Any]:
    """The draft of a file, which is checked to be valid."""
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    text = suggestion(Path(name))
    parse_mapping(text, "draft.toml")
    return {**tomllib.loads(text), "text": text}


def rehearsed(leadflow: Run, file: str) -> Ran:
    draft = leadflow("import", "csv", file, "--suggest")
    assert draft.code == 0, draft.err
    Path("draft.toml").write_text(draft.out, "utf-8")
    return leadflow(
        *("import", "csv", file, "--mapping", "draft.toml", "--dry-run", "--json"),
        *("--max-refused", "1000000"),
    )


def rule(draft: dict[str, Any], name: str) -> dict[str, Any]:
    return next(rule for rule in draft["rules"] if rule["name"] == name)


@pytest.mark.parametrize("name", [name for name in shipped_names() if shipped_example(name)])
def test_the_draft_of_a_shipped_example_takes_all_rows(leadflow: Run, name: str) -> None:
    Path("export.csv").write_text(shipped_example(name) or "", "utf-8")

    ran = rehearsed(leadflow, "export.csv")

    assert ran.code == 0, ran.err
    assert ran.json["refused"] == 0, ran.json["refusals"]
    assert ran.json["leads"] > 0


@pytest.mark.parametrize("file", OLIST_FILES)
def test_the_drafts_of_real_files_take_all_rows(
    leadflow: Run, elsewhere: Path, olist_dir: Path, file: str
) -> None:
    ran = rehearsed(leadflow, str(olist_dir / file))

    assert ran.code == 0, ran.err
    assert ran.json["refused"] == 0
    assert ran.json["rows"] == ran.json["leads"] > 800


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (GERMAN.replace("\n", "\r\n").encode("cp1252"), "cp1252"),
        (b"\xef\xbb\xbf" + GERMAN.encode(), "utf-8"),
        (GERMAN.encode("utf-16"), "utf-16"),
    ],
    ids=["cp1252", "mark", "utf-16"],
)
def test_a_german_spreadsheets_export(leadflow: Run, content: bytes, encoding: str) -> None:
    draft = drafted(content)

    assert draft["reading"] == {
        "encoding": encoding,
        "delimiter": ";",
        "decimal": ",",
        "thousands": ".",
    }
    assert draft["id"] == {"columns": ["Vorgangsnr"]}
    assert draft["personal"] == ["Vorname", "Nachname", "E-Mail", "Telefon", "Bemerkung"]
    assert draft["not_personal"] == ["Werbesperre Telefon"]
    assert draft["blank"]["markers"] == ["", "k.A."]
    assert draft["times"]["created"]["formats"] == ["%d.%m.%y"]
    assert rule(draft, "captured")["data"] == {
        "source": "Quelle",
        "campaign": "Kampagne",
        "personal": {
            "name": {"columns": ["Vorname", "Nachname"]},
            "email": "E-Mail",
            "phone": "Telefon",
            "notes": "Bemerkung",
        },
    }
    won = rule(draft, "won")
    assert won["when"] == {"column": "Status", "one_of": ["gewonnen"]}
    assert won["data"]["amount"] == {
        "column": "Auftragswert (EUR)",
        "as": "money",
        "currency": "EUR",
    }
    assert rule(draft, "lost")["when"]["one_of"] == ["verloren"]
    assert rule(draft, "offered")["when"]["one_of"] == ["Angebot"]
    assert rule(draft, "no_event_yet")["when"]["one_of"] == ["in Bearbeitung", "neu"]
    objected = rule(draft, "objected_werbesperre_telefon")
    assert objected["data"]["channel"] == {"value": "phone"}

    ran = rehearsed(leadflow, "leads.csv")
    assert (ran.json["accepted"], ran.json["refused"], ran.json["leads"]) == (5, 0, 5)


def test_the_draft_shows_nothing_that_is_personal() -> None:
    text = drafted(GERMAN)["text"]

    assert all(said not in text for said in ("Käthe", "example.org", "030", "zurück"))


def test_a_day_that_may_be_a_month_is_told() -> None:
    draft = drafted("id,created,x\n1,03/04/2026,a\n2,05/06/2026,a\n")

    assert '# Is the day or the month first in "03/04/2026"? No row tells.' in draft["text"]
    settled = drafted("id,created,x\n1,03/04/2026,a\n2,25/06/2026,a\n")
    assert "No row tells" not in settled["text"]
    assert settled["times"]["created"]["formats"] == ["%d/%m/%Y"]
    american = drafted("id,created,x\n1,03/04/2026,a\n2,06/25/2026,a\n")
    assert american["times"]["created"]["formats"] == ["%m/%d/%Y"]


def test_ids_that_come_again_are_further_rows() -> None:
    draft = drafted("lead id,what,at\n7,a,2026-01-01\n7,b,2026-01-02\n8,a,2026-01-03\n")

    assert draft["id"] == {"columns": ["lead id"], "repeated": "further"}


def test_nameless_and_doubled_headers_are_named_by_position(leadflow: Run) -> None:
    Path("f.csv").write_text("id,,state,state\n1,5,won,a\n2,6,lost,a\n3,7,open,b\n", "utf-8")

    ran = rehearsed(leadflow, "f.csv")

    draft = tomllib.loads(Path("draft.toml").read_text("utf-8"))
    assert ran.json["refused"] == 0, ran.json["refusals"]
    assert rule(draft, "won")["when"]["column"] == "#3"


def test_a_file_without_rows_or_without_an_id_has_no_draft() -> None:
    with pytest.raises(InvalidInput, match="has no rows"):
        drafted("id,day\n")
    with pytest.raises(InvalidInput, match="no column that could be the lead's id"):
        drafted("e-mail,name\na@example.org,Ada\nb@example.org,Ben\n")


def test_wrong_usage(leadflow: Run, elsewhere: Path) -> None:
    Path("f.csv").write_text(GERMAN, "utf-8")

    assert leadflow("import", "csv", "f.csv", "f.csv", "--suggest").code == 2
    assert leadflow("import", "csv", "f.csv", "--suggest", "--mapping", "x").code == 2
    assert leadflow("import", "csv", "none.csv", "--suggest").code == 1
    assert leadflow("import", "csv", "-", "--suggest", stdin=GERMAN).code == 0
    assert not (elsewhere / "leads.db").exists()


cells = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["won", "lost", "2026-03-01", "01.02.26", "1,5", "1.000,00", "€ 5", "yes", "0"]
    ),
    st.sampled_from(["Select", "a@example.org", "EUR", "{column}", "#1", '"', "'", "\x7f", "="]),
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)
@given(data=st.data())
def test_the_draft_of_any_table_is_valid(data: st.DataObject) -> None:
    width = data.draw(st.integers(1, 6))
    row = st.lists(cells, min_size=width, max_size=width)
    table = [data.draw(row), *data.draw(st.lists(row, min_size=1, max_size=6))]
    text = io.StringIO()
    csv.writer(text, delimiter=data.draw(st.sampled_from(",;\t"))).writerows(table)
    refused = ""
    try:
        drafted(text.getvalue().encode("utf-8", "replace"))
    except InvalidInput as error:
        refused = error.message
    assert "the draft" not in refused


def test_a_file_that_uses_all_kinds_of_columns(leadflow: Run) -> None:
    rows = "".join(ROW.replace("007", f"{n:03}") + "\n" for n in range(40))
    Path("f.csv").write_text(f"{HEADER}\n{rows}", "utf-8")

    ran = rehearsed(leadflow, "f.csv")

    assert (ran.json["accepted"], ran.json["refused"]) == (40, 0)
