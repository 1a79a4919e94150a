"""A mapping bound to a file's header: from a row to the facts that it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, cast
from uuid import UUID

import orjson
from pydantic import BaseModel

from leadflow.domain import events
from leadflow.domain.identity import message_id
from leadflow.domain.values import ExternalId
from leadflow_commands.importing.binding import Telling, bind
from leadflow_commands.importing.cells import Cells, TextOf, Unreadable
from leadflow_commands.importing.cells import Row as CellTexts
from leadflow_commands.importing.columns import place_of
from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.lookups import Lookup
from leadflow_commands.importing.mapping import NO_EVENT, MappingFile
from leadflow_commands.importing.reading import Row
from leadflow_commands.importing.times import Known, Moments, Unknown

_WITH_ALIASES: Final = frozenset(
    event.topic for event in events.LEAD_EVENTS if "external_ids" in event.model_fields
)
_LONGEST_ID: Final = 500


@dataclass(frozen=True, slots=True)
class Fact:
    """What a row says has happened."""

    topic: str
    fields: dict[str, Any]
    """The event's own fields, validated."""
    time: Known
    actor: str | None
    rule: str
    system: str
    record: str
    """The record, and where a lead has several rows, which of them."""

    def message_id(self, revision: int = 0) -> UUID:
        """From system, record and rule: the same row imported again is the same message.

        What a rule says anew of a record, after it said something else, is a further
        revision.
        """
        return message_id(f"import:{self.system}", f"{self.rule}\n{revision}\n{self.record}")


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A row that could be read: its lead, and what it says of it."""

    line: int
    lead: str
    """SYSTEM:ID"""
    record: str
    """What no other row may have: the id, and where there are further rows, which it is."""
    facts: tuple[Fact, ...]


class RowRefused(ValueError):
    """A row cannot be read as the mapping says; nothing of it is recorded."""


class RowReader:
    """Reads the rows of one file by one mapping."""

    def __init__(
        self,
        mapping: MappingFile,
        header: Sequence[str],
        lookups: Mapping[str, Lookup] | None = None,
    ) -> None:
        self.mapping = mapping
        self._width = len(header)
        places = _places(mapping, header, lookups or {})
        personal = _personal(mapping, header, places)
        cells = Cells(mapping, places, personal)
        moments = Moments(mapping.times, cells.text_of, cells.shown)
        self._joins = [
            _Join(lookup, [cells.text_of(c) for c in mapping.joins[kind]], mapping.joins[kind])
            for kind, lookup in (lookups or {}).items()
        ]
        self._cases = [bind(rule, mapping, cells, moments) for rule in mapping.rules]
        self._ids = [(column, cells.text_of(column)) for column in mapping.id.columns]
        self._row_ids = [cells.text_of(column) for column in mapping.id.rows]
        self._further = mapping.id.repeated == "further"
        self._aliases = [(s, cells.text_of(c)) for s, c in mapping.id.aliases.items()]
        self._groups = _groups(mapping, cells)
        self.unused = tuple(_unused(header, places))
        """Columns that the mapping does not name, by position where the header has no name."""

    def read(self, row: Row) -> RowFacts:
        """The facts of a row.

        Raises:
            RowRefused: with the reason, naming the column or the rule.
        """
        cells = row.cells
        if len(cells) != self._width:
            raise RowRefused(f"{len(cells)} fields where the header has {self._width}")
        try:
            if self._joins:
                cells = [*cells, *(text for join in self._joins for text in join.of(cells))]
            record = self._record_id(cells)
            key = record if not self._further else self._row_key(record, cells)
            facts = tuple(self._facts(cells, key))
            return RowFacts(row.line, f"{self.mapping.system}:{record}", key, facts)
        except (Unreadable, Unknown) as error:
            raise RowRefused(str(error)) from error

    def _record_id(self, row: CellTexts) -> str:
        parts: list[str] = []
        for column, text_of in self._ids:
            text = text_of(row)
            if text is None:
                raise Unreadable(f"{column}: blank, and the lead's id needs it")
            parts.append(text)
        record = parts[0] if len(parts) == 1 else _joined(parts)
        if len(record) > _LONGEST_ID or not record.isprintable():
            _check_id(" and ".join(self.mapping.id.columns), self.mapping.system, record)
        return record

    def _row_key(self, record: str, row: CellTexts) -> str:
        """The record with what tells its rows apart, if the mapping names it."""
        if not self._row_ids:
            return record
        return f"{record}\n{_joined([text_of(row) or '' for text_of in self._row_ids])}"

    def _facts(self, row: CellTexts, key: str) -> Iterator[Fact]:
        chosen: set[str] = set()
        aliases = [f"{s}:{text}" for s, text_of in self._aliases if (text := text_of(row))]
        for case in self._cases:
            group = case.group
            if (group is not None and group in chosen) or not case.holds(row):
                continue
            if group is not None:
                chosen.add(group)
            for telling in case.facts:
                fact = self._fact(telling, row, key, aliases)
                if fact is not None:
                    yield fact
        for group, refusal in self._groups.items():
            if group not in chosen:
                raise Unreadable(refusal(row))

    def _fact(self, telling: Telling, row: CellTexts, key: str, aliases: list[str]) -> Fact | None:
        topic = telling.topic(row)
        fields = None if topic == NO_EVENT else telling.fields(row, topic)
        if fields is None:
            return None
        if aliases and topic in _WITH_ALIASES:
            _check_aliases(aliases)
            fields["external_ids"] = tuple(aliases)
            aliases.clear()  # the first fact that can bear them does
        time, actor = telling.time(row), telling.actor(row)
        if self._further and not self._row_ids:
            key = f"{key}\n{_digest(fields, time, actor)}"
        return Fact(topic, fields, time, actor, telling.name, self.mapping.system, key)


class _Join:
    """Adds the cells of another file's row to a row."""

    def __init__(self, lookup: Lookup, key_of: Sequence[TextOf], columns: Sequence[str]) -> None:
        self._lookup = lookup
        self._key_of = key_of
        self._columns = " and ".join(columns)

    def of(self, row: CellTexts) -> CellTexts:
        key = [text_of(row) for text_of in self._key_of]
        if None in key:
            return self._lookup.blank()
        found = self._lookup.rows.get(tuple(cast("list[str]", key)))
        if found is not None:
            return found
        if self._lookup.refuse_missing:
            raise Unreadable(f"{self._columns}: there is no such row in {self._lookup.name}")
        return self._lookup.blank()


def _places(
    mapping: MappingFile, header: Sequence[str], lookups: Mapping[str, Lookup]
) -> dict[str, int]:
    """Where each column stands that the mapping names; those of other files after its own."""
    places: dict[str, int] = {}
    for column, use in mapping.columns():
        place = place_of(column, header)
        if place is None:
            raise UnreadableFile(f"there is no column {column!r}, which the mapping names ({use})")
        places[column] = place
    next_place = len(header)
    for kind, lookup in lookups.items():
        for column in lookup.columns:
            places[f"{kind}.{column}"] = next_place
            next_place += 1
    return places


def _personal(
    mapping: MappingFile, header: Sequence[str], places: Mapping[str, int]
) -> frozenset[str]:
    """The columns that are personal, by the name given or by the one in the header."""
    for column, place in places.items():
        if column.startswith("#") and place < len(header):
            _check_position(mapping, column, header[place])
    return frozenset(column for column in places if mapping.is_personal(column))


def _check_position(mapping: MappingFile, column: str, called: str) -> None:
    told = column in mapping.personal or column in mapping.not_personal
    if not told and mapping.is_personal(called):
        raise UnreadableFile(
            f"line 1: the column {column} is called {called!r}, which sounds personal, and the "
            f"mapping {mapping.name} does not say that {column} is",
            hint=f'write personal = ["{column}"], or not_personal = ["{column}"]',
        )


def _unused(header: Sequence[str], places: Mapping[str, int]) -> Iterator[str]:
    used = set(places.values())
    for place, name in enumerate(header):
        if place not in used:
            yield name if name and header.count(name) == 1 else f"#{place + 1}"


def _groups(mapping: MappingFile, cells: Cells) -> dict[str, Callable[[CellTexts], str]]:
    """What to say of a row for which no rule of a group holds, where that is refused."""
    columns: dict[str, list[str]] = {}
    for rule in mapping.rules:
        group = rule.group
        if group is None or (group in mapping.groups and _may_be_none(mapping, group)):
            continue
        parts = rule.when.parts() if rule.when is not None else ()
        columns.setdefault(group, []).extend(part.column for part in parts if part.column)
    return {
        group: _unmatched(group, list(dict.fromkeys(named)), cells)
        for group, named in columns.items()
    }


def _may_be_none(mapping: MappingFile, group: str) -> bool:
    return mapping.groups[group].otherwise == "none"


def _unmatched(group: str, columns: Sequence[str], cells: Cells) -> Callable[[CellTexts], str]:
    texts = [(column, cells.text_of(column)) for column in columns]

    def said(row: CellTexts) -> str:
        found = ((column, text_of(row)) for column, text_of in texts)
        cell = ", ".join(
            f"{column}: blank" if text is None else cells.shown(column, text)
            for column, text in found
        )
        return f"{cell or group} fits no rule of the group {group}"

    return said


def _joined(parts: Sequence[str]) -> str:
    # Escaped, so that ("a/b", "c") and ("a", "b/c") are two records.
    return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)


def _check_id(columns: str, system: str, record: str) -> None:
    try:
        ExternalId.parse(f"{system}:{record}")
    except ValueError:
        raise Unreadable(
            f"{columns}: {record[:40]!r} is no id; one has at most {_LONGEST_ID} characters "
            "in one line"
        ) from None


def _check_aliases(aliases: Sequence[str]) -> None:
    for alias in aliases:
        system, _, text = alias.partition(":")
        _check_id(f"alias {system}", system, text)


def _digest(fields: Mapping[str, Any], time: Known, actor: str | None) -> str:
    """What tells facts of a lead apart whose rows have no ids of their own.

    Personal data has no part in it: from a message's id nobody may guess at any.
    """
    told = {name: value for name, value in fields.items() if name != "personal"}
    content = (told, time.moment.isoformat(), actor)
    text = orjson.dumps(content, default=_plain, option=orjson.OPT_SORT_KEYS)
    return blake2b(text, digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
