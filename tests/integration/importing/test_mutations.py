"""Ten thousand mutations of a good file: each ends in a report or in one sentence.

Bytes are flipped, inserted, deleted, moved and doubled. What is left is imported into one
store, as it would be by `leadflow import csv`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadflow import Leadflow
from leadflow.errors import LeadflowError
from leadflow_commands.importing.mapping_file import parse_mapping
from leadflow_commands.importing.reading import opened
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.running import Source, import_tables
from tests.unit.importing.mappings import HEADER, LEADS, ROW

GOOD = (HEADER + "\n" + "".join(ROW.replace("007", f"{n:03}") + "\n" for n in range(3))).encode()
MAPPING = parse_mapping(LEADS, "map.toml").of_kind(None)
TELLING = (
    *(b"\0", b"\n", b"\r", b'"', b'""', b";", b",", b"\t", b"\xff", b"\xc3", b"\xef\xbb\xbf"),
    *(b"\xfe\xff", b"\x1f\x8b", b"PK\x03\x04", b"sep=,\n", b"=1+1", b"'", b"0", b"-", b"\xe2\x82"),
    *("\u2028".encode(), "\u202e".encode(), "\U0001f600".encode(), b"\x1b[31m", b"{column}"),
    *(b"1e999", b"NaN", b"99999999999999999999", b"31.02.2026", b"01.01.0001", b"31.12.9999"),
)
PARTS = 4
"""The ten thousand in parts, so that they run beside one another."""

Edit = tuple[str, int, int, bytes]
edits: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "move", "double", "cut"]),
        st.integers(0, len(GOOD)),
        st.integers(0, 64),
        st.one_of(st.sampled_from(TELLING), st.binary(min_size=1, max_size=4)),
    ),
    min_size=1,
    max_size=5,
)


def mutated(edits: list[Edit]) -> bytes:
    content = bytearray(GOOD)
    for kind, place, size, new in edits:
        place = min(place, len(content))  # noqa: PLW2901 - after what was deleted before
        piece = bytes(content[place : place + size])
        if kind == "flip" and piece:
            content[place] ^= new[0] or 1
        elif kind == "insert":
            content[place:place] = new * (1 + size % 3)
        elif kind == "delete":
            del content[place : place + size]
        elif kind == "move":
            del content[place : place + size]
            content[len(content) // 2 : len(content) // 2] = piece
        elif kind == "double":
            content[place:place] = piece
        elif kind == "cut" and size == 0:
            del content[place:]
    return bytes(content)


class Quiet:
    """Nobody watches."""

    def advance(self, count: int = 1) -> None: ...


@pytest.fixture(scope="module")
def leads() -> Iterator[Leadflow]:
    with Leadflow.open("sqlite:///:memory:", create=True) as leads:
        yield leads


def outcome(leads: Leadflow, path: Path) -> Report | str:
    try:
        with opened(path, MAPPING) as table:
            return import_tables(leads, [Source(table, MAPPING)], Quiet())
    except LeadflowError as error:
        return error.message


@pytest.mark.timeout(400)
@pytest.mark.parametrize("part", range(PARTS))
@settings(max_examples=10_000 // PARTS, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(edits=edits)
def test_a_mutated_file_ends_in_a_report_or_in_one_sentence(
    part: int, edits: list[Edit], leads: Leadflow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"mutated-{part}.csv"
    path.write_bytes(mutated(edits))

    ended = outcome(leads, path)

    reasons = [ended] if isinstance(ended, str) else [r.reason for r in ended.refusals]
    assert all(reason and "\n" not in reason and "\0" not in reason for reason in reasons)
    if isinstance(ended, Report):
        assert ended.rows == ended.accepted + ended.unchanged + ended.refused
        assert all(refusal.line > 1 for refusal in ended.refusals)
    else:
        assert ended.startswith(f"{path}, line ")
