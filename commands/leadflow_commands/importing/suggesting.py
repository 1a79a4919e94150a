"""Drafts a mapping from a file's header and a sample of its rows: valid, and commented."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from leadflow.errors import InvalidInput
from leadflow_commands.importing.column_roles import Roles, roles_of
from leadflow_commands.importing.compiling import RowReader, RowRefused
from leadflow_commands.importing.mapping import Reading
from leadflow_commands.importing.mapping_file import parse_mapping
from leadflow_commands.importing.profiling import Column, Marks, profile
from leadflow_commands.importing.reading import Row, Table, opened_table
from leadflow_commands.importing.sniffing import likely_delimiter, likely_encoding
from leadflow_commands.importing.suggested_rules import rules, times
from leadflow_commands.importing.templates import slug
from leadflow_commands.importing.toml_writing import listed, quoted
from leadflow_commands.importing.whole_files import name_of, rereadable

SAMPLE_ROWS: Final = 20_000


def suggestion(path: Path) -> str:
    """The TOML text of a mapping that reads a file; `-` is standard input.

    Raises:
        UnreadableFile: when the file is not whole, or no CSV.
        InvalidInput: when it has no rows, or no column that could be the lead's id.
    """
    with rereadable(path) as kept:
        encoding = likely_encoding(kept)
        reading = Reading(encoding=encoding, delimiter=likely_delimiter(kept, encoding))
        with opened_table(kept, reading, name=name_of(path)) as table:
            return _drafted(table, Path(name_of(path)).stem)


def _drafted(table: Table, stem: str) -> str:
    rows = list(islice(table, SAMPLE_ROWS))
    if not rows:
        raise InvalidInput(f"{table.name} has no rows to draft a mapping from")
    columns, marks, placeholders = profile(
        table.header, [row.cells for row in rows], table.reading.delimiter
    )
    roles = roles_of(columns)
    if not roles.ids:
        raise InvalidInput(
            f"{table.name} has no column that could be the lead's id: all are personal or blank",
            hint="add one, such as a number for each lead; nothing personal may be part of an id",
        )
    parts = [
        _head(table, stem, columns, roles),
        _reading(table.reading, marks),
        _identity(roles),
        _blank(placeholders),
        times(roles),
        rules(columns, roles),
    ]
    text = "\n".join(part for part in parts if part)
    return f"{text}\n{_proven(text, table, rows)}"


def _head(table: Table, stem: str, columns: Sequence[Column], roles: Roles) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", stem.casefold()).strip("-")[:60] or "leads"
    lines = [
        f"# Drafted from {quoted(Path(table.name).name)}, {table.rows:,} rows. Read it through:",
        "# what the names and the texts of columns mean was guessed. What it would record is",
        "# shown by: leadflow import csv FILE --mapping THIS --dry-run",
        f"name = {quoted(name)}",
        "# The system that the records come from; it is part of the leads' ids.",
        'system = "crm"',
    ]
    told = [c for c in columns if c.personal and c not in roles.impersonal]
    if told:
        lines += [
            "# Kept apart, encrypted, and never part of a figure.",
            f"personal = {listed(told)}",
        ]
    if roles.impersonal:
        lines += [
            "# These sound personal and are not; take out those that are.",
            f"not_personal = {listed(roles.impersonal)}",
        ]
    return "\n".join(lines) + "\n"


def _reading(reading: Reading, marks: Marks) -> str:
    lines = [
        "[reading]",
        f"encoding = {quoted(reading.encoding)}",
        f"delimiter = {quoted(reading.delimiter)}",
        f"decimal = {quoted(marks.decimal)}",
    ]
    if marks.thousands:
        lines.append(f"thousands = {quoted(marks.thousands)}")
    return "\n".join(lines) + "\n"


def _identity(roles: Roles) -> str:
    first, *further = roles.ids
    lines = ["[id]", f"columns = {listed([first])}"]
    if not first.unique:
        lines += [
            "# It comes more than once, so each row is a further one of its lead.",
            'repeated = "further"',
        ]
    aliases = {slug(column.title): column for column in further}
    if aliases:
        named = ", ".join(f"{name} = {quoted(c.name)}" for name, c in aliases.items())
        lines += ["# Further ids by which the lead is found.", f"aliases = {{ {named} }}"]
    return "\n".join(lines) + "\n"


def _blank(placeholders: Sequence[str]) -> str:
    markers = ", ".join(quoted(text) for text in ("", *placeholders))
    return f"# Texts that mean that nothing is known.\n[blank]\nmarkers = [{markers}]\n"


def _proven(text: str, table: Table, rows: Sequence[Row]) -> str:
    """What the draft makes of the sample; that it is valid is seen on the way."""
    reader = RowReader(parse_mapping(text, "the draft").of_kind(None), table.header)
    refused: list[str] = []
    for row in rows:
        try:
            reader.read(row)
        except RowRefused as error:
            refused.append(f"line {row.line}: {error}")
    lines = [f"# Of {len(rows):,} rows looked at, {len(rows) - len(refused):,} can be read."]
    if refused:
        lines.append(f"# The first that cannot: {quoted(refused[0])}")
    if reader.unused:
        lines += ["# Not used:", *(f"#   {quoted(name)}" for name in reader.unused)]
    return "\n".join(lines) + "\n"
