"""Generating into a store: the same seed the same log, resumed where it stopped."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import time_machine

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.persistence.store import Store
from leadflow.persistence.verify import Verified, verify_log
from leadflow_commands.generating import running
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.running import Generated, NotOurs, planned
from leadflow_commands.generating.workers import Here, Workers

UNTIL = date(2026, 11, 20)


class Silent:
    def advance(self, count: int = 1) -> None: ...


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/g.db"


@contextmanager
def opened(url: str) -> Generator[Leadflow]:
    with Leadflow.open(url, create=True) as leads:
        yield leads


def generate(leads: Leadflow, count: int = 300, seed: int = 1) -> Generated:
    plan = planned(leads.store, leads=count, seed=seed, days=365, until=UNTIL)
    return running.generate(leads, plan, Here(leads.store), Silent())


def log(store: Store) -> list[dict[str, Any]]:
    """The log's events, decrypted, without what differs from run to run."""
    return [
        store.mapper.to_domain_event(stored).model_dump(exclude={"recorded_at"})  # type: ignore[attr-defined]
        for stored in store.page(after=1, limit=1_000_000).events
    ]


def test_the_same_seed_makes_the_same_log(url: str) -> None:
    with opened(url) as one, opened("sqlite:///:memory:") as other:
        assert generate(one).events == generate(other).events
        assert log(one.store) == log(other.store)


def test_workers_make_the_same_log(url: str) -> None:
    plan = Plan(300, 1, 365, UNTIL)
    with opened(url) as one, opened("sqlite:///:memory:") as other:
        done = running.generate(one, plan, Workers(url, None, 2), Silent())
        generate(other)
        assert done.leads == 300
        assert log(one.store) == log(other.store)


def test_the_chain_holds_and_personal_data_opens(url: str) -> None:
    with opened(url) as leads:
        done = generate(leads)
        assert isinstance(verify_log(leads.store), Verified)
        assert leads.store.head().position == done.events
        captured = leads.history("gen:1-000007")[0]
        assert captured.personal is not None
        assert captured.personal.email is not None
        assert leads.find(captured.personal.email) == [captured.lead_id]


def test_an_erased_leads_personal_data_is_gone(url: str) -> None:
    with opened(url) as leads:
        generate(leads, 1_200)
        events = [
            leads.store.mapper.to_domain_event(s)
            for s in leads.store.page(after=0, limit=10**6).events
        ]
        erased = next(x.originator_id for x in events if isinstance(x, e.Erased))
        assert leads.history(erased)[0].personal is None


def test_the_log_is_in_the_order_of_time(url: str) -> None:
    with opened(url) as leads:
        generate(leads)
        moments = [row["occurred_at"] for row in log(leads.store) if "cycle" in row]
    steps_back = sum(later < sooner for sooner, later in pairwise(moments))

    assert steps_back == 0


def test_again_adds_nothing(url: str) -> None:
    with opened(url) as leads:
        done = generate(leads)
        assert done.events > 3_000
        again = generate(leads)
        assert (again.leads, again.events) == (0, 0)
        assert leads.store.head().position == done.events


def test_another_seed_adds_another_history(url: str) -> None:
    with opened(url) as leads:
        first = generate(leads)
        second = generate(leads, 100, seed=2)
        assert leads.store.head().position == first.events + second.events
        assert leads.get("gen:2-000007").captured


def test_on_another_day_the_history_keeps_its_end(url: str) -> None:
    with opened(url) as leads:
        generate(leads, 50)
        with time_machine.travel(datetime(2031, 5, 5, tzinfo=UTC), tick=False):
            plan = planned(leads.store, leads=50, seed=1, days=365, until=None)
        assert plan.until == UNTIL


def test_without_a_day_a_history_ends_today(url: str) -> None:
    with opened(url) as leads, time_machine.travel(datetime(2031, 5, 5, 9, tzinfo=UTC)):
        assert planned(leads.store, leads=5, seed=1, days=9, until=None).until == date(2031, 5, 5)


@pytest.mark.parametrize("other", [{"leads": 51}, {"days": 90}, {"until": date(2026, 1, 1)}])
def test_another_history_of_the_same_seed_is_refused(url: str, other: dict[str, Any]) -> None:
    with opened(url) as leads:
        generate(leads, 50)
        wanted: dict[str, Any] = {"leads": 50, "days": 365, "until": UNTIL, **other}
        with pytest.raises(NotOurs, match="another history of this seed: seed=1 leads=50"):
            planned(leads.store, seed=1, **wanted)


def test_a_store_with_leads_of_its_own_is_refused(url: str) -> None:
    with opened(url) as leads:
        leads.capture("shop:1", source="fair")
        with pytest.raises(NotOurs, match="one at position 2"):
            planned(leads.store, leads=50, seed=1, days=365, until=UNTIL)


def test_a_lead_recorded_after_the_history_is_noticed_too(url: str) -> None:
    with opened(url) as leads:
        done = generate(leads, 50)
        leads.capture("shop:1", source="fair")
        with pytest.raises(NotOurs, match=f"one at position {done.events + 1}"):
            planned(leads.store, leads=50, seed=2, days=365, until=UNTIL)


def test_postgresql_tells_its_own_events_from_others(
    postgres_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "key"))
    with opened(postgres_database) as leads:
        assert generate(leads, 60).events > 500
        assert generate(leads, 60).events == 0
        leads.capture("shop:1", source="fair")
        with pytest.raises(NotOurs):
            planned(leads.store, leads=60, seed=1, days=365, until=UNTIL)


def test_a_policy_of_ones_own_is_kept_and_used(url: str) -> None:
    with opened(url) as leads:
        policy = leads.policy()
        ours = policy.model_copy(update={"name": "ours", "rules": ()})
        leads.activate_policy(ours)
        generate(leads, 50)
        topics = {event["event_id"] for event in log(leads.store)}
        assert topics
        assert all(not leads.get(f"gen:1-{n:06d}").lifetime_points for n in range(20))


class Interrupted(Exception):
    pass


def test_an_interrupted_run_goes_on(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SLICE", 200)
    with opened(url) as leads, opened("sqlite:///:memory:") as whole:
        generate(whole)
        for stop in (1, 4, 9):
            _stop_after(stop, leads, monkeypatch)
        generate(leads)
        assert log(leads.store) == log(whole.store)
        assert isinstance(verify_log(leads.store), Verified)


def _stop_after(appends: int, leads: Leadflow, monkeypatch: pytest.MonkeyPatch) -> None:
    done = 0
    append = leads.store.append

    def counting(what: Any) -> Any:
        nonlocal done
        if done == appends:
            raise Interrupted
        done += 1
        return append(what)

    with monkeypatch.context() as patched:
        patched.setattr(leads.store, "append", counting)
        with pytest.raises(Interrupted):
            generate(leads)
