"""Templates of rules written out: one rule for each column, many columns into fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from leadflow_commands.importing.rules import Expression, Rule, Said

_SLUG: Final = re.compile(r"[^a-z0-9]+")
_PLACEHOLDERS: Final = ("{column}", "{slug}", "{label}")


def slug(column: str) -> str:
    """A column's name in small letters, digits and `_`: `Do Not Email` is do_not_email."""
    return _SLUG.sub("_", column.casefold()).strip("_") or "column"


def written_out(rules: Iterable[Rule]) -> Iterator[tuple[int, Rule]]:
    """The rules without templates, each with the index of the rule that it comes from."""
    for index, rule in enumerate(rules):
        if not rule.for_each:
            yield index, _without_each(rule)
        for column, label in rule.for_each.items():
            yield index, _without_each(_for_column(rule, column, label))


def _for_column(rule: Rule, column: str, label: str) -> Rule:
    written = rule.model_dump(by_alias=True, exclude_unset=True, exclude={"for_each"})
    for said in (written, *written.get("also", ())):
        if not any(place in said["name"] for place in _PLACEHOLDERS):
            said["name"] += "_{slug}"
        said["name"] = _named(said["name"], slug(column), slug(label))
    return Rule.model_validate(_filled(written, column, label))


def _filled(written: Any, column: str, label: str) -> Any:
    """The same with the column's name, short form and label for the placeholders."""
    if isinstance(written, str):
        return _named(written, column, label)
    if isinstance(written, dict):
        table = cast("dict[str, Any]", written)
        return {
            _named(key, column, label): _filled(value, column, label)
            for key, value in table.items()
        }
    if isinstance(written, (list, tuple)):
        return [_filled(value, column, label) for value in cast("list[Any]", written)]
    return written


def _named(text: str, column: str, label: str) -> str:
    if "{" not in text:
        return text
    stands_for = (column, slug(column), label)
    # At once, so that a column called "{label}" is not filled in turn.
    return re.sub(
        "|".join(map(re.escape, _PLACEHOLDERS)),
        lambda place: stands_for[_PLACEHOLDERS.index(place[0])],
        text,
    )


def _without_each(rule: Rule) -> Rule:
    if not any(said.each for said in rule.facts()):
        return rule
    also = tuple(said.model_copy(update=_spread(said)) for said in rule.also)
    return rule.model_copy(update={**_spread(rule), "also": also})


def _spread(said: Said) -> dict[str, Any]:
    """The fact's data with a field for each column of its `each`."""
    data = dict(said.data)
    for each in said.each:
        for column, label in each.columns.items():
            path = f"{each.into}.{_named(each.name, column, label)}"
            written = {"column": column, "as": each.kind, "values": each.values}
            data[path] = Expression.model_validate(written)
    return {"data": data, "each": ()}
