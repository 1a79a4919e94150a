"""Event lines from hostile hands: packed, damaged, endless, in another encoding."""

from __future__ import annotations

import gzip
import json
import os
import threading
import tracemalloc
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.integration.importing.test_import_events import CAPTURED, PURCHASED

GOOD = (json.dumps(CAPTURED) + "\n" + json.dumps(PURCHASED) + "\n").encode()


def file_of(folder: Path, content: bytes, name: str = "e.jsonl") -> str:
    (folder / name).write_bytes(content)
    return name


def test_gzip_is_told_by_content_and_not_by_name(leadflow: Run, elsewhere: Path) -> None:
    ran = leadflow("import", "events", file_of(elsewhere, gzip.compress(GOOD)), "--json")
    plain = leadflow("import", "events", file_of(elsewhere, GOOD, "e.jsonl.gz"), "--json")

    assert (ran.code, ran.json["accepted"]) == (0, 2)
    assert (plain.code, plain.json["unchanged"]) == (0, 2)


def test_gzip_on_standard_input(leadflow: Run) -> None:
    ran = leadflow("import", "events", "-", "--json", stdin=gzip.compress(GOOD))

    assert (ran.code, ran.json["accepted"]) == (0, 2)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_named_pipe(leadflow: Run, elsewhere: Path, pack: type[bytes]) -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(pack(GOOD),))
    writer.start()
    ran = leadflow("import", "events", "pipe", "--json")
    writer.join()

    assert (ran.code, ran.json["accepted"]) == (0, 2)


@pytest.mark.parametrize("how", ["file", "standard input"])
@pytest.mark.parametrize(
    ("cut", "reason"),
    [(slice(None, -20), "it ends early"), (slice(None, 9), "it ends early"), (None, "damaged")],
)
def test_damaged_gzip_is_refused_before_anything_is_recorded(
    leadflow: Run, elsewhere: Path, how: str, cut: slice | None, reason: str
) -> None:
    packed = gzip.compress(GOOD * 50)
    # The last bytes are the checksum and the length.
    broken = packed[:-6] + b"\0\0" + packed[-4:] if cut is None else packed[cut]
    name = file_of(elsewhere, broken)
    ran = (
        leadflow("import", "events", name)
        if how == "file"
        else leadflow("import", "events", "-", stdin=broken)
    )

    assert ran.code == 1
    place = f"Error: {name if how == 'file' else how}, line "
    assert ran.err.startswith(place)
    assert "the gzip file cannot be unpacked from there on" in ran.err
    assert reason in ran.err
    assert not (elsewhere / "leads.db").exists()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"specversion":"1.0","id":"caf\xe9"}', "no JSON: str is not valid UTF-8"),
        (b'{"specversion":"1.0",\0}', "no JSON: "),
        (b"\0\0\0", "no JSON: "),
        (b"\xff\xfe", "no JSON: "),
        (b"[" * 50_000, "no JSON: "),
        (b'{"a":' * 2_000 + b"1" + b"}" * 2_000, "no JSON: "),
        (b"[]", "a CloudEvents document is a JSON object, and this is none"),
        (b"x" * 1_000_001, "the line has more than 1,000,000 bytes"),
        (GOOD[:100], "no JSON: unexpected end of data"),
    ],
    ids=["utf-8", "nul", "nuls", "bytes", "nested", "deep", "list", "long", "cut"],
)
def test_a_bad_line_is_refused_by_its_number_and_the_others_are_taken(
    leadflow: Run, elsewhere: Path, bad: bytes, reason: str
) -> None:
    first, second = GOOD.splitlines(keepends=True)
    name = file_of(elsewhere, first + bad + b"\n" + second)

    ran = leadflow("import", "events", name, "--json")

    assert ran.code == 1
    assert [ran.json[k] for k in ("rows", "accepted", "refused")] == [3, 2, 1]
    [refusal] = ran.json["refusals"]
    assert refusal["line"] == 2
    assert refusal["reason"].startswith(reason)
    assert f"{name}, line 2: {reason}" in ran.error["message"]
    assert leadflow("import", "events", name, "--max-refused", "1").code == 0


def test_a_last_line_that_was_cut_off_is_refused_by_its_number(
    leadflow: Run, elsewhere: Path
) -> None:
    ran = leadflow("import", "events", file_of(elsewhere, GOOD[:-30]), "--json")

    assert (ran.code, ran.json["accepted"], ran.json["refusals"][0]["line"]) == (1, 1, 2)


@pytest.mark.parametrize("packed", [False, True])
def test_an_endless_line_costs_no_memory(leadflow: Run, elsewhere: Path, packed: bool) -> None:
    content = GOOD + b"x" * 50_000_000 + b"\n" + GOOD
    name = file_of(elsewhere, gzip.compress(content, 1) if packed else content)
    del content
    leadflow("import", "events", file_of(elsewhere, b"", "empty.jsonl"))  # what is loaded once
    tracemalloc.start()
    ran = leadflow("import", "events", name, "--json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [ran.json[k] for k in ("rows", "accepted", "unchanged", "refused")] == [5, 2, 2, 1]
    assert ran.json["refusals"][0]["line"] == 3
    assert peak < 20_000_000


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (GOOD.decode().encode("utf-16"), "utf-16 text"),
        (b"PK\x03\x04 a workbook", "a zip file"),
        (b"\xd0\xcf\x11\xe0 a workbook", "an Excel workbook (xls)"),
        (b"<html>", "HTML or XML"),
    ],
)
def test_what_is_no_json_lines_at_all(
    leadflow: Run, elsewhere: Path, content: bytes, kind: str
) -> None:
    ran = leadflow("import", "events", file_of(elsewhere, content), "--json")

    assert (ran.code, ran.error["code"]) == (1, "unreadable_file")
    assert f"e.jsonl, line 1: this is {kind}" in ran.error["message"]
    assert not (elsewhere / "leads.db").exists()


def test_the_checker_for_producers_records_nothing(leadflow: Run, elsewhere: Path) -> None:
    name = file_of(elsewhere, gzip.compress(GOOD + b"{\n"))

    ran = leadflow("import", "events", name, "--dry-run", "--json")

    assert (ran.code, ran.json["accepted"], ran.json["refusals"][0]["line"]) == (1, 2, 3)
    assert not (elsewhere / "leads.db").exists()
