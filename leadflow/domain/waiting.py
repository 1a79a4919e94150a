"""Which fact has to come before another: what may arrive in the wrong order, and then waits.

Facts of several producers reach a topic in any order. One whose predecessor has not come
yet is better kept for a while than recorded as irregular at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.lead import Lead
from leadflow.domain.rules import NEEDS_CAPTURE

PREDECESSORS: Final = frozenset({e.Captured, e.OfferMade, e.Purchased})
"""What another fact may wait for: these pass a lead's waiting facts."""


def missing_predecessor(
    event: type[e.LeadEvent], fields: Mapping[str, Any], lead: Lead
) -> str | None:
    """What has to come before: not_captured, offer_unknown or order_unknown; None if nothing."""
    if event.topic in NEEDS_CAPTURE and not lead.captured:
        return "not_captured"
    if event in (e.OfferAccepted, e.OfferDeclined) and fields.get("offer_id") not in lead.offers:
        return "offer_unknown"
    if event is e.Refunded and fields.get("order_id") not in lead.orders:
        return "order_unknown"
    return None


AWAITED: Final = {
    "not_captured": "the lead has not been captured yet",
    "offer_unknown": "the offer has not been made yet",
    "order_unknown": "the order has not been recorded yet",
}
"""What each of these means."""
