"""The part of a metric's SQL that says which rows of `cycles` are asked about."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from leadflow_projections.metrics.selection import naive
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from leadflow_projections.metrics.selection import Condition, Selection


def group_value(by: str | None) -> str:
    """The value that figures are grouped by, as text; blank stays null, a group of its own."""
    return "CAST(NULL AS VARCHAR)" if by is None else f"CAST({quoted(by)} AS VARCHAR)"


def matching(selection: Selection, parameters: dict[str, Any]) -> str:
    """The conditions of --where; their values are added to `parameters`."""
    alternatives: dict[str, list[Condition]] = defaultdict(list)
    for condition in selection.where:
        alternatives[condition.field].append(condition)
    clauses = [_any_of(conditions, parameters) for conditions in alternatives.values()]
    return " AND ".join(clauses) or "true"


def _any_of(conditions: list[Condition], parameters: dict[str, Any]) -> str:
    choices: list[str] = []
    for condition in conditions:
        column = f"CAST({quoted(condition.field)} AS VARCHAR)"
        if condition.value is None:
            choices.append(f"{column} IS NULL")
            continue
        name = f"where_{len(parameters)}"
        parameters[name] = condition.value
        choices.append(f"{column} = ${name}")
    return f"({' OR '.join(choices)})"


def between(column: str, selection: Selection, parameters: dict[str, Any]) -> str:
    """Whether the instant lies in the selection's period; both bounds are inclusive."""
    clauses = ["true"]
    if selection.since is not None:
        parameters["since"] = naive(selection.since)
        clauses.append(f"{column} >= $since")
    if selection.until is not None:
        parameters["until"] = naive(selection.until)
        clauses.append(f"{column} <= $until")
    return " AND ".join(clauses)
