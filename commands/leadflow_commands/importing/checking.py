"""What must hold between the parts of a mapping: names that meet, personal kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leadflow.domain import events
from leadflow.domain.values import Personal
from leadflow_commands.importing.mapping import TABLES, MappingFile, Rule, Time
from leadflow_commands.suggestions import did_you_mean

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, the key that says it, and what may have been meant."""

    path: KeyPath
    sentence: str
    hint: str | None = None


def problems(mapping: MappingFile) -> Iterator[Problem]:
    """Everything that is wrong with a mapping whose shape is right, from top to bottom."""
    for column in mapping.id.columns:
        if mapping.is_personal(column):
            yield Problem(("id", "columns"), f"column {column!r} is personal, and no id may be")
    for name, time in mapping.times.items():
        yield from _time(name, time, mapping.times)
    names = [rule.name for rule in mapping.rules]
    for index, rule in enumerate(mapping.rules):
        place: KeyPath = ("rules", index)
        if rule.name in names[:index]:
            yield Problem((*place, "name"), "two rules have this name, which makes the facts' ids")
        yield from _unknown("time", rule.time, mapping.times, (*place, "time"))
        yield from _event(rule, place)
        yield from _data(rule, place, mapping)


def _unknown(what: str, name: str | None, known: Iterable[str], path: KeyPath) -> Iterator[Problem]:
    names = list(known)
    if name is not None and name not in names:
        hint = did_you_mean(name, names) if names else "the mapping has none"
        yield Problem(path, f"there is no {what} {name!r}", hint)


def _time(name: str, time: Time, times: Mapping[str, Time]) -> Iterator[Problem]:
    path = ("times", name, "otherwise")
    yield from _unknown("time", time.otherwise, times, path)
    seen = {name}
    following = time.otherwise
    while following is not None and following in times:
        if following in seen:
            yield Problem(path, "the times lead back to one another in a circle")
            return
        seen.add(following)
        following = times[following].otherwise


def _event(rule: Rule, place: KeyPath) -> Iterator[Problem]:
    topics = [event.topic for event in events.LEAD_EVENTS]
    if rule.event not in topics:
        hint = did_you_mean(rule.event, topics)
        yield Problem((*place, "event"), f"unknown event {rule.event!r}", hint)
        return
    own = events.own_fields(events.BY_TOPIC[rule.event])
    for path in rule.data:
        field, _, name = path.partition(".")
        at = (*place, "data", *path.split("."))
        if field not in own:
            yield Problem(at, f"{rule.event} has no field {field!r}", did_you_mean(field, own))
        elif (field in TABLES) != bool(name):
            yield Problem(at, f"{field} is filled by a table, [rules.data.{field}]")
        elif field == "personal":
            yield from _unknown("personal field", name, Personal.model_fields, at)
    if rule.known_after_outcome and rule.event != events.Enriched.topic:
        sentence = f"is for {events.Enriched.topic} alone"
        yield Problem((*place, "known_after_outcome"), sentence)


def _data(rule: Rule, place: KeyPath, mapping: MappingFile) -> Iterator[Problem]:
    if rule.actor is not None and mapping.is_personal(rule.actor):
        yield Problem((*place, "actor"), _apart(rule.actor, "the actor"))
    for path, given in rule.data.items():
        at = (*place, "data", *path.split("."))
        yield from _unknown("map in [values]", given.values, mapping.values, at)
        column: Any = given.column
        if column is not None and mapping.is_personal(column) and not path.startswith("personal."):
            yield Problem(at, _apart(column, path))


def _apart(column: str, use: str) -> str:
    return (
        f"column {column!r} is personal and may fill personal alone, not {use}; "
        "if it is not, list it in not_personal"
    )
