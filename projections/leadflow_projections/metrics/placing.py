"""Which step each cycle reached, and what became of it: the table `placed`.

It has a row for each cycle and each step that the cycle reached within what is counted.
Every figure of the funnel, and every list of the leads behind one, reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.metrics.cycles import STAGE_NAMES, STEP_NAMES
from leadflow_projections.metrics.filters import between, group_value, matching
from leadflow_projections.metrics.selection import Basis, naive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from leadflow.domain.stages import Stage
    from leadflow_projections.metrics.selection import Reading, Selection


def place_cycles(
    connection: DuckDBPyConnection,
    reading: Reading,
    selection: Selection,
    steps: Sequence[Stage],
    *,
    strict: bool,
) -> None:
    """Make `chosen`, the cycles asked about, and `placed`, the steps that they reached."""
    parameters: dict[str, Any] = {}
    chosen = _chosen(reading, selection, parameters)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE chosen AS {chosen}", parameters)
    parameters = {}
    in_period = "true"
    if selection.basis is Basis.PERIOD:
        in_period = between("reached_at", selection, parameters)
    rows = " UNION ALL ".join(
        _reached(step, steps[i + 1] if i + 1 < len(steps) else None, i, strict=strict)
        for i, step in enumerate(steps)
    )
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE placed AS
        WITH counted AS (SELECT value, lead_id, cycle, mature, last_stage, {_counted(selection)}
                    FROM chosen),
        ended AS (SELECT *, {_OUTCOME} AS ending FROM counted),
        rows AS ({rows})
        SELECT * FROM rows WHERE {in_period}
        """,
        parameters,
    )


def _chosen(reading: Reading, selection: Selection, parameters: dict[str, Any]) -> str:
    """The cycles asked about, with the moment up to which each is counted."""
    horizon, mature, cohort = "NULL::TIMESTAMP", "true", "true"
    if selection.basis is Basis.PERIOD and selection.until is not None:
        horizon = "$until"
        parameters["until"] = naive(selection.until)
    elif selection.within is not None:
        horizon = "began_at + $within"
        mature = "began_at + $within <= $moment"
        parameters |= {"within": selection.within, "moment": naive(reading.moment)}
    if selection.basis is Basis.COHORT:
        cohort = between("began_at", selection, parameters)
        if _is_timed(selection):
            cohort += " AND began_basis <> 'assumed'"
    return f"""
        SELECT *, {group_value(selection.by)} AS value, {horizon} AS horizon, {mature} AS mature
        FROM cycles WHERE {matching(selection, parameters)} AND {cohort}
        """


def _is_timed(selection: Selection) -> bool:
    """Whether it matters when things happened; what is only assumed is then left out."""
    return selection.bounded or selection.within is not None


def _entries_are_timed(selection: Selection) -> bool:
    return _is_timed(selection) and (
        selection.basis is Basis.PERIOD or selection.within is not None
    )


def _counted(selection: Selection) -> str:
    """The stages' first entries, as far as they count."""
    timed = _entries_are_timed(selection)

    def entry(stage: str) -> str:
        counts = f"(horizon IS NULL OR {stage}_at <= horizon)"
        sure = f" AND {stage}_basis <> 'assumed'" if timed else ""
        return f"CASE WHEN {counts}{sure} THEN {stage}_at END AS {stage}"

    return ", ".join(map(entry, STAGE_NAMES))


# What a cycle came to within its horizon. Only a purchase follows an exit in one cycle of
# one lead; in a merged person's cycle, whatever the log has last.
_OUTCOME: Final = f"""
CASE
    WHEN (CASE last_stage {" ".join(f"WHEN '{s}' THEN {s}" for s in STAGE_NAMES)} END) IS NOT NULL
        THEN CASE WHEN last_stage IN ('lost', 'disqualified') THEN last_stage ELSE 'open' END
    WHEN lost IS NULL AND disqualified IS NULL THEN 'open'
    WHEN disqualified IS NULL OR lost > disqualified THEN 'lost'
    ELSE 'disqualified'
END
"""


def _earliest(first: Stage) -> str:
    """When the step or a later one was first entered (`least` passes over nulls)."""
    return f"least({', '.join(STEP_NAMES[STEP_NAMES.index(first.value) :])})"


def _reached(step: Stage, following: Stage | None, ordinal: int, *, strict: bool) -> str:
    reached = step.value if strict else _earliest(step)
    went_on = f"{_earliest(following)} IS NOT NULL" if following else "false"
    return f"""
        SELECT value, lead_id, cycle, {ordinal} AS ordinal, {reached} AS reached_at,
            {step.value} IS NOT NULL AS entered,
            CASE WHEN NOT mature THEN 'immature' WHEN {went_on} THEN 'went_on' ELSE ending END
                AS outcome
        FROM ended WHERE reached_at IS NOT NULL
        """


def count_assumed(connection: DuckDBPyConnection, selection: Selection) -> int:
    """How many entries were left out, among the cycles asked about, as their time is assumed."""
    if not _is_timed(selection):
        return 0
    parameters: dict[str, Any] = {}
    entries = " + ".join(f"({s}_basis IS NOT DISTINCT FROM 'assumed')::INT" for s in STAGE_NAMES)
    if selection.basis is Basis.COHORT:
        later = entries if selection.within is not None else "0"
        inside = between("began_at", selection, parameters)
        entries = f"CASE WHEN began_basis = 'assumed' THEN 1 WHEN {inside} THEN {later} ELSE 0 END"
    rows = connection.execute(
        f"SELECT coalesce(sum({entries}), 0)::BIGINT FROM cycles "
        f"WHERE {matching(selection, parameters)}",
        parameters,
    ).fetchall()
    return int(rows[0][0])
