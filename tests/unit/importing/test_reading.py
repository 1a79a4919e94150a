"""Reading CSV: lines that are told right, and files that are refused whole."""

from __future__ import annotations

import gzip
import os
import threading
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow_commands.importing.columns import place_of
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.importing.mapping_file import parse_mapping
from leadflow_commands.importing.reading import UnreadableFile, opened

MAPPING = """
name = "m"
system = "s"
[id]
columns = ["id"]
[times.t]
columns = ["day"]
[[rules]]
name = "captured"
event = "lead.captured"
time = "t"
"""


def mapping(reading: str = "") -> MappingFile:
    return parse_mapping(MAPPING.replace("[id]", f"{reading}\n[id]"), "m.toml")


def rows(content: bytes | str, folder: Path, reading: str = "") -> list[tuple[int, list[str]]]:
    path = folder / "f.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with opened(path, mapping(reading)) as table:
        found = [(row.line, list(row.cells)) for row in table]
        assert table.rows == len(found)
        return found


def refused(content: bytes | str, folder: Path, reading: str = "") -> str:
    with pytest.raises(UnreadableFile) as caught:
        rows(content, folder, reading)
    assert "\n" not in caught.value.message
    return caught.value.message


def test_rows_come_with_the_line_they_begin_at(tmp_path: Path) -> None:
    content = 'id,day\n1,a\n\n2,"b\nc"\r\n3,d\n'

    assert rows(content, tmp_path) == [(2, ["1", "a"]), (4, ["2", "b\nc"]), (6, ["3", "d"])]


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    assert rows(b"\xef\xbb\xbfid,day\n1,a\n", tmp_path) == [(2, ["1", "a"])]


def test_other_encodings_delimiters_and_quotes(tmp_path: Path) -> None:
    reading = "[reading]\nencoding = 'cp1252'\ndelimiter = ';'\nquote = \"'\""

    assert rows("id;day\n'é;1';a\n".encode("cp1252"), tmp_path, reading) == [(2, ["é;1", "a"])]


def test_a_file_without_rows_is_whole(tmp_path: Path) -> None:
    assert rows("id,day", tmp_path) == []


def test_a_last_line_without_its_end_is_whole_when_its_fields_are(tmp_path: Path) -> None:
    assert rows("id,day\n1,a", tmp_path) == [(2, ["1", "a"])]


def test_a_short_row_in_the_middle_is_left_to_be_refused_alone(tmp_path: Path) -> None:
    assert rows("id,day\n1\n2,b\n", tmp_path) == [(2, ["1"]), (3, ["2", "b"])]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "line 1: the file is empty"),
        ("\n\n", "line 1: the file is empty"),
        (",,\n,,\n", "line 1: the file is empty"),
        ("id,date\n1,a\n", "line 1: there is no column 'day', which the mapping m names"),
        ("id,day,id\n", "line 1: the header has the column 'id' twice, and the mapping m names"),
        (
            "id,day,more\n1,a,b\n2,a",
            "line 3: the file ends in the middle of a row, in column 'day'",
        ),
        ('id,day\n1,"a\n2,b\n', "line 2, column 3: a quote opens there and never closes"),
        ('id,day\n1,a\n1,"a"b\n', "line 3, column 6: 'b' stands behind a closing quote"),
        ('id,day\n1,"a\n2,"b"\n', "line 3, column 4: 'b' stands behind a closing quote, which op"),
        ("id,day\n1,a\n2,\0\n", "line 3, column 3: holds a NUL byte"),
        (b"id,day\n1,a\n2,caf\xe9\n", "line 3, column 6: this is no utf-8 text"),
        ("id,day\n1,é\n".encode("utf-16"), "line 1, column 1: this is utf-16 text, not utf-8"),
        ("id,day\n1,b\n".encode("utf-16-le"), "line 1, column 2: holds a NUL byte"),
        (b"\xd0\xcf\x11\xe0rest of a workbook", "this is an Excel workbook (xls), not CSV"),
        (b"\n<html><table>", "this is HTML or XML, whatever its name says, not CSV"),
        (b"PAR1", "this is a Parquet file, not CSV"),
        (b"PK\x03\x04rest of a workbook", "this is a zip file, not CSV"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_before_anything_is_read(
    content: bytes | str, sentence: str, tmp_path: Path
) -> None:
    assert sentence in refused(content, tmp_path)


def test_undecodable_bytes_far_into_a_file_are_found_on_their_line(tmp_path: Path) -> None:
    content = b"id,day\n" + b"1,a\n" * 20_000 + b"2,\xff\n"

    assert "line 20002, column 3" in refused(content, tmp_path)


def test_the_place_of_undecodable_bytes_counts_characters_and_every_kind_of_line_end(
    tmp_path: Path,
) -> None:
    reading = "[reading]\nencoding = 'utf-8'"
    content = "id,day\r\n1,ä\r2,öüß".encode() + b"\xff,x\n"

    assert "line 3, column 6: this is no utf-8 text" in refused(content, tmp_path, reading)


def test_another_encoding_half_way(tmp_path: Path) -> None:
    content = ("id,day\n" + "1,ä\n" * 30_000).encode() + "2,ä\n3,ö\n".encode("cp1252")

    assert "line 30002, column 3: this is no utf-8 text" in refused(content, tmp_path)


def test_an_encoding_without_its_mark(tmp_path: Path) -> None:
    reading = "[reading]\nencoding = 'utf-16'"

    assert "no utf-16 text" in refused("id,day\n1,b\n".encode("utf-16-le"), tmp_path, reading)
    assert rows("id,day\n1,b\n".encode("utf-16"), tmp_path, reading) == [(2, ["1", "b"])]


@pytest.mark.parametrize("rows", [3, 100_000, 400_000])
def test_a_quote_that_runs_on_for_ever_is_told_where_it_opened(tmp_path: Path, rows: int) -> None:
    content = 'id,day\n0,a\n1,"a\n' + "2,bbbbbbbbbbb\n" * rows

    assert "line 3, column 3: a quote opens there and never closes" in refused(content, tmp_path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"a" * 50_000_000,
            "line 3, column 4,000,001: the line has more than 4,000,000 characters",
        ),
        (b"a," * 25_000_000, "line 3, column 4,000,001: the line has more than 4,000,000"),
        (b"a" * 2_000_000 + b",b\n", "line 3: a field has more than 1,000,000 characters"),
        (b'"b\n",' * 2_000_000, "the record has more than 4,000,000 characters"),
        (b"\xff" * 50_000_000, "line 3, column 1: this is no utf-8 text"),
        (b"\0" * 50_000_000, "line 3, column 1: holds a NUL byte"),
        (b'"' * 50_000_001, "line 3, column 4,000,001: the line has more than 4,000,000"),
    ],
    ids=["no delimiter", "delimiters", "field", "lines in quotes", "no text", "NUL", "quotes"],
)
def test_endless_lines_are_refused_and_cost_no_memory(
    content: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "f.csv"
    path.write_bytes(b"id,day\n1,b\n" + content)
    del content
    tracemalloc.start()
    with pytest.raises(UnreadableFile) as caught, opened(path, mapping()):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sentence in caught.value.message
    assert peak < 60_000_000


def test_rows_of_nothing_but_delimiters_are_none(tmp_path: Path) -> None:
    assert rows("id,day\n,\n1,a\n,\n,\n", tmp_path) == [(3, ["1", "a"])]


def test_the_line_that_tells_excel_the_delimiter(tmp_path: Path) -> None:
    reading = "[reading]\ndelimiter = ';'"

    assert rows("sep=;\r\nid;day\r\n1;a\r\n", tmp_path, reading) == [(3, ["1", "a"])]
    assert "line 1, column 5: the file says that ';' parts its fields" in refused(
        "sep=;\nid;day\n", tmp_path
    )


def test_doubled_and_nameless_columns_that_nobody_names_do_no_harm(tmp_path: Path) -> None:
    assert rows("id,day,,x,x,\n1,a,b,c,d,e\n", tmp_path) == [(2, ["1", "a", "b", "c", "d", "e"])]


@pytest.mark.parametrize(
    ("header", "column", "place"),
    [
        (["a", "b"], "b", 1),
        (["a", "", ""], "#3", 2),
        (["a", "b", "b"], "b", None),
        (["a", "b", "b"], "#2", 1),
        (["a"], "#2", None),
        (["a"], "#0", None),
        (["a"], "#", None),
        (["b", "#1"], "#1", 1),
    ],
)
def test_columns_are_found_by_name_or_position(
    header: list[str], column: str, place: int | None
) -> None:
    assert place_of(column, header) == place


def test_what_was_meant_is_said(tmp_path: Path) -> None:
    def hint(content: str) -> str:
        (tmp_path / "f.csv").write_text(content)
        with pytest.raises(UnreadableFile) as caught, opened(tmp_path / "f.csv", mapping()):
            pass
        return caught.value.hint or ""

    assert "is the delimiter ';'?" in hint("id;day\n1;a\n")
    assert "did you mean day_?" in hint("id,day_\n1,a\n")
    assert "write #1 or #3" in hint("id,day,id\n1,a,2\n")


def zipped(path: Path, name: str, content: str) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("xl/workbook.xml", "<workbook/>", "an Excel workbook (xlsx)"),
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spread"),
        ("leads.csv", "id,day\n", "a zip file"),
    ],
)
def test_spreadsheets_given_as_csv(name: str, content: str, kind: str, tmp_path: Path) -> None:
    workbook = zipped(tmp_path / "w.zip", name, content)

    assert f"line 1, column 1: this is {kind}" in refused(workbook, tmp_path)


def test_gzip_is_unpacked_whatever_the_name_says(tmp_path: Path) -> None:
    assert rows(gzip.compress(b"id,day\n1,a\n"), tmp_path) == [(2, ["1", "a"])]


def test_gzip_that_is_damaged_or_ends_early(tmp_path: Path) -> None:
    packed = gzip.compress(("id,day\n" + "".join(f"{n},a\n" for n in range(99))).encode())
    damaged = packed[:40] + bytes((packed[40] ^ 255,)) + packed[41:]

    assert "cannot be unpacked from there on; it ends early" in refused(packed[:-20], tmp_path)
    assert "cannot be unpacked from there on" in refused(damaged, tmp_path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="there is no file"), opened(tmp_path / "x", mapping()):
        pass
    with pytest.raises(UnreadableFile, match="is a folder"), opened(tmp_path, mapping()):
        pass


def test_a_pipe_is_read_though_it_can_be_read_only_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("id,day\n1,a\n",))
    writer.start()
    with opened(pipe, mapping()) as table:
        assert [list(row.cells) for row in table] == [["1", "a"]]
        assert [list(row.cells) for row in table] == [["1", "a"]]
    writer.join()


@given(content=st.binary(max_size=60))
def test_any_bytes_make_rows_or_one_sentence(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "f.csv"
    path.write_bytes(b"id,day\n" + content)
    sentence = ""
    try:
        with opened(path, mapping()) as table:
            assert len(list(table)) == table.rows
    except UnreadableFile as refusal:
        sentence = refusal.message
    assert "\n" not in sentence
