"""`conversion`: how far each cycle of each lead came, and when; one row a lead and cycle."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from leadflow.domain.stages import Stage
from leadflow_projections.algebra import (
    CYCLE,
    ENTRY,
    LEAD_ID,
    OCCURRED_AT,
    Column,
    Projection,
    Table,
    count,
    equal,
    ever,
    first,
    given,
    hidden,
    integer,
    last,
    least,
    member,
    of_lead,
    take,
    text,
    total_by,
)
from leadflow_projections.stage_board import MERGED_INTO, OWNER, REVENUE, from_capture


def _entries() -> dict[str, Column]:
    """The first entry into each stage: shown as `<stage>_at` and `<stage>_basis`."""
    return {stage.value: least(take(ENTRY, when=equal("entered", stage.value))) for stage in Stage}


def _visits() -> dict[str, Column]:
    return {f"{stage.value}_visits": count(when=equal("entered", stage.value)) for stage in Stage}


CONVERSION_TABLE: Final = Table(
    "conversion",
    key={"lead_id": LEAD_ID, "cycle": CYCLE},
    columns={
        "opened": hidden(
            least(take(ENTRY, "lead.captured", "lead.reopened", when=given("entered")))
        ),
        "first_entry": hidden(least(take(ENTRY, when=given("entered")))),
        "first_event": hidden(least(ENTRY)),
        **_entries(),
        **_visits(),
        "last_stage": last(text("entered")),
        "last_event_at": last(OCCURRED_AT),
        "source": from_capture("source"),
        "campaign": from_capture("campaign"),
        "channel": from_capture("channel"),
        "landing_page": from_capture("landing_page"),
        "sales_type": first(take(text("sales_type"), "lead.captured")),
        "owner": OWNER,
        "tier": last(take(text("tier"), "lead.qualified")),
        "first_contact_at": least(take(OCCURRED_AT, "lead.contacted")),
        "revenue": REVENUE,
        "cost": total_by(text("cost.currency"), take(integer("cost.minor"), "lead.purchased")),
        "merged_into": of_lead(MERGED_INTO),
        "erased": of_lead(ever("lead.erased")),
        "irregular": ever(when=given("irregular")),
    },
    indexed=("merged_into",),
    shown={"began": ("opened", "first_entry", "first_event")},
)

CONVERSION: Final = Projection(name="conversion", version=1, tables=(CONVERSION_TABLE,))


def with_dimensions(names: tuple[str, ...]) -> Table:
    """The table with one more column for each named dimension of the leads' enrichment.

    The value is the lead's last, whichever cycle it was recorded in.
    """
    columns = {
        name: of_lead(last(take(member("dimensions", name), "lead.enriched"))) for name in names
    }
    return replace(CONVERSION_TABLE, columns={**CONVERSION_TABLE.columns, **columns})
