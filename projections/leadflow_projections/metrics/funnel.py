"""The funnel: how many cycles reached each step, and what became of the others.

*Entered* a step: an event entered it. *Reached* it: entered it or any later step, at the
earliest such entry; exits are no steps.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from typing import TYPE_CHECKING, Final, NamedTuple

from leadflow.domain.stages import Stage
from leadflow.errors import InvalidInput
from leadflow_projections.metrics.cycles import EXIT_NAMES, STEP_NAMES
from leadflow_projections.metrics.figures import Funnel, Group, StepFigures, StepLead, ratio
from leadflow_projections.metrics.placing import count_assumed, place_cycles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from leadflow_projections.metrics.selection import Reading, Selection

DEFAULT_STEPS: Final = (
    Stage.CAPTURED,
    Stage.QUALIFIED,
    Stage.SALES_READY,
    Stage.HANDED_OVER,
    Stage.OFFERED,
    Stage.CUSTOMER,
)


def choose_steps(names: Sequence[str]) -> tuple[Stage, ...]:
    """The steps named, in the order of the process; none named means the default ones.

    Raises:
        InvalidInput: for an unknown stage, and for an exit, which is no step.
    """
    import difflib

    chosen: set[Stage] = set()
    for name in names:
        if name in EXIT_NAMES:
            raise InvalidInput(
                f"{name} is an exit and no step of the funnel",
                hint="every row counts lost and disqualified beside the step",
            )
        if name not in STEP_NAMES:
            near = difflib.get_close_matches(name, STEP_NAMES, 1)
            raise InvalidInput(
                f"unknown step {name!r}",
                hint=f"did you mean {near[0]}?" if near else f"steps are {', '.join(STEP_NAMES)}",
            )
        chosen.add(Stage(name))
    return tuple(stage for stage in Stage if stage in chosen) or DEFAULT_STEPS


def compute_funnel(
    connection: DuckDBPyConnection,
    reading: Reading,
    selection: Selection,
    *,
    steps: Sequence[Stage] = DEFAULT_STEPS,
    strict: bool = False,
    list_leads: bool = False,
) -> Funnel:
    """Count the table `cycles`, which `make_cycles` made with the selection's fields."""
    place_cycles(connection, reading, selection, steps, strict=strict)
    figures = _read_figures(connection)
    immature = _read_immature(connection)
    behind = _read_leads(connection) if list_leads else None
    values = [key.value for key in figures if key.grouped and key.ordinal is None]
    return Funnel(
        reading=reading,
        selection=selection,
        strict=strict,
        whole=_group(_Key(False, None, None), steps, figures, immature, behind),
        groups=tuple(
            _group(_Key(True, value, None), steps, figures, immature, behind)
            for value in values
            if selection.by is not None
        ),
        assumed_left_out=reading.assumed + count_assumed(connection, selection),
    )


_COUNTED: Final = ("went_on", "lost", "disqualified", "open", "immature")
"""The outcomes, each a figure of its own."""


class _Key(NamedTuple):
    """Whose figures: of all or of the group of a value; of one step or of all."""

    grouped: bool
    value: str | None
    ordinal: int | None


_Figures = dict[_Key, dict[str, int]]


def _read_figures(connection: DuckDBPyConnection) -> _Figures:
    """The figures of every key, the groups in the order of their size."""
    counts = ", ".join(f"count(*) FILTER (outcome = '{name}') AS {name}" for name in _COUNTED)
    rows = connection.execute(
        f"""
        SELECT grouping(value) = 0, value, ordinal,
            {counts},
            count(*) FILTER (outcome <> 'immature') AS reached,
            count(*) FILTER (outcome <> 'immature' AND entered) AS entered,
            count(DISTINCT lead_id) FILTER (outcome <> 'immature') AS leads
        FROM placed
        GROUP BY GROUPING SETS ((), (value), (ordinal), (value, ordinal))
        ORDER BY leads DESC, value
        """
    ).fetchall()
    names = (*_COUNTED, "reached", "entered", "leads")
    return {
        _Key(grouped, value, ordinal): dict(zip(names, figures, strict=True))
        for grouped, value, ordinal, *figures in rows
    }


def _read_immature(connection: DuckDBPyConnection) -> dict[_Key, int]:
    rows = connection.execute(
        """
        SELECT grouping(value) = 0, value, count(*) FILTER (NOT mature) FROM chosen
        GROUP BY GROUPING SETS ((), (value))
        """
    ).fetchall()
    return {_Key(grouped, value, None): count for grouped, value, count in rows}


def _read_leads(connection: DuckDBPyConnection) -> dict[_Key, list[StepLead]]:
    """The rows of `placed` by value and step."""
    rows = connection.execute(
        """
        SELECT value, ordinal, lead_id, cycle, outcome, entered, reached_at FROM placed
        ORDER BY ordinal, reached_at, lead_id, cycle
        """
    ).fetchall()
    found: dict[_Key, list[StepLead]] = defaultdict(list)
    for value, ordinal, lead_id, cycle, outcome, entered, reached_at in rows:
        lead = StepLead(lead_id, cycle, outcome, entered, reached_at.replace(tzinfo=UTC))
        found[_Key(True, value, ordinal)].append(lead)
        found[_Key(False, None, ordinal)].append(lead)
    return found


_NOTHING: Final = dict.fromkeys((*_COUNTED, "reached", "entered", "leads"), 0)


def _group(
    key: _Key,
    steps: Sequence[Stage],
    figures: _Figures,
    immature: dict[_Key, int],
    behind: dict[_Key, list[StepLead]] | None,
) -> Group:
    counts = [figures.get(key._replace(ordinal=i), _NOTHING) for i in range(len(steps))]
    rows: list[StepFigures] = []
    for i, (step, count) in enumerate(zip(steps, counts, strict=True)):
        leads = behind.get(key._replace(ordinal=i), []) if behind is not None else None
        rows.append(
            StepFigures(
                stage=step.value,
                **count,
                step_conversion=ratio(count["reached"], counts[i - 1]["reached"]) if i else None,
                overall_conversion=ratio(count["reached"], counts[0]["reached"]),
                behind=None if leads is None else tuple(leads),
            )
        )
    return Group(
        value=key.value,
        steps=tuple(rows),
        leads=figures.get(key, _NOTHING)["leads"],
        immature=immature.get(key, 0),
    )
