"""`stage_board`: where every lead stands, one row a lead."""

from __future__ import annotations

from typing import Final

from leadflow.domain.stages import STEPS
from leadflow.domain.values import Phase
from leadflow_projections.algebra import (
    CYCLE,
    DAY,
    ENTRY,
    LEAD_ID,
    OCCURRED_AT,
    Column,
    Projection,
    Table,
    count,
    current,
    equal,
    ever,
    first,
    flag,
    given,
    greatest,
    instant,
    integer,
    last,
    last_by,
    least,
    level,
    money,
    nothing,
    take,
    text,
    total,
    total_by,
    uuid,
)

_CAPTURED, _TOUCH = "lead.captured", "lead.engaged"
_RETURNS: Final = ("lead.returned", "lead.reopened")

POINTS: Final = take(integer("points"), "lead.scored")
PHASE: Final = greatest(level("phase", Phase))
OWNER: Final = last(
    take(text("owner"), "lead.claimed"),
    take(text("to_owner"), "lead.handed_over"),
    take(text("by"), "lead.accepted"),
    nothing("lead.released", *_RETURNS),
)
CLAIM_ENDS: Final = (nothing(when=given("entered")), nothing("lead.released"))
LEASE_UNTIL: Final = last(*CLAIM_ENDS, take(instant("lease_until"), "lead.claimed"))
CONFIRMED_AT: Final = last(
    take(OCCURRED_AT, _TOUCH, when=equal("confirms", True)), nothing(*_RETURNS)
)
MERGED_INTO: Final = last(
    take(uuid("other"), "lead.merged", when=equal("survivor", False)),
    nothing("lead.unmerged", when=equal("survivor", False)),
)
REVENUE: Final = total_by(
    text("amount.currency"),
    take(integer("amount.minor"), "lead.purchased"),
    take(integer("amount.minor"), "lead.refunded", negative=True),
)


def from_capture(path: str) -> Column:
    """A marketing attribute: as the capture had it, else as the first touch did."""
    return first(take(text(path), _CAPTURED), take(text(path), _TOUCH))


STAGE_BOARD: Final = Projection(
    name="stage_board",
    version=1,
    tables=(
        Table(
            "stage_board",
            key={"lead_id": LEAD_ID},
            columns={
                "stage": last(text("entered")),
                "since": last(take(OCCURRED_AT, when=given("entered"))),
                "furthest": greatest(level("entered", STEPS)),
                "cycle": greatest(CYCLE),
                "cycle_furthest": current(greatest(level("entered", STEPS))),
                "phase": current(PHASE),
                "points": current(total(POINTS)),
                "points_by_day": current(total_by(DAY, POINTS)),
                "lifetime_points": total(POINTS),
                "confirmed_at": CONFIRMED_AT,
                "tier": last(take(text("tier"), "lead.qualified")),
                "target": last(take(flag("target"), "lead.qualified")),
                "source": from_capture("source"),
                "campaign": from_capture("campaign"),
                "channel": from_capture("channel"),
                "sales_type": first(take(text("sales_type"), _CAPTURED)),
                "owner": OWNER,
                "lease_until": LEASE_UNTIL,
                "revenue": REVENUE,
                "offers": current(
                    last_by(
                        text("offer_id"),
                        take(money("amount"), "lead.offer_made"),
                        nothing("lead.offer_accepted", "lead.offer_declined"),
                    )
                ),
                "captured": least(take(ENTRY, _CAPTURED)),
                "last_event_at": last(OCCURRED_AT),
                "merged_into": MERGED_INTO,
                "erased": ever("lead.erased"),
                "irregular": count(when=given("irregular")),
            },
            indexed=("merged_into",),
        ),
    ),
)
