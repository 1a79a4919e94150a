"""`leadflow archive` as operators and analysts use it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def generated(leadflow: Run, elsewhere: Path) -> Path:
    """A store with a synthetic history of 40 leads."""
    assert leadflow("generate", "--leads", "40", "--seed", "5", "-q").code == 0
    return elsewhere / "leads.db"


@pytest.mark.usefixtures("generated")
def test_seal_status_verify(leadflow: Run, elsewhere: Path) -> None:
    events = leadflow("log", "stats", "--json").json["events"]
    folder = elsewhere / "leads.db.archive"
    before = leadflow("archive", "status", "--json").json
    assert (before["segments"], before["tail"], before["folder"]) == (0, events, str(folder))
    assert leadflow("archive", "verify", "--json").error["code"] == "archive_error"

    sealed = leadflow("archive", "seal", "--json").json
    assert (sealed["events"], sealed["sealed_to"], sealed["segments"]) == (events, events, 1)
    after = leadflow("archive", "status", "--json").json
    assert (after["events"], after["tail"], after["damaged"]) == (events, 0, [])
    sizes = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    assert after["size_bytes"] == sizes
    shown = leadflow("archive", "status").out
    assert "tail in the log        0 events" in shown
    assert leadflow("archive", "verify", "--json").json == {
        "ok": True,
        "segments": 1,
        "events": events,
        "differences": [],
    }
    assert "is sealed already" in leadflow("archive", "seal").out


@pytest.mark.usefixtures("generated")
def test_verify_names_a_damaged_segment_and_seal_makes_it_again(
    leadflow: Run, elsewhere: Path
) -> None:
    events = leadflow("archive", "seal", "--json").json["events"]
    funnel = leadflow("metrics", "funnel", "--json").json
    [file] = (elsewhere / "leads.db.archive").glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = leadflow("archive", "verify", "--json")
    assert found.code == 3
    assert found.json["differences"] == [
        {"segment": f"1-{events}", "why": "its file was altered"},
    ]
    shown = leadflow("archive", "verify")
    assert f"1-{events}" in shown.out
    assert "`leadflow archive seal` makes it again" in shown.err
    read = leadflow("metrics", "funnel", "--json")
    assert read.json["steps"] == funnel["steps"]
    assert "is damaged: its file was altered" in read.err
    assert leadflow("archive", "seal", "--json").json["segments"] == 1
    assert leadflow("archive", "verify").code == 0


@pytest.mark.usefixtures("generated")
def test_another_logs_archive_is_refused_until_it_is_thrown_away(
    leadflow: Run, elsewhere: Path
) -> None:
    leadflow("archive", "seal")
    (elsewhere / "more").mkdir()
    other = f"sqlite:///{elsewhere}/more/leads.db"
    assert leadflow("generate", "--leads", "60", "--store", other, "-q").code == 0
    named = ("--store", other, "--archive", str(elsewhere / "leads.db.archive"))
    for command in ("seal", "status", "verify"):
        ran = leadflow("archive", command, *named)
        assert "is of another log: at position" in ran.err + ran.out
        assert "`leadflow archive seal --anew` throws it away" in ran.err
        assert ran.code == {"seal": 1, "status": 0, "verify": 3}[command]
    assert leadflow("archive", "seal", "--anew", *named).code == 1, "it asks first"
    assert leadflow("archive", "seal", "--anew", "--yes", *named).code == 0
    assert leadflow("archive", "verify", *named).code == 0


@pytest.mark.usefixtures("generated")
def test_an_analyst_with_a_copy_and_no_database(leadflow: Run, elsewhere: Path) -> None:
    leadflow("archive", "seal")
    at = ("--as-of", "2026-06-01", "--by", "source", "--json")
    funnel = leadflow("metrics", "funnel", "--list-leads", *at).json
    durations = leadflow("metrics", "durations", *at).json
    copy = shutil.move(elsewhere / "leads.db.archive", elsewhere / "copy")
    for path in elsewhere.glob("leads.db*"):
        path.unlink()
    assert leadflow("metrics", "funnel").code == 1, "there is no store"
    read = leadflow("metrics", "funnel", "--list-leads", "--archive", str(copy), *at)
    assert read.json == funnel
    assert "alone, which knows the log up to" in read.err
    assert leadflow("metrics", "durations", "--archive", str(copy), *at).json == durations
    grouped = leadflow("metrics", "funnel", "--archive", str(copy), "--by", "colour")
    assert grouped.code == 1
    assert "dimension.industry" in grouped.err


def test_errors_of_an_archive_alone(leadflow: Run, elsewhere: Path) -> None:
    nothing = leadflow("metrics", "funnel", "--archive", "nowhere", "--json")
    assert nothing.error["message"] == "nothing is sealed in nowhere: the folder does not exist"
    both = leadflow("metrics", "funnel", "--archive", "x", "--store", "sqlite:///x.db")
    assert both.code == 2
    assert "leave --store out" in both.err


@pytest.mark.usefixtures("generated")
def test_where_it_lies_is_a_setting(
    leadflow: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "leadflow.toml").write_text('archive = "by-file"\n')
    leadflow("archive", "seal")
    monkeypatch.setenv("LEADFLOW_ARCHIVE", "by-environment")
    leadflow("archive", "seal")
    leadflow("archive", "seal", "--archive", "by-flag")
    for name in ("by-file", "by-environment", "by-flag"):
        assert list((elsewhere / name).glob("*.parquet")), name
    assert not (elsewhere / "leads.db.archive").exists()


@pytest.mark.usefixtures("generated")
def test_a_folder_that_cannot_be_written(process: Run, elsewhere: Path) -> None:
    elsewhere.joinpath("closed").mkdir(mode=0o500)
    ran = process("archive", "seal", "--archive", "closed/twin", as_anybody=True)
    assert ran.code == 1
    assert "the archive closed/twin cannot be written: Permission denied" in ran.err
    read = process("metrics", "funnel", "--archive", "closed/twin", as_anybody=True)
    assert read.code == 1
