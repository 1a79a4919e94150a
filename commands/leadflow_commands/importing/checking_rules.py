"""What must hold of each rule of a mapping: its event has the fields, its names meet."""

from __future__ import annotations

from collections.abc import Iterator

from leadflow.domain import events
from leadflow.domain.values import Personal
from leadflow_commands.importing.checking import KeyPath, Problem, unknown
from leadflow_commands.importing.mapping import (
    NO_EVENT,
    TABLES,
    Condition,
    Expression,
    MappingFile,
    Rule,
    Said,
)
from leadflow_commands.importing.templates import written_out
from leadflow_commands.suggestions import did_you_mean

SCORED: tuple[str, ...] = (events.Scored.topic, events.Engaged.topic)
"""Events that give points, or that the policy may give points for."""
NOT_FROM_FILES: dict[str, str] = {
    events.Merged.topic: "`leadflow lead merge` merges two leads",
    events.Unmerged.topic: "`leadflow lead unmerge` parts two leads",
    events.Erased.topic: "`leadflow lead erase` erases a lead",
}
"""Events that concern more than one lead's past, and the command that is for them."""


def rule_problems(mapping: MappingFile) -> Iterator[Problem]:
    """What is wrong with the rules, each by itself and their names together."""
    names: set[str] = set()
    for index, rule in written_out(mapping.rules):
        place: KeyPath = ("rules", index)
        for kind in rule.files:
            yield from unknown("kind of file in [files]", kind, mapping.files, (*place, "files"))
        if rule.when is not None:
            yield from _condition(rule.when, (*place, "when"), rule, mapping)
        for number, said in enumerate(rule.facts()):
            at = place if number == 0 else (*place, "also", number - 1)
            if said.name in names:
                sentence = f"two rules have the name {said.name!r}, which makes the facts' ids"
                yield Problem((*at, "name"), sentence)
            names.add(said.name)
            yield from _said(said, at, mapping)


def _said(said: Said, place: KeyPath, mapping: MappingFile) -> Iterator[Problem]:
    if said.event.topic == NO_EVENT:
        if said.data or said.time or (isinstance(said, Rule) and said.also):
            yield Problem((*place, "event"), 'a rule whose event is "none" tells nothing more')
        return
    if said.time is None:
        hint = f"name one of [times]: {', '.join(mapping.times)}" if mapping.times else None
        yield Problem((*place, "time"), "is missing", hint or "add a table [times.NAME]")
    yield from unknown("time", said.time, mapping.times, (*place, "time"))
    yield from _event(said, place, mapping)
    yield from _data(said, place, mapping)


def _event(said: Said, place: KeyPath, mapping: MappingFile) -> Iterator[Problem]:
    at = (*place, "event")
    topics = [event.topic for event in events.LEAD_EVENTS]
    if said.event.topic is not None:
        chosen = [said.event.topic]
    else:
        yield from unknown("map in [values]", said.event.values, mapping.values, at)
        values = mapping.values.get(said.event.values or "")
        if values is None:
            return
        told = (*values.map.values(), *((values.default,) if values.default else ()))
        chosen = [topic for topic in told if topic not in (NO_EVENT, "")]
    for topic in chosen:
        if topic not in topics:
            yield Problem(at, f"unknown event {topic!r}", did_you_mean(topic, topics))
            return
        if topic in NOT_FROM_FILES:
            yield Problem(at, f"{topic} may not be imported", NOT_FROM_FILES[topic])
            return
    yield from _fields(said, chosen, place)
    if said.known_after_outcome and chosen != [events.Enriched.topic]:
        yield Problem((*place, "known_after_outcome"), f"is for {events.Enriched.topic} alone")


def _fields(said: Said, topics: list[str], place: KeyPath) -> Iterator[Problem]:
    own = [name for topic in topics for name in events.own_fields(events.BY_TOPIC[topic])]
    what = " or ".join(dict.fromkeys(topics))
    for path in said.data:
        field, _, name = path.partition(".")
        at = (*place, "data", *path.split("."))
        if field not in own:
            yield Problem(at, f"{what} has no field {field!r}", did_you_mean(field, own))
        elif (field in TABLES) != bool(name):
            yield Problem(at, f"{field} is filled by a table, [rules.data.{field}]")
        elif field == "personal" and not name.startswith("other."):
            yield from unknown("personal field", name, Personal.model_fields, at)


def _data(said: Said, place: KeyPath, mapping: MappingFile) -> Iterator[Problem]:
    if said.actor is not None and mapping.is_personal(said.actor):
        yield Problem((*place, "actor"), apart(said.actor, "the actor"))
    if said.event.column is not None and mapping.is_personal(said.event.column):
        yield Problem((*place, "event"), apart(said.event.column, "the event"))
    for path, given in said.data.items():
        at = (*place, "data", *path.split("."))
        yield from unknown("map in [values]", given.values, mapping.values, at)
        for column in (*given.sources(), given.currency_column):
            if column is None or not mapping.is_personal(column):
                continue
            if not path.startswith("personal."):
                yield Problem(at, apart(column, path))
        yield from _outcome(said, given, at, mapping)


def _outcome(
    said: Said, given: Expression, place: KeyPath, mapping: MappingFile
) -> Iterator[Problem]:
    if said.event.topic not in SCORED:
        return
    for column in given.sources():
        if column in mapping.known_after_outcome:
            yield Problem(place, _scored(column, said.event.topic))


def _scored(column: str, topic: str | None) -> str:
    return (
        f"column {column!r} is known only after the outcome, and {topic} would score by it; "
        f"{events.Enriched.topic} may record it"
    )


def _condition(
    condition: Condition, place: KeyPath, rule: Rule, mapping: MappingFile
) -> Iterator[Problem]:
    for part in condition.parts():
        yield from unknown("map in [values]", part.values, mapping.values, place)
        column = part.column
        assert column is not None
        tests = part.model_dump(exclude_none=True, exclude={"column", "fold_case"})
        if mapping.is_personal(column) and tests.keys() != {"blank"}:
            yield Problem(place, apart(column, "a condition, save whether it is blank"))
        if column in mapping.known_after_outcome:
            for said in rule.facts():
                if said.event.topic in SCORED:
                    yield Problem(place, _scored(column, said.event.topic))


def apart(column: str, use: str) -> str:
    """That a personal column has no place there."""
    return (
        f"column {column!r} is personal and may fill personal alone, not {use}; "
        "if it is not, list it in not_personal"
    )
