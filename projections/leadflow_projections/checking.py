"""What must hold of a user's own projection before anything is folded into it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Final

from leadflow.domain.events import BY_TOPIC
from leadflow_projections.algebra import Projection, Table
from leadflow_projections.computing import computed_of
from leadflow_projections.decoding import decode_select
from leadflow_projections.errors import InvalidProjection
from leadflow_projections.foreign import is_foreign
from leadflow_projections.sql import fields_of
from leadflow_projections.taking import STREAM_ID, Value

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_OF_THE_STORE: Final = ("leadflow_", "stored_events", "log_head", "sqlite_", "pg_")


def check(projection: Projection, where: str) -> None:
    """See that a projection can be folded.

    Args:
        projection: the projection.
        where: the module that it comes from, for messages.

    Raises:
        InvalidProjection: naming the module, the table and the column that cannot be.
    """
    _check_name(projection.name, where)
    if projection.version < 1:
        raise InvalidProjection(
            f"{where}: {projection.name} has version {projection.version}; versions begin at 1"
        )
    if not projection.tables:
        raise InvalidProjection(f"{where}: {projection.name} has no table")
    for table in projection.tables:
        _check_name(table.name, where)
        for topic in _topics(table):
            if not is_foreign(topic) and topic not in BY_TOPIC:
                raise InvalidProjection(
                    f"{where}: {table.name} takes {topic}, which is no event of leadflow's",
                    hint=_meant(topic, BY_TOPIC),
                )
        _check_paths(table, where)
        if STREAM_ID in table.key.values() and not table.of:
            raise InvalidProjection(
                f"{where}: {table.name}, keyed by STREAM_ID, would have a row for every stream",
                hint='say which events make its rows: of=("module:Class.Event", …)',
            )
    try:
        decode_select(fields_of(projection.tables), "chunk")
        computed_of(projection.tables)
    except (ValueError, AttributeError) as error:
        raise InvalidProjection(f"{where}: {projection.name}: {error}") from error


def check_together(projections: Iterable[Projection]) -> None:
    """See that projections can be folded in one pass.

    Raises:
        InvalidProjection: when two read one field as different types.
    """
    chosen = list(projections)
    tables = [table for projection in chosen for table in projection.tables]
    try:
        decode_select(fields_of(tables), "chunk")
        computed_of(tables)
    except (ValueError, AttributeError) as error:
        names = ", ".join(projection.name for projection in chosen)
        raise InvalidProjection(
            f"{names} cannot be folded in one pass: {error}",
            hint="name them in commands of their own, or read the field by a function (computed)",
        ) from error


def _check_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name) or name.startswith(_OF_THE_STORE):
        raise InvalidProjection(
            f"{where}: {name!r} can be no table's name here",
            hint="use a lower-case letter, then letters, digits and `_`, at most 40 in all; names "
            "that begin as the store's own tables do are taken",
        )


def _check_paths(table: Table, where: str) -> None:
    """A field that no event it is taken from has would stay unknown for ever, unnoticed."""
    for name, column in table.columns.items():
        for part in column.takes:
            topics = part.topics or table.of
            if any(map(is_foreign, topics)):
                continue
            values = [part.value, *(condition.value for condition in part.when)]
            if column.by is not None:
                values.append(column.by)
            for value in values:
                _check_path(value, topics or tuple(BY_TOPIC), f"{where}: {table.name}.{name}")


def _check_path(value: Value, topics: Iterable[str], where: str) -> None:
    if value.envelope or value.compute is not None:
        return
    root = value.path.partition(".")[0]
    fields = {field for topic in topics for field in BY_TOPIC[topic].model_fields}
    if root == "personal":
        raise InvalidProjection(
            f"{where} reads {value.path}, and read models hold no personal data",
            hint="look names up for the rows shown, by the lead's id",
        )
    if root not in fields:
        raise InvalidProjection(
            f"{where} reads a field {root!r} that none of its events has", hint=_meant(root, fields)
        )


def _topics(table: Table) -> set[str]:
    taken = {topic for column in table.columns.values() for t in column.takes for topic in t.topics}
    return taken | set(table.of)


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), 1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
