"""What must hold of the rules of a group: no two of them can both be the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from leadflow_commands.importing.checking import KeyPath, Problem, unknown
from leadflow_commands.importing.conditions import limits, texts_wanted
from leadflow_commands.importing.mapping import Condition, MappingFile, Rule
from leadflow_commands.importing.templates import written_out


def group_problems(mapping: MappingFile) -> Iterator[Problem]:
    """Rules of a group that claim the same rows, or that none can ever reach."""
    groups: dict[str, list[tuple[KeyPath, Rule]]] = {}
    for index, rule in written_out(mapping.rules):
        if rule.group is not None:
            groups.setdefault(rule.group, []).append((("rules", index), rule))
    for name in mapping.groups:
        yield from unknown("rule of the group", name, groups, ("groups", name))
    for members in groups.values():
        for number, (place, rule) in enumerate(members):
            yield from _against(place, rule, [earlier for _, earlier in members[:number]])


def _against(place: KeyPath, rule: Rule, earlier: Sequence[Rule]) -> Iterator[Problem]:
    for other in earlier:
        shared = _shared(other, rule)
        if shared is not None:
            yield Problem(
                (*place, "when" if rule.when is not None else "group"),
                f"{shared}, the rule {other.name} can be first as well as {rule.name}",
                "each row must be of one rule of a group: narrow one of the two, or leave it out",
            )
            return


def _shared(first: Rule, second: Rule) -> str | None:
    """The rows that two rules both claim, in words; None where the order settles it.

    The order does so where the earlier rule asks for more than the later one: then what
    it leaves over is the later one's. Where the earlier takes all rows that the later
    one, or one of its values, could have, both say that they are first.
    """
    if first.when is None:
        return "for every row" if first.files == second.files else None
    if first.files and second.files and set(first.files).isdisjoint(second.files):
        return None
    if first.when == second.when:
        return "under the same condition"
    taken = [test for test in _tests(first.when) if test.alone]
    for test in taken:
        for asked in _tests(second.when) if second.when is not None else ():
            found = _overlap(test.condition, asked.condition)
            if found is not None:
                return found
    return None


@dataclass(frozen=True, slots=True)
class _Test:
    condition: Condition
    alone: bool
    """Whether its holding is enough for the whole condition."""


def _tests(condition: Condition, *, alone: bool = True) -> Iterator[_Test]:
    """The tests of single columns that a condition cannot do without, or can do with."""
    if condition.column is not None:
        yield _Test(condition, alone)
    for part in condition.all_of or ():
        yield from _tests(part, alone=alone and len(condition.all_of or ()) == 1)
    for part in condition.any_of or ():
        yield from _tests(part, alone=alone)


def _overlap(first: Condition, second: Condition) -> str | None:
    if (first.column, first.values) != (second.column, second.values):
        return None
    for said, word in (("blank", "blank"), ("yes", "yes")):
        wanted = getattr(first, said)
        if wanted is not None and wanted == getattr(second, said) and _only(first, said):
            return f"where {first.column} is {'' if wanted else 'not '}{word}"
    taken = _texts(first) if _only_texts(first) else None
    asked = _texts(second)
    if taken is not None and asked is not None:
        both = _both(first, taken, second, asked)
        return None if both is None else f"for {first.column} {both!r}"
    if _only_limits(first) and _within(second, first):
        return f"where the number in {first.column} fits {second.column}'s limits"
    return None


def _texts(condition: Condition) -> frozenset[str] | None:
    return texts_wanted(condition)


def _both(
    first: Condition, taken: frozenset[str], second: Condition, asked: frozenset[str]
) -> str | None:
    """A text that two tests let pass."""
    if first.fold_case:
        asked = frozenset(text.casefold() for text in asked)
    elif second.fold_case:
        taken = frozenset(text.casefold() for text in taken)
    both = taken & asked
    return min(both) if both else None


_FREE = {"column", "values", "fold_case"}


def _asks(condition: Condition) -> set[str]:
    return set(condition.model_dump(exclude_none=True)) - _FREE


def _only(condition: Condition, test: str) -> bool:
    return _asks(condition) == {test}


def _only_texts(condition: Condition) -> bool:
    return _asks(condition) <= {"equals", "one_of"}


def _only_limits(condition: Condition) -> bool:
    return _asks(condition) <= {"above", "at_least", "below", "at_most"}


def _within(inner: Condition, outer: Condition) -> bool:
    """Whether every number that passes one test passes the other."""
    if not _only_limits(inner):
        return False
    return _low(outer) <= _low(inner) and _high(outer) >= _high(inner)


def _low(condition: Condition) -> tuple[Decimal, bool]:
    """The least number that passes, and whether only those above it do."""
    above, at_least, _, _ = limits(condition)
    return max(
        (above, True) if above is not None else (Decimal("-Infinity"), False),
        (at_least, False) if at_least is not None else (Decimal("-Infinity"), False),
    )


def _high(condition: Condition) -> tuple[Decimal, bool]:
    """The greatest number that passes, and whether it does itself."""
    _, _, below, at_most = limits(condition)
    return min(
        (below, False) if below is not None else (Decimal("Infinity"), True),
        (at_most, True) if at_most is not None else (Decimal("Infinity"), True),
    )
