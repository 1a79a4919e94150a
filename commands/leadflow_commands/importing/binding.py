"""A mapping's facts bound to a file's columns: from a row to one event's fields."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from leadflow.domain import events
from leadflow.domain.events import own_fields
from leadflow.domain.wire import validated_fields
from leadflow.errors import InvalidInput
from leadflow_commands.importing.cells import Cells, Row, TextOf, Unreadable
from leadflow_commands.importing.conditions import Holds, bound
from leadflow_commands.importing.mapping import NO_EVENT, EventSource, MappingFile, Rule, Said
from leadflow_commands.importing.times import Known, Moments

_NOTHING_WITHOUT: Final = {
    events.Engaged.topic: "count",
    events.Scored.topic: "points",
}
"""Fields that say how much there was of it: where their column is blank, nothing was."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What one fact of a rule reads from a row."""

    name: str
    topic: Callable[[Row], str]
    """Its topic, or `none`."""
    fields: Callable[[Row, str], dict[str, Any] | None]
    """The event's own fields, validated; None where the row tells of no such event."""
    time: Callable[[Row], Known]
    actor: TextOf


@dataclass(frozen=True, slots=True)
class Case:
    """A rule: when it holds, and what it tells then."""

    group: str | None
    holds: Holds
    facts: tuple[Telling, ...]


def bind(rule: Rule, mapping: MappingFile, cells: Cells, moments: Moments) -> Case:
    """A rule ready to be asked about rows."""
    none = rule.event.topic == NO_EVENT
    facts = () if none else tuple(_telling(x, mapping, cells, moments) for x in rule.facts())
    return Case(rule.group, bound(rule.when, cells), facts)


def _telling(said: Said, mapping: MappingFile, cells: Cells, moments: Moments) -> Telling:
    assert said.time is not None  # checking.py has seen to it
    return Telling(
        name=said.name,
        topic=_topic(said.event, cells),
        fields=_Fields(said, mapping, cells),
        time=moments.reader(said.time),
        actor=cells.text_of(said.actor) if said.actor is not None else lambda _: None,
    )


def _topic(event: EventSource, cells: Cells) -> Callable[[Row], str]:
    if event.topic is not None:
        constant = event.topic
        return lambda _: constant
    column = event.column
    assert column is not None
    plain, text_of = cells.text_of(column), cells.text_of(column, event.values)

    def topic(row: Row) -> str:
        found = text_of(row)
        if found is None:
            return NO_EVENT
        if found != NO_EVENT and found not in events.BY_TOPIC:
            raise Unreadable(f"{cells.shown(column, plain(row) or '')} stands for no event")
        return found

    return topic


class _Fields:
    """The fields of one fact, from columns and constants."""

    def __init__(self, said: Said, mapping: MappingFile, cells: Cells) -> None:
        self._name = said.name
        self._parts = [
            (*_field_and_name(path), cells.value_of(given)) for path, given in said.data.items()
        ]
        self._from_column = {path for path, given in said.data.items() if given.value is None}
        self._any_event = said.event.topic is None
        after = {
            path.partition(".")[2]
            for path, given in said.data.items()
            if said.known_after_outcome
            or not set(mapping.known_after_outcome).isdisjoint(given.sources())
        }
        self._known_after = after

    def __call__(self, row: Row, topic: str) -> dict[str, Any] | None:
        fields = self._read(row)
        if topic == events.Enriched.topic and not fields:
            return None
        needed = _NOTHING_WITHOUT.get(topic)
        if needed is not None and needed in self._from_column:
            amount = fields.get(needed)
            if amount is None or (amount == 0 and topic == events.Engaged.topic):
                return None
        if self._known_after and topic == events.Enriched.topic:
            self._stamp(fields)
        if self._any_event:
            own = own_fields(events.BY_TOPIC[topic])
            fields = {name: value for name, value in fields.items() if name in own}
        try:
            return validated_fields(events.BY_TOPIC[topic], fields)
        except InvalidInput as error:
            message = error.message.removeprefix("data.")
            raise Unreadable(f"rule {self._name}: {message}") from error

    def _read(self, row: Row) -> dict[str, Any]:
        """The fields as JSON has them; blank ones are left out."""
        fields: dict[str, Any] = {}
        for field, name, value_of in self._parts:
            value = value_of(row)
            if value is None:
                continue
            if not name:
                fields[field] = value
                continue
            table: dict[str, Any] = fields.setdefault(field, {})
            if field == "fields":
                table[name] = {"value": value}
            elif field == "personal" and name.startswith("other."):
                table.setdefault("other", {})[name.removeprefix("other.")] = value
            else:
                table[name] = value
        return fields

    def _stamp(self, fields: dict[str, Any]) -> None:
        told = (*fields.get("fields", {}), *fields.get("dimensions", {}))
        known_after = [name for name in told if name in self._known_after]
        if known_after:
            fields["known_after_outcome"] = known_after


def _field_and_name(path: str) -> tuple[str, str]:
    field, _, name = path.partition(".")
    return field, name
