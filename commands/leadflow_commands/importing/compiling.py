"""A mapping bound to a file's header: from a row to the facts that it tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from leadflow.domain import events
from leadflow.domain.identity import message_id
from leadflow.domain.values import ExternalId
from leadflow.domain.wire import validated_fields
from leadflow.errors import InvalidInput
from leadflow_commands.importing.cells import Cells, Unreadable
from leadflow_commands.importing.mapping import MappingFile, Rule
from leadflow_commands.importing.reading import Row
from leadflow_commands.importing.times import Known, Unknown, known_time

_WITH_ALIASES: Final = frozenset(
    event.topic for event in events.LEAD_EVENTS if "external_ids" in event.model_fields
)


@dataclass(frozen=True, slots=True)
class Fact:
    """What a row says has happened."""

    topic: str
    fields: dict[str, Any]
    """The event's own fields, validated."""
    time: Known
    actor: str | None
    message_id: UUID
    """From system, record and rule: the same row imported again is the same message."""


@dataclass(frozen=True, slots=True)
class RowFacts:
    """A row that could be read: its lead, and what it says of it."""

    line: int
    lead: str
    """SYSTEM:ID"""
    facts: tuple[Fact, ...]


class RowRefused(ValueError):
    """A row cannot be read as the mapping says; nothing of it is recorded."""


class RowReader:
    """Reads the rows of one file by one mapping."""

    def __init__(self, mapping: MappingFile, header: Sequence[str]) -> None:
        self.mapping = mapping
        self._width = len(header)
        self._cells = Cells(mapping, header)
        self._aliasing = next(
            (rule.name for rule in mapping.rules if rule.event in _WITH_ALIASES), None
        )

    def read(self, row: Row) -> RowFacts:
        """The facts of a row.

        Raises:
            RowRefused: with the reason, naming the column or the rule.
        """
        if len(row.cells) != self._width:
            raise RowRefused(f"{len(row.cells)} fields where the header has {self._width}")
        self._cells.take(row.cells)
        try:
            record = self._record_id()
            lead = str(ExternalId.parse(f"{self.mapping.system}:{record}"))
            return RowFacts(row.line, lead, tuple(self._facts(record)))
        except (Unreadable, Unknown) as error:
            raise RowRefused(str(error)) from error
        except ValueError as error:
            raise RowRefused(f"{' and '.join(self.mapping.id.columns)}: {error}") from error

    def _record_id(self) -> str:
        columns = self.mapping.id.columns
        texts = [self._cells.text(column) for column in columns]
        parts = [text for text in texts if text is not None]
        if len(parts) < len(columns):
            raise Unreadable(f"{columns[texts.index(None)]}: blank, and the lead's id needs it")
        if len(parts) == 1:
            return parts[0]
        # Escaped, so that ("a/b", "c") and ("a", "b/c") are two records.
        return "/".join(part.replace("%", "%25").replace("/", "%2F") for part in parts)

    def _facts(self, record: str) -> Iterator[Fact]:
        for rule in self.mapping.rules:
            fields = self._fields(rule)
            if rule.event == events.Enriched.topic and not fields:
                continue
            if rule.name == self._aliasing and (aliases := self._aliases()):
                fields["external_ids"] = aliases
            yield Fact(
                topic=rule.event,
                fields=_validated(rule, fields),
                time=known_time(rule.time, self.mapping.times, self._cells.text),
                actor=self._cells.text(rule.actor) if rule.actor else None,
                message_id=message_id(f"import:{self.mapping.system}", f"{rule.name}\n0\n{record}"),
            )

    def _aliases(self) -> list[str]:
        named = ((s, self._cells.text(column)) for s, column in self.mapping.id.aliases.items())
        return [f"{system}:{text}" for system, text in named if text is not None]

    def _fields(self, rule: Rule) -> dict[str, Any]:
        """The event's own fields as JSON has them; blank ones are left out."""
        fields: dict[str, Any] = {}
        for path, expression in rule.data.items():
            value = self._cells.value(expression)
            if value is None:
                continue
            field, _, name = path.partition(".")
            if not name:
                fields[field] = value
            elif field == "fields":
                fields.setdefault(field, {})[name] = {"value": value}
            else:
                fields.setdefault(field, {})[name] = value
        if rule.known_after_outcome and fields:
            known_after = (*fields.get("fields", {}), *fields.get("dimensions", {}))
            fields["known_after_outcome"] = list(known_after)
        return fields


def _validated(rule: Rule, fields: dict[str, Any]) -> dict[str, Any]:
    try:
        return validated_fields(events.BY_TOPIC[rule.event], fields)
    except InvalidInput as error:
        raise Unreadable(f"rule {rule.name}: {error.message.removeprefix('data.')}") from error
