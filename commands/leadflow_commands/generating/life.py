"""One synthetic lead: what it decides goes through the real aggregate and the policy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from random import Random
from typing import Any, cast
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.deciding import Decider, Envelope
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy
from leadflow.domain.stages import Stage
from leadflow.domain.values import ContactChannel, Permission
from leadflow_commands.generating.clock import instant
from leadflow_commands.generating.world import PRODUCER, SOURCES, Source


class Ended(Exception):
    """What would happen next lies after the end of the history."""


class Life:
    """A lead as it lives: its hidden traits, its clock, and the aggregate."""

    def __init__(self, lead_id: UUID, rng: Random, policy: Policy, until: int) -> None:
        self.lead = Lead.unknown(lead_id)
        self.rng = rng
        self.until = until
        """The history's end, in seconds since the epoch; nothing happens after it."""
        self.now = 0
        """The moment of the last thing that happened."""
        self.source: Source = weighted(rng, _SOURCES, _SHARES)
        self.intent = min(max(rng.gauss(self.source.intent, 0.2), 0.02), 0.98)
        """How near the lead is to buying, from 0 to 1."""
        self.size = ""
        """The company's size, once it is known."""
        self._policy = policy

    def do(
        self, event: type[e.LeadEvent], moment: int, actor: str | None = None, **fields: Any
    ) -> None:
        """Record a command at a moment.

        Raises:
            Ended: when the history is over by then.
        """
        if moment > self.until:
            raise Ended
        when = instant(moment)
        envelope = Envelope(occurred_at=when, producer=PRODUCER, actor=actor, new_id=self.new_id)
        Decider(self.lead, self._policy, when).command(event, fields, envelope)
        self.now = max(self.now, moment)

    def at(self, moment: int) -> Decider:
        """What decides for this lead at a moment."""
        return Decider(self.lead, self._policy, instant(moment))

    def envelope(self, moment: int, actor: str | None = None) -> Envelope:
        """Who and when, with event ids from the lead's own randomness.

        Raises:
            Ended: when the history is over by then.
        """
        if moment > self.until:
            raise Ended
        return Envelope(
            occurred_at=instant(moment), producer=PRODUCER, actor=actor, new_id=self.new_id
        )

    def new_id(self) -> UUID:
        """A random id (version 4), the same for the same seed."""
        return UUID(int=self.rng.getrandbits(128) & _RANDOM | _VERSION_4)

    def chance(self, likelihood: float) -> bool:
        return self.rng.random() < likelihood

    @property
    def stage(self) -> Stage | None:
        return self.lead.stage

    def may_use(self, channel: ContactChannel) -> bool:
        """Whether the lead has not objected to a channel."""
        return self.lead.permissions.get(channel) is not Permission.WITHDRAWN

    def has_agreed_to(self, channel: ContactChannel) -> bool:
        return self.lead.permissions.get(channel) is Permission.GIVEN

    @cached_property
    def label(self) -> str:
        """What the lead's offers and orders begin with."""
        return self.lead.id.hex[:8]

    def history(self) -> list[e.LeadEvent]:
        """All that was recorded, in order."""
        return cast("list[e.LeadEvent]", list(self.lead.pending_events))


def weighted(rng: Random, values: Sequence[Any], sums: Sequence[float]) -> Any:
    """One of the values, by the running sums of their weights, which end at about 1."""
    share = rng.random() * sums[-1]
    for value, edge in zip(values, sums, strict=True):
        if share < edge:
            return value
    return values[-1]


def running_sums(weights: Sequence[float]) -> tuple[float, ...]:
    """The sums of the weights up to each of them."""
    total = 0.0
    sums: list[float] = []
    for weight in weights:
        total += weight
        sums.append(total)
    return tuple(sums)


_VERSION_4 = (4 << 76) | (0x8000 << 48)
_RANDOM = ~((0xF000 << 64) | (0xC000 << 48))
_SOURCES = SOURCES
_SHARES = running_sums([source.share for source in SOURCES])
