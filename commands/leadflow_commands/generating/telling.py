"""Tells a part of a plan: lives become sealed events that only wait for their place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from leadflow.domain.identity import normal_address
from leadflow.domain.policy import Policy
from leadflow.domain.values import Personal
from leadflow.persistence.codec import encode
from leadflow.persistence.keys import Keys, LeadKey
from leadflow_commands.generating.clock import Seasons
from leadflow_commands.generating.life import Life
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.story import Teller


class Told(NamedTuple):
    """An event on its way into the log, in plain values that another process takes over.

    They sort by time; a lead's events stay in order, since its time never runs back.
    """

    moment: int
    """Microseconds since the epoch; of an event known only later, the one before it."""
    lead: int
    version: int
    topic: str
    state: bytes
    new_key: bytes | None
    addresses: tuple[bytes, ...]


@dataclass
class Part:
    """What was told of some leads."""

    events: list[Told] = field(default_factory=list[Told])
    ids: dict[int, UUID] = field(default_factory=dict[int, UUID])
    """The leads' ids by their numbers."""


class Storyteller:
    """Tells the leads of one plan under one policy, and seals what is personal."""

    def __init__(self, plan: Plan, policy: Policy, keys: Keys) -> None:
        self._plan = plan
        self._keys = keys
        self._teller = Teller(policy, plan.end)
        self._seasons = Seasons(plan.until, plan.days)

    def tell(self, numbers: range) -> Part:
        """All events of these leads, in the order of time."""
        part = Part()
        for number in numbers:
            if self._plan.twin_of(number) is not None:
                continue  # told with the one before it
            for offset, life in enumerate(self._lives(number)):
                part.ids[number + offset] = life.lead.id
                part.events.extend(self._sealed(number + offset, life))
        part.events.sort(key=_place)
        return part

    def _lives(self, number: int) -> tuple[Life, ...]:
        plan = self._plan
        rng = plan.randomness(number)
        captured = self._captured(number)
        if not plan.has_twin(number):
            return (self._teller.single(plan.lead_id(number), rng, captured, number),)
        ids = plan.lead_id(number), plan.lead_id(number + 1)
        return self._teller.twins(ids, rng, (captured, self._captured(number + 1)), number)

    def _captured(self, number: int) -> int:
        """When the lead comes: leads are numbered in about the order in which they come."""
        rng = self._plan.randomness(-number - 1)
        return self._seasons.moment((number + rng.random()) / self._plan.leads, rng)

    def _sealed(self, number: int, life: Life) -> Iterator[Told]:
        moment = 0
        for event in life.history():
            moment = max(moment, int(event.occurred_at.timestamp() * 1_000_000))
            key: LeadKey | None = None
            addresses: tuple[bytes, ...] = ()
            if event.personal is not None:
                key = self._keys.to_seal(life.lead.id, begins=True)
                addresses = self._addresses(event.personal)
            yield Told(
                moment,
                number,
                event.originator_version,
                event.topic,
                encode(event, key),
                key.wrapped if key else None,
                addresses,
            )

    def _addresses(self, personal: Personal) -> tuple[bytes, ...]:
        texts = (personal.email, personal.phone)
        return tuple(self._keys.address_digest(normal_address(text)) for text in texts if text)


def _place(told: Told) -> tuple[int, int, int]:
    return told[:3]
