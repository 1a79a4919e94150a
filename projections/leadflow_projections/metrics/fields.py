"""The fields that figures can be filtered and grouped by, and which column each name means.

Beside the fields that every log has there are the leads' own: `dimension.NAME` and
`field.NAME`, from enrichment; NAME alone where it is only one of the two.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from leadflow.errors import InvalidInput
from leadflow_projections.algebra import last, member, of_lead, take
from leadflow_projections.conversion import CONVERSION_TABLE
from leadflow_projections.metrics.cycles import FIELDS, STAGE_NAMES
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from duckdb import DuckDBPyConnection

    from leadflow_projections.algebra import Table

DIMENSION: Final = "dimension."
ENRICHED: Final = "field."


_READ: Final = (
    *CONVERSION_TABLE.shown["began"],
    *STAGE_NAMES,
    "last_stage",
    "merged_into",
)


class UnknownField(InvalidInput):
    """No lead of what was read has a field or dimension of this name."""

    code = "unknown_field"

    def __init__(self, field: str, known: Sequence[str] = ()) -> None:
        super().__init__(
            f"no lead has a field {field!r} in what was read",
            hint=_suggestion(field, known) if known else None,
        )
        self.field = field


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name that was asked for, and the columns that it may mean."""

    name: str
    columns: tuple[str, ...]


def wanted(names: Sequence[str]) -> list[Wanted]:
    """What the names may mean, of those that are no field of every log."""
    found: list[Wanted] = []
    for name in names:
        if name in FIELDS:
            continue
        full = name.startswith((DIMENSION, ENRICHED))
        found.append(Wanted(name, (name,) if full else (DIMENSION + name, ENRICHED + name)))
    return found


def table_with(fields: Sequence[Wanted], own: Collection[str] = FIELDS) -> Table:
    """The conversion table as metrics need it: with a column for all that the names may mean.

    Such a value is the lead's last, whichever cycle it was recorded in. Columns that the
    metric does not read are left out, so that they are not decoded.

    Args:
        fields: what is asked for by the leads' own names.
        own: the fields of every log that are read.
    """
    read = [*_READ, *(name for name in own if name not in CONVERSION_TABLE.key)]
    columns = {name: CONVERSION_TABLE.columns[name] for name in read}
    for field in fields:
        for name in field.columns:
            prefix = DIMENSION if name.startswith(DIMENSION) else ENRICHED
            path = "dimensions" if prefix == DIMENSION else "fields"
            value = member(path, name.removeprefix(prefix))
            columns[name] = of_lead(last(take(value, "lead.enriched")))
    return replace(CONVERSION_TABLE, columns=columns)


def resolve(connection: DuckDBPyConnection, fields: Sequence[Wanted]) -> dict[str, str]:
    """For each name the SQL of its value over the folded table `conversion`.

    Raises:
        UnknownField: when no lead has any such, though there are leads.
        InvalidInput: when the name is both a dimension and an enriched field.
    """
    found: dict[str, str] = {}
    for field in fields:
        known = [name for name in field.columns if _is_known(connection, name)]
        if len(known) > 1:
            raise InvalidInput(
                f"{field.name!r} is both a dimension and an enriched field",
                hint=f"write {known[0]} or {known[1]}",
            )
        if not known and _is_known(connection, "last_stage"):
            raise UnknownField(field.name)
        found[field.name] = _value_of((known or field.columns)[0])
    return found


def _suggestion(name: str, known: Sequence[str]) -> str:
    """What may have been meant instead, and all that there is."""
    bare = {full.removeprefix(DIMENSION).removeprefix(ENRICHED): full for full in known}
    word = name.removeprefix(DIMENSION).removeprefix(ENRICHED).casefold().replace("-", "_")
    near = difflib.get_close_matches(word, bare, 1)
    meant = f"did you mean {bare[near[0]]}? " if near else ""
    return f"{meant}There are {', '.join(known)}."


def _is_known(connection: DuckDBPyConnection, column: str) -> bool:
    name = quoted(column)
    return bool(
        connection.execute(f"SELECT 1 FROM conversion WHERE {name} IS NOT NULL LIMIT 1").fetchall()
    )


def _value_of(column: str) -> str:
    name = quoted(column)
    # An enriched field is a document: its value, with origin and confidence.
    return name if column.startswith(DIMENSION) else f"({name} ->> '$.value')"
