"""Conditions of rules, bound to a file's columns: from a row to whether they hold."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from leadflow_commands.importing.cells import Cells, Row, TextOf
from leadflow_commands.importing.mapping import Condition

Holds = Callable[[Row], bool]


def bound(condition: Condition | None, cells: Cells) -> Holds:
    """What says whether a condition holds for a row; none always does.

    Where a number or a yes is asked for, it raises `Unreadable` for a text that is none.
    """
    if condition is None:
        return lambda _: True
    if condition.all_of is not None:
        return _all([bound(part, cells) for part in condition.all_of])
    if condition.any_of is not None:
        return _any([bound(part, cells) for part in condition.any_of])
    if condition.negated is not None:
        return _not(bound(condition.negated, cells))
    return _all(_tests(condition, cells))


def _all(tests: list[Holds]) -> Holds:
    if len(tests) == 1:
        return tests[0]
    return lambda row: all(holds(row) for holds in tests)


def _any(tests: list[Holds]) -> Holds:
    return lambda row: any(holds(row) for holds in tests)


def _not(holds: Holds) -> Holds:
    return lambda row: not holds(row)


def _tests(condition: Condition, cells: Cells) -> list[Holds]:
    column = condition.column
    assert column is not None
    tests: list[Holds] = []
    wanted = texts_wanted(condition)
    if wanted is not None:
        tests.append(_text_in(wanted, cells.text_of(column, condition.values), condition.fold_case))
    if condition.blank is not None:
        tests.append(_blank(cells.text_of(column, condition.values), condition.blank))
    if condition.yes is not None:
        tests.append(_yes(cells.yes_of(column, condition.values), condition.yes))
    if any(limit is not None for limit in limits(condition)):
        tests.append(_number(cells.number_of(column, condition.values), condition))
    return tests


def texts_wanted(condition: Condition) -> frozenset[str] | None:
    """The texts that `equals` and `one_of` let pass, folded where case does not count."""
    given = [set(condition.one_of)] if condition.one_of is not None else []
    if condition.equals is not None:
        given.append({condition.equals})
    if not given:
        return None
    wanted = set[str].intersection(*given)
    return frozenset(text.casefold() if condition.fold_case else text for text in wanted)


def limits(condition: Condition) -> tuple[Decimal | None, ...]:
    """The limits of a number: above, at least, below, at most."""
    return (condition.above, condition.at_least, condition.below, condition.at_most)


def _text_in(wanted: frozenset[str], text_of: TextOf, fold_case: bool) -> Holds:
    if fold_case:
        return lambda row: (text := text_of(row)) is not None and text.casefold() in wanted
    return lambda row: text_of(row) in wanted


def _blank(text_of: TextOf, blank: bool) -> Holds:
    return lambda row: (text_of(row) is None) is blank


def _yes(yes_of: Callable[[Row], bool | None], yes: bool) -> Holds:
    return lambda row: yes_of(row) is yes


def _number(number_of: Callable[[Row], Decimal | None], condition: Condition) -> Holds:
    above, at_least, below, at_most = limits(condition)

    def holds(row: Row) -> bool:
        number = number_of(row)
        return (
            number is not None
            and (above is None or number > above)
            and (at_least is None or number >= at_least)
            and (below is None or number < below)
            and (at_most is None or number <= at_most)
        )

    return holds
