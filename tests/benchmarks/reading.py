"""Reading one lead of 50 events, with and without personal data, against the library."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.domain.deciding import Decider, Envelope
from leadflow.domain.lead import Lead
from leadflow.domain.policy import default_policy
from leadflow_commands.generating.clock import instant, seconds
from tests.benchmarks.figures import Figure
from tests.benchmarks.peer import leads_at
from tests.benchmarks.recording import UNTIL

EVENTS = 50
WITH_PERSONAL = 10
ROUNDS = 400
ADA = {"name": "Ada Example", "email": "ada@example.org", "phone": "+441134960000"}


def measure(folder: Path) -> list[Figure]:
    """Median times, in microseconds."""
    with Leadflow.open(f"sqlite:///{folder}/reading.db", create=True) as leads:
        sealed, plain = _lead(UUID(int=1), personal=True), _lead(UUID(int=2), personal=False)
        copy = _lead(UUID(int=1), personal=True)
        with leads.batch() as batch:
            batch.add_decided(sealed)
            batch.add_decided(plain)
        with_personal = _timed(lambda: leads.get(sealed.id))
        without = _timed(lambda: leads.get(plain.id))
        assert leads.get(sealed.id).version == EVENTS
    application = leads_at(folder / "reading-peer.db")
    application.save(copy)
    theirs = _timed(lambda: application.repository.get(copy.id))
    application.close()
    added = with_personal - without
    return [
        Figure(
            "reading a lead of 50 events",
            with_personal,
            "µs",
            "eventsourcing Repository, same events in clear",
            theirs,
            f"{WITH_PERSONAL} of the events have personal data",
        ),
        Figure(
            "of it, opening personal data",
            added,
            "µs",
            note=f"{added / WITH_PERSONAL:.1f} µs for each of {WITH_PERSONAL} events; "
            f"{without:,.0f} µs without any",
        ),
    ]


def _lead(lead_id: UUID, *, personal: bool) -> Lead:
    lead = Lead.unknown(lead_id)
    fields: dict[str, Any] = {"personal": ADA} if personal else {}
    moment = instant(seconds(UNTIL))

    def do(event: type[e.LeadEvent], **own: Any) -> None:
        nonlocal moment
        moment += timedelta(hours=5)
        Decider(lead, default_policy(), moment).fact(event, own, Envelope(occurred_at=moment))

    do(e.Captured, source="paid_search", channel="web", campaign="spring", **fields)
    for number in range(1, EVENTS):
        if number < WITH_PERSONAL:
            do(e.Contacted, channel="phone", outcome="attempt", **fields)
        else:
            do(e.Engaged, kind="email_clicked", asset="price list", campaign="spring")
    return lead


def _timed(read: Callable[[], object]) -> float:
    times: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        read()
        times.append(time.perf_counter() - begun)
    return median(times) * 1e6
