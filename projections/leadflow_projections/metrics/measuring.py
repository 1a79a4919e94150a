"""Computing durations: one row a person, whole microseconds until the last division."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.metrics.cycles import EXIT_NAMES, STEP_NAMES, TOUCH_FIELDS
from leadflow_projections.metrics.durations import DurationFigures, DurationLead, Durations
from leadflow_projections.metrics.filters import between, group_value, matching
from leadflow_projections.metrics.selection import Basis, naive

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow_projections.metrics.selection import Reading, Selection

ENDS: Final = {"lead_time": "customer", "time_to_handover": "handed_over"}
"""The stage whose first entry ends each duration that begins with the capture."""

DAY_US: Final = 86_400_000_000


def compute_durations(
    connection: DuckDBPyConnection,
    reading: Reading,
    selection: Selection,
    *,
    list_leads: bool = False,
) -> Durations:
    """Measure the table `cycles`, which `make_cycles` made with the selection's fields."""
    figures: list[DurationFigures] = []
    for name, stage in ENDS.items():
        _measure(connection, reading, selection, stage)
        behind = _read_leads(connection) if list_leads else None
        figures += _read_figures(connection, name, behind, grouped=selection.by is not None)
    return Durations(reading, selection, tuple(figures))


def _measure(
    connection: DuckDBPyConnection, reading: Reading, selection: Selection, stage: str
) -> None:
    """Make the table `measured`: a row for each person that was captured."""
    parameters: dict[str, Any] = {}
    horizon, mature = _window(reading, selection, parameters)
    touches = ", ".join(f"arg_min({field}, cycle) AS {field}" for field in TOUCH_FIELDS)
    of_capture = ", ".join(f"w.{field} AS {field}" for field in TOUCH_FIELDS)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE measured AS
        WITH captures AS (
            SELECT lead_id, arg_min(captured_at, cycle) AS start_at,
                arg_min(captured_basis, cycle) AS start_basis, {touches}
            FROM cycles WHERE captured_at IS NOT NULL GROUP BY lead_id
        ),
        windows AS (SELECT *, {horizon} AS horizon, {mature} AS mature FROM captures),
        -- The cycle that the duration ended in, else the latest one.
        picked AS (
            SELECT c.* REPLACE ({of_capture}),
                start_at, start_basis, horizon, mature,
                c.{stage}_basis AS end_basis,
                CASE WHEN horizon IS NULL OR c.{stage}_at <= horizon THEN c.{stage}_at END
                    AS end_at
            FROM cycles AS c JOIN windows AS w USING (lead_id)
            WHERE horizon IS NULL OR c.began_at <= horizon
            QUALIFY row_number() OVER (
                PARTITION BY lead_id
                ORDER BY end_at IS NULL, CASE WHEN end_at IS NULL THEN -cycle ELSE cycle END
            ) = 1
        ),
        exits AS (
            SELECT *,
                {_closed_at(stage)} AS exit_at
            FROM picked WHERE {matching(selection, parameters)}
        ),
        judged AS (SELECT *, {_OUTCOME} AS outcome, {_LENGTH_US} AS us FROM exits)
        SELECT {group_value(selection.by)} AS value, lead_id, cycle, outcome, start_at,
            CASE WHEN outcome = 'done' THEN end_at END AS end_at,
            CASE WHEN outcome = 'done' THEN us END AS us
        FROM judged
        WHERE outcome = 'assumed' OR ({_in_period(selection, parameters)})
        """,
        parameters,
    )


def _window(reading: Reading, selection: Selection, parameters: dict[str, Any]) -> tuple[str, str]:
    """Up to when a person is counted, and whether that moment has come."""
    if selection.basis is Basis.PERIOD and selection.until is not None:
        parameters["until"] = naive(selection.until)
        return "$until", "true"
    if selection.within is None:
        return "NULL::TIMESTAMP", "true"
    parameters |= {"within": selection.within, "moment": naive(reading.moment)}
    return "start_at + $within", "start_at + $within <= $moment"


def _closed_at(stage: str) -> str:
    """When an exit, or a step beyond this one, was entered without it; else null."""
    closing = (*EXIT_NAMES, *STEP_NAMES[STEP_NAMES.index(stage) + 1 :])
    whens = " ".join(f"WHEN '{name}' THEN {name}_at" for name in closing)
    return f"CASE last_stage {whens} END"


def _in_period(selection: Selection, parameters: dict[str, Any]) -> str:
    """A cohort is captured in the period; else the end, or what came instead, lies in it."""
    if selection.basis is Basis.COHORT:
        return between("start_at", selection, parameters)
    done = between("end_at", selection, parameters)
    ended = between("exit_at", selection, parameters)
    return f"CASE outcome WHEN 'done' THEN {done} WHEN 'ended' THEN {ended} ELSE true END"


_OUTCOME: Final = """
CASE
    WHEN start_basis = 'assumed' OR (end_at IS NOT NULL AND end_basis = 'assumed') THEN 'assumed'
    WHEN NOT mature THEN 'immature'
    WHEN end_at IS NOT NULL THEN 'done'
    WHEN exit_at IS NOT NULL AND (horizon IS NULL OR exit_at <= horizon) THEN 'ended'
    ELSE 'open'
END
"""

_LENGTH_US: Final = f"""
CASE
    WHEN start_basis = 'day' AND end_basis = 'day'
        THEN CAST(round((epoch_us(end_at) - epoch_us(start_at)) / {DAY_US}.0) AS BIGINT) * {DAY_US}
    ELSE epoch_us(end_at) - epoch_us(start_at)
END
"""


def _read_figures(
    connection: DuckDBPyConnection,
    name: str,
    behind: dict[str | None, list[DurationLead]] | None,
    *,
    grouped: bool,
) -> list[DurationFigures]:
    rows = connection.execute(
        f"""
        SELECT {"value" if grouped else "NULL"},
            count(us), count(*) FILTER (outcome = 'open'), count(*) FILTER (outcome = 'ended'),
            count(*) FILTER (us < 0), count(*) FILTER (outcome = 'assumed'),
            count(*) FILTER (outcome = 'immature'),
            sum(us), quantile_cont(us, 0.5), quantile_cont(us, 0.25), quantile_cont(us, 0.75),
            min(us), max(us)
        FROM measured {"GROUP BY value ORDER BY count(*) DESC, value" if grouped else ""}
        """
    ).fetchall()
    found: list[DurationFigures] = []
    for value, n, still_open, ended, negative, assumed, immature, total, *spread in rows:
        median, q1, q3, least, greatest = (_days(us) for us in spread)
        leads = None
        if behind is not None:
            leads = (
                behind[value] if grouped else [lead for leads in behind.values() for lead in leads]
            )
        found.append(
            DurationFigures(
                name=name,
                value=value,
                n=n,
                open=still_open,
                ended=ended,
                negative=negative,
                assumed=assumed,
                immature=immature,
                mean=total / (n * DAY_US) if n else None,
                median=median,
                q1=q1,
                q3=q3,
                least=least,
                greatest=greatest,
                behind=None if leads is None else tuple(leads),
            )
        )
    return found


def _days(us: float | None) -> float | None:
    return None if us is None else us / DAY_US


def _read_leads(connection: DuckDBPyConnection) -> dict[str | None, list[DurationLead]]:
    rows = connection.execute(
        """
        SELECT value, lead_id, cycle, outcome, start_at, end_at, us FROM measured
        ORDER BY value, start_at, lead_id
        """
    ).fetchall()
    found: dict[str | None, list[DurationLead]] = defaultdict(list)
    for value, lead_id, cycle, outcome, began_at, ended_at, us in rows:
        lead = DurationLead(
            lead_id,
            cycle,
            outcome,
            began_at.replace(tzinfo=UTC),
            None if ended_at is None else ended_at.replace(tzinfo=UTC),
            _days(us),
        )
        found[value].append(lead)
    return found
