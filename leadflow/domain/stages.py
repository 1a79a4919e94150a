"""The stages of a lead's process, and the one table that says which event moves it.

Stage is one of four independent axes; phase, temperature and tier are the others.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final


class Stage(StrEnum):
    """Where a lead stands in the process. The first eight are steps, in order."""

    CAPTURED = "captured"
    ENRICHED = "enriched"
    QUALIFIED = "qualified"
    NURTURING = "nurturing"
    SALES_READY = "sales_ready"
    HANDED_OVER = "handed_over"
    OFFERED = "offered"
    CUSTOMER = "customer"
    LOST = "lost"
    DISQUALIFIED = "disqualified"


STEPS: Final = tuple(Stage)[:8]
EXITS: Final = (Stage.LOST, Stage.DISQUALIFIED)
RANK: Final[dict[Stage | None, int]] = {None: -1} | {step: i for i, step in enumerate(STEPS)}
"""A step's place in the order; exits are no steps and have none."""


class Effect(Enum):
    """What an event does to the stage of a lead that stands at a given stage."""

    ENTERS = "E"
    STAYS = "."
    REFUSED = "x"


DESTINATION: Final[dict[str, Stage]] = {
    "lead.captured": Stage.CAPTURED,
    "lead.enriched": Stage.ENRICHED,
    "lead.qualified": Stage.QUALIFIED,
    "lead.disqualified": Stage.DISQUALIFIED,
    "lead.nurtured": Stage.NURTURING,
    "lead.became_sales_ready": Stage.SALES_READY,
    "lead.handed_over": Stage.HANDED_OVER,
    "lead.returned": Stage.NURTURING,
    "lead.offer_made": Stage.OFFERED,
    "lead.purchased": Stage.CUSTOMER,
    "lead.lost": Stage.LOST,
    "lead.reopened": Stage.NURTURING,
}
"""The stage that an event enters, where it enters one."""

COLUMNS: Final[tuple[Stage | None, ...]] = (None, *Stage)
"""The table's columns: not yet known, then every stage."""

# Columns: unknown captured enriched qualified nurturing sales_ready handed_over offered
# customer lost disqualified. E enters, . recorded without moving, x refused.
_GRID: Final[dict[str, str]] = {
    "lead.captured": "E . . . . . . . . . .",
    "lead.enriched": ". E . . . . . . . . .",
    "lead.engaged": ". . . . . . . . . . .",
    "lead.scored": ". . . . . . . . . . .",
    "lead.qualified": "x E E . . . . . . x x",
    "lead.disqualified": "x E E E E E E E x x .",
    "lead.nurtured": "x E E E . . . . . . .",
    "lead.became_sales_ready": "x E E E E x x x x x x",
    "lead.claimed": "x x x x x . x x x x x",
    "lead.released": "x x x x x . x x x x x",
    "lead.handed_over": "x E E E E E . . x x x",
    "lead.accepted": "x x x x x x . . x x x",
    "lead.returned": "x x x x x x E E x x x",
    "lead.contacted": ". . . . . . . . . . .",
    "lead.offer_made": "x E E E E E E . . x x",
    "lead.offer_accepted": "x x x x x x x . . x x",
    "lead.offer_declined": "x x x x x x x . . x x",
    "lead.purchased": "x E E E E E E E . x x",
    "lead.refunded": "x . . . . . . . . . .",
    "lead.lost": "x E E E E E E E x x x",
    "lead.reopened": "x x x x x x x x E E E",
    "lead.consent_given": ". . . . . . . . . . .",
    "lead.consent_withdrawn": ". . . . . . . . . . .",
    "lead.merged": ". . . . . . . . . . .",
    "lead.unmerged": ". . . . . . . . . . .",
    "lead.erased": ". . . . . . . . . . .",
}

TABLE: Final[dict[tuple[str, Stage | None], Effect]] = {
    (topic, stage): Effect(cell)
    for topic, row in _GRID.items()
    for stage, cell in zip(COLUMNS, row.split(), strict=True)
}
"""Stage by event: what each event does to a lead at each stage (None: not yet known)."""


def irregular_fact_moves(topic: str, stage: Stage | None) -> bool:
    """Whether a fact that the table refuses still moves the lead.

    What happened, happened: a fact moves a lead forward from an open stage. From an
    exit only a purchase does, since money that came in cannot be a lost lead's.
    """
    destination = DESTINATION.get(topic)
    if destination is None:
        return False
    if stage in EXITS:
        return destination is Stage.CUSTOMER
    if destination in EXITS:
        return stage is not Stage.CUSTOMER
    return RANK[destination] > RANK[stage]
