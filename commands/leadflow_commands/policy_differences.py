"""What differs between two scoring policies, rule by rule and value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

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
            found.append(Difference("changed", place, before[place], after[place]))
    return found


def _flat(policy: Policy) -> dict[str, Any]:
    data = policy.as_data()
    rules = {rule["name"]: {k: v for k, v in rule.items() if k != "name"} for rule in data["rules"]}
    whole = {name: part for name, part in data.items() if name not in ("rules", "name")}
    return dict(_leaves(whole, "")) | {f"rule {name!r}": rule for name, rule in rules.items()}


def _leaves(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, part in value.items():
        place = f"{path}.{name}" if path else name
        if isinstance(part, dict):
            yield from _leaves(part, place)  # pyright: ignore[reportUnknownArgumentType]
        else:
            yield place, part
