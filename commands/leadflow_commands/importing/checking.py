"""What must hold between the parts of a mapping: names that meet, personal kept apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from leadflow_commands.importing.mapping import FileKind, Identity, MappingFile, Time, Values
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
    from leadflow_commands.importing.checking_groups import group_problems
    from leadflow_commands.importing.checking_rules import rule_problems

    yield from _identity(mapping)
    for name, values in mapping.values.items():
        yield from _values(name, values)
    for name, time in mapping.times.items():
        yield from _time(name, time, mapping.times)
    yield from _kinds(mapping)
    yield from rule_problems(mapping)
    yield from group_problems(mapping)


def unknown(what: str, name: str | None, known: Iterable[str], path: KeyPath) -> Iterator[Problem]:
    """A problem where a name is used that is not there."""
    names = list(known)
    if name is not None and name not in names:
        hint = did_you_mean(name, names) if names else "the mapping has none"
        yield Problem(path, f"there is no {what} {name!r}", hint)


def _identity(mapping: MappingFile) -> Iterator[Problem]:
    given: list[tuple[KeyPath, Identity]] = [(("id",), mapping.id)]
    given += [(("files", n, "id"), kind.id) for n, kind in mapping.files.items() if kind.id]
    for place, identity in given:
        ids = (("columns", identity.columns), ("rows", identity.rows))
        for key, columns in ids:
            for column in filter(mapping.is_personal, columns):
                yield Problem((*place, key), f"column {column!r} is personal, and no id may be")
        for system, column in identity.aliases.items():
            if mapping.is_personal(column):
                at = (*place, "aliases", system)
                yield Problem(at, f"column {column!r} is personal, and no id may be")
    for column in mapping.personal:
        if column in mapping.not_personal:
            sentence = f"column {column!r} stands in personal and in not_personal"
            yield Problem(("not_personal",), sentence)


def _values(name: str, values: Values) -> Iterator[Problem]:
    if not values.fold_case:
        return
    seen: dict[str, str] = {}
    for text, value in values.map.items():
        other = seen.setdefault(text.casefold(), text)
        if other != text and values.map[other] != value:
            sentence = f"{other!r} and {text!r} are the same with fold_case, and become different"
            yield Problem(("values", name, "map", text), sentence)


def _time(name: str, time: Time, times: Mapping[str, Time]) -> Iterator[Problem]:
    path = ("times", name, "otherwise")
    yield from unknown("time", time.otherwise, times, path)
    seen = {name}
    following = time.otherwise
    while following is not None and following in times:
        if following in seen:
            yield Problem(path, "the times lead back to one another in a circle")
            return
        seen.add(following)
        following = times[following].otherwise


def _kinds(mapping: MappingFile) -> Iterator[Problem]:
    looked_up = [name for name, kind in mapping.files.items() if kind.key]
    if mapping.files and len(looked_up) == len(mapping.files) and not mapping.joins:
        yield Problem(("files",), "all files are only looked up, and nothing joins them")
    yield from _joins(("joins",), mapping.joins, mapping.files)
    for name, kind in mapping.files.items():
        yield from _joins(("files", name, "joins"), kind.joins, mapping.files)


def _joins(
    place: KeyPath, joins: Mapping[str, tuple[str, ...]], files: Mapping[str, FileKind]
) -> Iterator[Problem]:
    for name, columns in joins.items():
        at = (*place, name)
        yield from unknown("kind of file in [files]", name, files, at)
        if name not in files:
            continue
        key = files[name].key
        if not key:
            yield Problem(at, f"files.{name} has no key by which it could be looked up")
        elif len(key) != len(columns):
            yield Problem(
                at, f"the key of files.{name} has {len(key)} columns, and here are {len(columns)}"
            )
