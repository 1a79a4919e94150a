"""What the sources of a synthetic history cost, month by month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.world import CURRENCY, MONTHS, SOURCES, Source


def spends(plan: Plan) -> Iterator[dict[str, Any]]:
    """The fields of each spend, in the order of time, with the moment it was booked at."""
    rng = Random(f"{plan.seed}/spends")
    for first, last in _months(plan.first_day, plan.until):
        share = ((last - first).days + 1) / plan.days * MONTHS[first.month - 1]
        for source in SOURCES:
            for kind, each in _kinds(source):
                booked = datetime(last.year, last.month, last.day, 18, tzinfo=UTC)
                minor = round(plan.leads * source.share * share * each * rng.uniform(0.9, 1.1))
                yield {
                    "source": source.name,
                    "sales_type": source.sales_type,
                    "kind": kind,
                    "period": {"first": first.isoformat(), "last": last.isoformat()},
                    "amount": {"minor": minor, "currency": CURRENCY},
                    "event_id": UUID(int=rng.getrandbits(128), version=4),
                    "occurred_at": booked,
                }


def _kinds(source: Source) -> Iterator[tuple[str, int]]:
    if source.media_per_lead:
        yield "media", source.media_per_lead
    if source.sales_per_lead:
        yield "sales", source.sales_per_lead


def _months(first: date, until: date) -> Iterator[tuple[date, date]]:
    """The calendar months from a day on, the first and last cut short; `until` is no part."""
    while first < until:
        following = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        last = min(following, until) - timedelta(days=1)
        yield first, last
        first = last + timedelta(days=1)
