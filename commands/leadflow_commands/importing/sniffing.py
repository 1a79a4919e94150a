"""What a file's first bytes tell of its encoding and its delimiter: for drafts alone.

An import reads as its mapping says; nothing is guessed there.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from pathlib import Path
from typing import Final

from leadflow_commands.importing.text_lines import mark_of

SAMPLE: Final = 1 << 20
"""Bytes that are looked at."""
DELIMITERS: Final = (",", ";", "\t", "|")


def likely_encoding(path: Path) -> str:
    """UTF-8 where the beginning of a file is, else what charset-normalizer takes it for."""
    mark = mark_of(path)
    if mark is not None:
        return mark
    with path.open("rb") as file:
        sample = file.read(SAMPLE)
    # The sample may end within a character, which `final` would call an error.
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=len(sample) < SAMPLE)
    except UnicodeDecodeError:
        return _guessed(sample)
    return "utf-8"


def _guessed(sample: bytes) -> str:
    """What most of western Europe's files are, unless they cannot be, or are surely others."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    # Its single-byte guesses of short Western texts vary by a few letters.
    western = best is None or best.encoding.startswith(("cp", "latin", "iso8859", "mac"))
    if western and _decodes(sample, "cp1252"):
        return "cp1252"
    return "latin_1" if best is None else best.encoding


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def likely_delimiter(path: Path, encoding: str) -> str:
    """The delimiter by which the first rows have the same number of fields, more than one."""
    with path.open("rb") as file:
        sample = file.read(SAMPLE).decode(encoding, errors="replace").removeprefix("\ufeff")
    if sample.startswith("sep=") and sample[4:5] in DELIMITERS:
        return sample[4]
    rows = {delimiter: _widths(sample, delimiter) for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda delimiter: _fit(rows[delimiter]))


def _widths(sample: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if row:
                widths.append(len(row))
            if len(widths) > 200:
                break
    except csv.Error:
        return widths
    return widths


def _fit(widths: list[int]) -> tuple[float, int]:
    """How alike the rows are that are no single field; then how wide the header is."""
    if not widths or widths[0] < 2:
        return 0.0, 0
    width, count = Counter(widths).most_common(1)[0]
    return (count / len(widths) if width > 1 else 0.0), widths[0]
