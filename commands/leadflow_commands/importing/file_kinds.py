"""What a file is by its content, where it is something else than the text that was meant."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

_BINARY: Final = {
    b"\xd0\xcf\x11\xe0": "an Excel workbook (xls)",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF document",
    b"SQLite format 3\0": "an SQLite database",
    b"{\\rtf": "a text document (rtf)",
}
_MARKUP: Final = (b"<?xml", b"<html", b"<!doctype", b"<table", b"<workbook")
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")


def other_kind(path: Path) -> str | None:
    """What a file is that is no plain text, such as `an Excel workbook (xlsx)`; else None."""
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(_ZIP):
        return _kind_of_zip(path)
    for signature, kind in _BINARY.items():
        if start.startswith(signature):
            return kind
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return "HTML or XML, whatever its name says" if text.startswith(_MARKUP) else None


def _kind_of_zip(path: Path) -> str:
    """Workbooks are zip files; what lies in them tells whose."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.getinfo("mimetype").file_size < 200:
                kind = archive.read("mimetype")
                if b"opendocument.spreadsheet" in kind:
                    return "an OpenDocument spreadsheet (ods)"
    # The library promises BadZipFile alone, yet broken archives raise others too.
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError):
        return "a zip file"
    if any(name.startswith("xl/") for name in names):
        return "an Excel workbook (xlsx)"
    return "a zip file"
