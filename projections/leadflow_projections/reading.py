"""Reading live read models: rows as dictionaries, merged persons as one, at one position."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from leadflow.errors import InvalidInput
from leadflow_projections.algebra import Table, Type
from leadflow_projections.checkpoints import builds_at, live_build
from leadflow_projections.errors import ProjectionMissing
from leadflow_projections.physical import select_rows, table_name, with_marks
from leadflow_projections.registry import named
from leadflow_projections.sql import quoted
from leadflow_projections.views import public_types, view_select

if TYPE_CHECKING:
    from leadflow.persistence.store import Cursor, Store

Row = dict[str, Any]
Where = Mapping[str, "str | int | bool | None"]


@dataclass(frozen=True, slots=True)
class ReadModel:
    """What a view shows, and the last position whose event is in it."""

    rows: list[Row]
    position: int


def read_model(
    store: Store, name: str, *, where: Where | None = None, by_person: bool = True
) -> ReadModel:
    """The rows of a live read model, in one snapshot, in order of their keys.

    Instants are aware, in UTC; maps are dictionaries.

    Args:
        store: the store.
        name: the projection, such as `stage_board`.
        where: values that the columns must have; None asks for those that are unknown.
            Texts are read as the column's type.
        by_person: merged leads as one row, under the survivor's id.

    Raises:
        UnknownProjection: there is no such projection.
        ProjectionMissing: the store has no read model of it yet.
        InvalidInput: `where` names a column that there is not, or a value that it cannot have.
    """
    [projection] = named([name])
    [table] = projection.tables
    conditions = _conditions(table, where or {})
    with store.transaction(write=False) as cursor:
        live = live_build(builds_at(cursor, store.dialect), name)
        if live is None:
            raise ProjectionMissing(
                f"the store has no read model of {name} yet",
                hint=f"`leadflow projections run --once {name}` makes it.",
            )
        stored = table_name(table, live.version, live.build)
        merged = _merged_leads(cursor, stored, table) if by_person else {}
        rows = _view_rows(cursor, store.dialect, table, conditions)
        if merged:
            members = {*merged, *merged.values()}
            rows = [row for row in rows if row["lead_id"] not in members]
            rows += [
                row
                for row in _persons(cursor, store.dialect, table, stored, members)
                if all(row[column] == value for column, value in conditions.items())
            ]
            rows.sort(key=lambda row: [row[name] for name in table.key])
    return ReadModel(rows, live.position)


def _conditions(table: Table, where: Where) -> dict[str, Any]:
    types = public_types(table)
    found: dict[str, Any] = {}
    for column, value in where.items():
        if column not in types:
            near = difflib.get_close_matches(column, types, 1)
            meant = f"did you mean {near[0]}?" if near else f"it has {', '.join(types)}"
            raise InvalidInput(f"{table.name} has no column {column!r}", hint=meant)
        found[column] = _as_type(table, column, types[column], value)
    return found


def _as_type(table: Table, column: str, kind: Type, value: str | int | bool | None) -> Any:
    if value is None or not isinstance(value, str):
        return value
    try:
        if kind is Type.BOOLEAN:
            return {"true": True, "yes": True, "false": False, "no": False}[value.casefold()]
        if kind is Type.INTEGER:
            return int(value)
        if kind is Type.UUID:
            return UUID(value)
        if kind is Type.INSTANT:
            return datetime.fromisoformat(value).astimezone(UTC)
    except (KeyError, ValueError):
        raise InvalidInput(
            f"{column} of {table.name} is {_KINDS[kind]}, which {value!r} is not"
        ) from None
    return value


_KINDS = {
    Type.BOOLEAN: "true or false",
    Type.INTEGER: "a whole number",
    Type.UUID: "a lead's id",
    Type.INSTANT: "an instant such as 2026-03-01T09:30:00Z",
}


def _merged_leads(cursor: Cursor, stored: str, table: Table) -> dict[UUID, UUID]:
    """Each lead that is merged into another, and that other."""
    if "merged_into" not in table.columns:
        return {}
    cursor.execute(
        f"SELECT DISTINCT lead_id, merged_into FROM {quoted(stored)} WHERE merged_into IS NOT NULL"
    )
    return {UUID(str(lead)): UUID(str(other)) for lead, other in cursor.fetchall()}


def _view_rows(
    cursor: Cursor, dialect: str, table: Table, conditions: Mapping[str, Any]
) -> list[Row]:
    types = public_types(table)
    simple = {
        column: value
        for column, value in conditions.items()
        if value is None or types[column] is not Type.INSTANT
    }
    clauses = [
        f"{quoted(column)} IS NULL" if value is None else f"{quoted(column)} = ?"
        for column, value in simple.items()
    ]
    values = tuple(
        str(value) if isinstance(value, UUID) else value
        for value in simple.values()
        if value is not None
    )
    statement = f"SELECT {', '.join(map(quoted, types))} FROM {quoted(table.name)}"
    if clauses:
        statement += f" WHERE {' AND '.join(clauses)}"
    statement += f" ORDER BY {', '.join(map(quoted, table.key))}"
    cursor.execute(with_marks(dialect, statement), values)
    rows = [_read(types, row) for row in cursor.fetchall()]
    return [
        row for row in rows if all(row[column] == value for column, value in conditions.items())
    ]


def _read(types: Mapping[str, Type], row: Sequence[Any]) -> Row:
    return {
        name: None if value is None else _python(kind, value)
        for (name, kind), value in zip(types.items(), row, strict=True)
    }


def _python(kind: Type, value: Any) -> Any:
    """A value as a database gave it, as Python has it."""
    if kind is Type.INSTANT:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if kind is Type.UUID:
        return UUID(str(value))
    if kind is Type.BOOLEAN:
        return bool(value)
    if kind in {Type.TOTALS, Type.TEXTS}:
        return json.loads(value) if isinstance(value, str) else dict(value)
    return value


def _persons(
    cursor: Cursor, dialect: str, table: Table, stored: str, members: set[UUID]
) -> list[Row]:
    """The rows of merged persons: their leads' rows, merged as any partial rows are."""
    from leadflow_projections.engine import open_engine
    from leadflow_projections.persons import merge_persons
    from leadflow_projections.rest import from_rest_select

    rows = select_rows(cursor, dialect, table, stored, [(lead,) for lead in members])
    with open_engine(threads=1) as engine:
        engine.register("stored", rows)
        engine.execute(f"CREATE TABLE members_rows AS {from_rest_select(table, 'stored')}")
        merge_persons(engine, table, "members_rows")
        shown = engine.execute(view_select(table, "members_rows", "duckdb")).fetchall()
    types = public_types(table)
    return [_read(types, row) for row in shown]


def open_amounts(offers: Mapping[str, str | None]) -> dict[str, int]:
    """What a lead's open offers come to, in minor units by currency.

    Args:
        offers: the column of that name; closed offers are None in it, and open ones without
            an amount `?`.
    """
    amounts: dict[str, int] = {}
    for offer in offers.values():
        if offer is not None and offer != "?":
            minor, currency = offer.split()
            amounts[currency] = amounts.get(currency, 0) + int(minor)
    return amounts
