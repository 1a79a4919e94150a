"""The reference of the store names every table and column that there is."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from importlib.resources import files
from typing import Final

from leadflow.domain.stages import Stage
from leadflow_projections.checkpoint_tables import COLUMNS
from leadflow_projections.registry import SHIPPED
from leadflow_projections.views import public_types
from tests.docs.pages import DOCS

PAGE: Final = DOCS / "reference" / "storage.md"


def documented() -> dict[str, list[str]]:
    """The tables and views that the page has a heading for, with the columns of their rows."""
    parts = re.split(r"^### `(\w+)`$", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {
        name: [
            column
            for cell in re.findall(r"^\| (`[^|]+`) \|", body, re.MULTILINE)
            for named in re.findall(r"`(\w+)`", cell)
            for column in _of_each_stage(named)
        ]
        for name, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _of_each_stage(column: str) -> list[str]:
    return (
        [column.replace("STAGE", stage.value) for stage in Stage] if "STAGE" in column else [column]
    )


def write_side() -> dict[str, list[str]]:
    script = files("leadflow.persistence").joinpath("sqlite.sql").read_text("utf-8")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [
                row[0]
                for row in connection.execute(
                    "SELECT name FROM pragma_table_info(?)", (name,)
                ).fetchall()
            ]
            for (name,) in rows
        }


def read_side() -> dict[str, list[str]]:
    views = {
        table.name: list(public_types(table))
        for projection in SHIPPED.values()
        for table in projection.tables
    }
    return {**views, **{name: list(columns) for name, columns in COLUMNS.items()}}


def test_every_column_has_a_row() -> None:
    found = {name: set(columns) for name, columns in documented().items()}
    assert found == {name: set(cs) for name, cs in (write_side() | read_side()).items()}
