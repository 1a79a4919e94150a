"""`sales_queue`: what it takes to say who should be called next, one row a lead.

Nothing that depends on now is stored: temperature, waiting time, overdue, the live owner
and the rank are computed on reading, see `ranking.py`. The view shows the leads that stand
at sales_ready.
"""

from __future__ import annotations

from typing import Final

from leadflow.domain.stages import Stage
from leadflow.domain.values import ContactChannel
from leadflow_projections.algebra import (
    CYCLE,
    DAY,
    LEAD_ID,
    OCCURRED_AT,
    POSITION,
    Projection,
    Table,
    absent,
    current,
    equal,
    ever,
    flag,
    given,
    greatest,
    hidden,
    instant,
    last,
    nothing,
    take,
    text,
    total,
    total_by,
)
from leadflow_projections.stage_board import (
    CLAIM_ENDS,
    CONFIRMED_AT,
    LEASE_UNTIL,
    MERGED_INTO,
    POINTS,
    from_capture,
)

_READY, _CLAIMED, _HANDED_OVER = "lead.became_sales_ready", "lead.claimed", "lead.handed_over"
_ENTERS: Final = given("entered")
_DUE: Final = instant("response_due", stamped=True)

SALES_QUEUE: Final = Projection(
    name="sales_queue",
    version=1,
    tables=(
        Table(
            "sales_queue",
            key={"lead_id": LEAD_ID},
            columns={
                "stage": last(text("entered")),
                "cycle": greatest(CYCLE),
                "points": current(total(POINTS)),
                "points_by_day": current(total_by(DAY, POINTS)),
                "confirmed_at": CONFIRMED_AT,
                "ready_since": last(take(OCCURRED_AT, _READY, when=_ENTERS)),
                "ready_position": last(take(POSITION, _READY, when=_ENTERS)),
                "trigger": last(take(text("trigger"), _READY, when=_ENTERS, blank=True)),
                "response_due": last(
                    take(_DUE, _READY, when=_ENTERS, blank=True),
                    take(_DUE, _HANDED_OVER, blank=True),
                    nothing("lead.returned"),
                ),
                "claimed_by": last(*CLAIM_ENDS, take(text("owner"), _CLAIMED)),
                "lease_until": LEASE_UNTIL,
                "contacted_at": last(take(OCCURRED_AT, "lead.contacted")),
                "contact_position": last(take(POSITION, "lead.contacted")),
                "handed_over_at": last(take(OCCURRED_AT, _HANDED_OVER)),
                **{
                    f"permission_{channel.value}": last(text(f"permissions.{channel.value}"))
                    for channel in ContactChannel
                },
                "tier": last(take(text("tier"), "lead.qualified")),
                "target": last(take(flag("target"), "lead.qualified")),
                "source": from_capture("source"),
                "merged_into": hidden(MERGED_INTO),
                "erased": hidden(ever("lead.erased")),
            },
            indexed=("merged_into",),
            only=(equal("stage", Stage.SALES_READY), absent("erased"), absent("merged_into")),
        ),
    ),
)
