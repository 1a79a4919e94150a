"""Records a synthetic history: told in parts, put in the order of time, appended in slices.

Each slice is remembered under an id of its own, so that an interrupted run goes on where
it stopped, and the same seed on the same store adds nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Any, Final, Protocol
from uuid import UUID

from leadflow import InvalidInput, Leadflow
from leadflow.domain import events as e
from leadflow.domain.identity import spend_stream
from leadflow.naming import LeadNames
from leadflow.persistence.store import Append, Encoded, NewCommand, Store
from leadflow.recording import append_unit
from leadflow.unit_of_work import PolicyReader, UnitOfWork
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.spending import spends
from leadflow_commands.generating.telling import Part, Told
from leadflow_commands.generating.workers import Telling, rare_collections
from leadflow_commands.generating.world import PRODUCER

SLICE: Final = 5_000
"""Events in one transaction."""


class NotOurs(InvalidInput):
    """The store holds events that were not generated, or another history of this seed."""

    code = "not_generated"


class Progress(Protocol):
    """Who is told how far it is."""

    def advance(self, count: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class Generated:
    """What a run recorded."""

    plan: Plan
    leads: int
    """Leads that were told now; 0 when all of it was in the store already."""
    events: int
    seconds: float

    def as_data(self) -> dict[str, Any]:
        return {
            "leads": self.leads,
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "events_per_second": round(self.events / self.seconds) if self.seconds else None,
            "seed": self.plan.seed,
            "days": self.plan.days,
            "until": self.plan.until.isoformat(),
        }


def planned(store: Store, *, leads: int, seed: int, days: int, until: date | None) -> Plan:
    """The plan for a store; without `until` a history that is there keeps its end.

    Raises:
        NotOurs: the store holds events of others, or another history of this seed.
    """
    _refuse_foreign(store)
    plan = Plan(leads, seed, days, until or store.now().date())
    there = _recorded_plan(store, plan)
    if there is None:
        return plan
    if until is None:
        plan = replace(plan, until=there.until)
    if plan != there:
        raise NotOurs(
            f"the store holds another history of this seed: {there}",
            hint="give another --seed, or another store",
        )
    return plan


def generate(leads: Leadflow, plan: Plan, telling: Telling, progress: Progress) -> Generated:
    """Record what of the plan is not in the store yet."""
    began = time.perf_counter()
    store = leads.store
    done = plan.id_of("done")
    if done in store.commands([done]):
        progress.advance(plan.leads)
        return Generated(plan, 0, 0, time.perf_counter() - began)
    before = store.head().position
    _record_spends(store, plan)
    ranges = (numbers for window in plan.windows() for numbers in window)
    with telling(plan, leads.policy()) as tell, rare_collections():
        parts = tell(ranges)
        number = 0
        for window in plan.windows():
            told = _together(islice(parts, len(window)))
            for some in _slices(told):
                _append(store, some, told, plan.id_of(f"slice {number}"))
                number += 1
            progress.advance(sum(len(numbers) for numbers in window))
    store.append(Append(commands=[NewCommand(done, b"generate", 0, 0)]))
    events = store.head().position - before
    return Generated(plan, plan.leads, events, time.perf_counter() - began)


def _record_spends(store: Store, plan: Plan) -> None:
    """Record the spends, which carry the plan, so that it is known again."""
    command_id = plan.id_of("plan")
    if command_id in store.commands([command_id]):
        return
    unit = UnitOfWork(store, LeadNames(store), *PolicyReader(store).in_force())
    for spend in spends(plan):
        stream = spend_stream(spend["source"])
        unit.add(
            e.SpendRecorded(
                **spend,
                originator_id=stream,
                originator_version=unit.stream_version(stream) + 1,
                producer=PRODUCER,
                actor="marketing",
                correlation_id=str(plan),
            )
        )
    append_unit(unit, [NewCommand(command_id, b"generate", 0, len(unit.events))])


def _recorded_plan(store: Store, plan: Plan) -> Plan | None:
    """The plan of this seed that the store holds."""
    command_id = plan.id_of("plan")
    command = store.commands([command_id]).get(command_id)
    if command is None:
        return None
    event = store.mapper.to_domain_event(store.events_at(command.first_position, 1)[0])
    assert isinstance(event, e.LogEvent)
    given = dict(part.split("=") for part in (event.correlation_id or "").split())
    numbers = {name: int(given[name]) for name in ("leads", "seed", "days")}
    return Plan(**numbers, until=date.fromisoformat(given["until"]))


@dataclass(frozen=True, slots=True)
class _Window:
    events: list[Told]
    ids: dict[int, UUID]


def _together(parts: Iterator[Part]) -> _Window:
    window = _Window([], {})
    for part in parts:
        window.events.extend(part.events)
        window.ids.update(part.ids)
    # Long ordered runs: sorting merges them.
    window.events.sort(key=lambda told: told[:3])
    return window


def _slices(window: _Window) -> Iterator[list[Told]]:
    for first in range(0, len(window.events), SLICE):
        yield window.events[first : first + SLICE]


def _append(store: Store, some: list[Told], window: _Window, command_id: UUID) -> None:
    if command_id in store.commands([command_id]):
        return
    ids = window.ids
    store.append(
        Append(
            encoded=[
                Encoded(ids[lead], version, topic, state)
                for _, lead, version, topic, state, _, _ in some
            ],
            encoded_keys={ids[told.lead]: told.new_key for told in some if told.new_key},
            commands=[NewCommand(command_id, b"generate", 0, len(some))],
            addresses=[(digest, ids[told.lead]) for told in some for digest in told.addresses],
            destroy_keys=[ids[told.lead] for told in some if told.topic == e.Erased.topic],
        )
    )


def _refuse_foreign(store: Store) -> None:
    """Let nobody's own leads get mixed up with made ones.

    Raises:
        NotOurs: when an event, policies apart, was not generated.
    """
    mark = f'"producer":"{PRODUCER}"'.encode()
    absent = "instr(state, ?) = 0" if store.dialect == "sqlite" else "position(%s in state) = 0"
    query = f"SELECT position FROM stored_events WHERE topic <> 'policy.activated' AND {absent}"
    with store.transaction(write=False) as cursor:
        cursor.execute(f"{query} LIMIT 1", (mark,))
        row = cursor.fetchone()
    if row is not None:
        raise NotOurs(
            f"the store {store.url} holds events that were not generated, one at position {row[0]}",
            hint="give a store of its own: --store sqlite:///trial.db",
        )
