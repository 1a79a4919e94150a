"""Reading CSV: lines that are told right, and files that are refused whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("id,date\n1,a\n", "line 1: there is no column 'day', which the mapping m names"),
        ("id,day,id\n", "line 1: the header has the column 'id' twice"),
        ("id,day\n1,a\n2", "line 3: the file ends in the middle of a row"),
        ('id,day\n1,"a\n2,b\n', "line 2: a quote opens there and never closes"),
        ('id,day\n1,"a"b\n', "line 2: "),
        ("id,day\n1,a\n2,\0\n", "line 3: holds a NUL byte"),
        (b"id,day\n1,a\n2,caf\xe9\n", "line 3, column 6: this is no utf-8 text"),
        ("id,day\n1,é\n".encode("utf-16"), "this is no utf-8 text"),
        (b"PK\x03\x04rest of a workbook", "is a spreadsheet or zip file, not CSV"),
        (b"\xd0\xcf\x11\xe0rest of a workbook", "is a spreadsheet, not CSV"),
    ],
)
def test_a_file_that_is_not_whole_is_refused_before_anything_is_read(
    content: bytes | str, sentence: str, tmp_path: Path
) -> None:
    assert sentence in refused(content, tmp_path)


def test_undecodable_bytes_far_into_a_file_are_found_on_their_line(tmp_path: Path) -> None:
    content = b"id,day\n" + b"1,a\n" * 20_000 + b"2,\xff\n"

    assert "line 20002, column 3" in refused(content, tmp_path)


def test_a_field_that_runs_on_for_ever_is_an_open_quote(tmp_path: Path) -> None:
    content = 'id,day\n1,"a\n' + "2,b\n" * 400_000

    assert "line 2: a quote opens there and never closes" in refused(content, tmp_path)


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
