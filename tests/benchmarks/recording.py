"""Bulk recording: `generate` into SQLite, against the library saving the same events."""

from __future__ import annotations

import os
import time
from datetime import date
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
from tests.benchmarks.peer import leads_at, save_each

UNTIL = date(2026, 11, 20)
EVENTS_PER_LEAD = 21.1
PEER_LEADS = 1_500


class Silent:
    """A progress that nobody looks at."""

    def advance(self, count: int = 1) -> None: ...


def measure(folder: Path, events: int) -> Figure:
    """Generate about so many events into `generated.db` in the folder."""
    url = f"sqlite:///{folder}/generated.db"
    plan = Plan(round(events / EVENTS_PER_LEAD), 1, 365, UNTIL)
    with Leadflow.open(url, create=True) as leads:
        done = generate(leads, plan, Workers(url, None, os.cpu_count() or 1), Silent())
    rate, count = peer(folder)
    return Figure(
        "bulk recording, SQLite",
        done.events / done.seconds,
        "events/s",
        "eventsourcing Application, one lead a save",
        rate,
        f"{done.events:,} events in {done.seconds:.1f} s with making, deciding, encryption, "
        f"chain and start of the workers; peer: {count:,} ready-made events, saved only",
    )


def peer(folder: Path) -> tuple[float, int]:
    """Events a second, and how many, with the library's application in `peer.db`."""
    leads = decided(PEER_LEADS)
    count = sum(len(lead.pending_events) for lead in leads)
    application = leads_at(folder / "peer.db")
    begun = time.perf_counter()
    save_each(application, leads)
    seconds = time.perf_counter() - begun
    application.close()
    return count / seconds, count


def decided(count: int) -> list[Lead]:
    """Leads of the same plan with their events pending."""
    plan = Plan(count, 1, 365, UNTIL)
    seasons, teller = Seasons(plan.until, plan.days), Teller(default_policy(), plan.end)
    leads: list[Lead] = []
    for number in range(count):
        rng = plan.randomness(number)
        captured = seasons.moment(number / count, rng)
        leads.append(teller.single(plan.lead_id(number), rng, captured, number).lead)
    return leads
