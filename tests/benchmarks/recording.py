"""Bulk recording: `generate` into SQLite, against the library's application doing the same."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path

from leadflow import Leadflow
from leadflow.domain.lead import Lead
from leadflow.domain.policy import default_policy
from leadflow_commands.generating.clock import Seasons
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.running import generate
from leadflow_commands.generating.story import Teller
from leadflow_commands.generating.workers import Workers
from tests.benchmarks.figures import Figure
from tests.benchmarks.peer import leads_at

UNTIL = date(2026, 11, 20)
EVENTS_PER_LEAD = 21.1
PEER_LEADS = 2_400
BATCH = 200


class Silent:
    """A progress that nobody looks at."""

    def advance(self, count: int = 1) -> None: ...


def measure(folder: Path, events: int) -> list[Figure]:
    """Generate about so many events into `generated.db` in the folder, then the parts."""
    url = f"sqlite:///{folder}/generated.db"
    plan = Plan(round(events / EVENTS_PER_LEAD), 1, 365, UNTIL)
    with Leadflow.open(url, create=True) as leads:
        done = generate(leads, plan, Workers(url, None, os.cpu_count() or 1), Silent())
    making, saving, count = peer(folder)
    ours = ready_made(folder)
    return [
        Figure(
            "generate, SQLite",
            done.events / done.seconds,
            "events/s",
            "eventsourcing Application, same leads, one a save",
            count / (making + saving),
            f"{done.events:,} events in {done.seconds:.1f} s, start of the workers included; both "
            "tell the lives and decide by the same aggregate; ours adds encryption, hash chain, "
            f"command ids; peer: {count:,} events",
        ),
        Figure(
            "of it, saving events that are decided, one process",
            ours,
            "events/s",
            "eventsourcing Application, one lead a save",
            count / saving,
            f"ours in batches of {BATCH} leads, through the service API",
        ),
    ]


def peer(folder: Path) -> tuple[float, float, int]:
    """Seconds of making and of saving with the library's application, and the events."""
    application = leads_at(folder / "peer.db")
    making = saving = 0.0
    count = 0
    begun = time.perf_counter()
    for lead in decided(PEER_LEADS):
        made = time.perf_counter()
        making += made - begun
        count += len(lead.pending_events)
        application.save(lead)
        begun = time.perf_counter()
        saving += begun - made
    application.close()
    return making, saving, count


def ready_made(folder: Path) -> float:
    """Events a second through the service API, when they are decided already."""
    saving, count = 0.0, 0
    leads = decided(PEER_LEADS)
    with Leadflow.open(f"sqlite:///{folder}/ready.db", create=True) as service:
        while some := list(islice(leads, BATCH)):
            count += sum(len(lead.pending_events) for lead in some)
            begun = time.perf_counter()
            with service.batch() as batch:
                for lead in some:
                    batch.add_decided(lead)
            saving += time.perf_counter() - begun
    return count / saving


def decided(count: int) -> Iterator[Lead]:
    """Leads of one plan, their events decided and pending."""
    plan = Plan(count, 1, 365, UNTIL)
    seasons, teller = Seasons(plan.until, plan.days), Teller(default_policy(), plan.end)
    for number in range(count):
        rng = plan.randomness(number)
        captured = seasons.moment(number / count, rng)
        yield teller.single(plan.lead_id(number), rng, captured, number).lead
