"""What differs between two scoring policies, rule by rule and value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from leadflow.domain.policy import Policy


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that was added, removed or changed; `place` is its path in the policy."""

    kind: Literal["added", "removed", "changed"]
    place: str
    before: Any
    after: Any


def differences(old: Policy, new: Policy) -> list[Difference]:
    """All that differs, in the order of the policy's parts; a rule is known by its name."""
    before, after = _flat(old), _flat(new)
    found: list[Difference] = []
    for place in dict.fromkeys([*before, *after]):
        if place not in after:
            found.append(Difference("removed", place, before[place], None))
        elif place not in before:
            found.append(Difference("added", place, None, after[place]))
        elif before[place] != after[place]:
            found += _changed(place, before[place], after[place])
    return found


def _changed(place: str, before: Any, after: Any) -> Iterator[Difference]:
    """One difference for a value; for a rule one for each of its parts that differs."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        yield Difference("changed", place, before, after)
        return
    old, new = cast("dict[str, Any]", before), cast("dict[str, Any]", after)
    for part in dict.fromkeys([*old, *new]):
        kind = _kind(part in old, part in new)
        if old.get(part) != new.get(part):
            yield Difference(kind, f"{place} {part}", old.get(part), new.get(part))


def _kind(was: bool, is_now: bool) -> Literal["added", "removed", "changed"]:
    if was and is_now:
        return "changed"
    return "added" if is_now else "removed"


def _flat(policy: Policy) -> dict[str, Any]:
    data = policy.as_data()
    flat = dict(_leaves({name: part for name, part in data.items() if name != "rules"}, ""))
    for rule in data["rules"]:
        flat[f"rule {rule['name']!r}"] = {k: v for k, v in rule.items() if k != "name"}
    return flat


def _leaves(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        place = f"{path}.{name}" if path else name
        if isinstance(part, dict):
            yield from _leaves(part, place)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield place, part
