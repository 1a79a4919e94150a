"""One row per person and cycle: what every figure is counted over.

Folds the log into the table `conversion` and makes of it the table `cycles`, in which
dates known to the day stand for their 00:00 in the zone asked for, and a later cycle has
a marketing source too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leadflow.domain.stages import EXITS, STEPS, Stage
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from duckdb import DuckDBPyConnection

STEP_NAMES: Final = tuple(step.value for step in STEPS)
EXIT_NAMES: Final = tuple(stage.value for stage in EXITS)
STAGE_NAMES: Final = tuple(stage.value for stage in Stage)

TOUCH_FIELDS: Final = ("source", "campaign", "channel", "landing_page")
"""Said at capture or by a touch; a later cycle has those of its own first touch if it had
one (the application that reopened it), else those that the lead came with."""
LEAD_FIELDS: Final = ("sales_type",)
"""Said once, at capture, for all cycles."""
LASTING_FIELDS: Final = ("tier",)
"""What was set in one cycle holds in the next until it is set again."""
CYCLE_FIELDS: Final = ("owner", "cycle")
"""Each cycle has its own."""
FIELDS: Final = (*TOUCH_FIELDS, *LEAD_FIELDS, *LASTING_FIELDS, *CYCLE_FIELDS)
"""What figures of every log can be grouped and filtered by."""


def needed(asked: Collection[str]) -> tuple[str, ...]:
    """The fields of every log that must be read to give those that are asked for.

    Whether a cycle has a touch of its own is told by all that a touch says.
    """
    touches = TOUCH_FIELDS if not set(TOUCH_FIELDS).isdisjoint(asked) else ()
    return (*touches, *(name for name in FIELDS if name in asked and name not in TOUCH_FIELDS))


def make_cycles(
    connection: DuckDBPyConnection,
    *,
    zone: str = "UTC",
    named: Mapping[str, str] | None = None,
    fields: Collection[str] = FIELDS,
) -> None:
    """Make the table `cycles` from the table `conversion`.

    Columns: lead_id, cycle, began_at and its basis, `<stage>_at` and `<stage>_basis` of
    each stage, last_stage, those of the fields of every log that are given (see `needed`),
    and those `named`: a column's name here, and the SQL of its value over `conversion`.
    """
    instants = [f"{_instant(s, zone)} AS {s}_at, {s}_basis" for s in ("began", *STAGE_NAMES)]
    own_touch = f"coalesce({', '.join(TOUCH_FIELDS)})"
    touches = [
        f"CASE WHEN {own_touch} IS NULL THEN {_of_first_cycle(f)} ELSE {f} END AS {f}"
        for f in TOUCH_FIELDS
        if f in fields
    ]
    said_once = [f"coalesce({f}, {_of_first_cycle(f)}) AS {f}" for f in LEAD_FIELDS if f in fields]
    lasting = [
        f"last_value({f} IGNORE NULLS) OVER (PARTITION BY lead_id ORDER BY cycle) AS {f}"
        for f in LASTING_FIELDS
        if f in fields
    ]
    further = [f"{sql} AS {quoted(name)}" for name, sql in (named or {}).items()]
    own = [f for f in CYCLE_FIELDS if f in fields and f != "cycle"]
    values = [*own, *touches, *said_once, *lasting, *further]
    columns = ["lead_id", "cycle", "last_stage", *instants, *values]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE cycles AS SELECT {', '.join(columns)} FROM conversion",
        {} if zone == "UTC" else {"zone": zone},
    )


def _of_first_cycle(field: str) -> str:
    return f"first_value({field}) OVER (PARTITION BY lead_id ORDER BY cycle)"


def _instant(stage: str, zone: str) -> str:
    """The column's instant; a date that is known to the day counts as its 00:00 in the zone.

    A bare date is recorded as 00:00 UTC; one recorded as the 00:00 of a zone stays that.
    """
    column = f"{stage}_at"
    if zone == "UTC":
        return column
    return (
        f"CASE WHEN {stage}_basis = 'day' AND {column} = date_trunc('day', {column}) "
        f"THEN timezone('UTC', timezone($zone, {column})) ELSE {column} END"
    )
