"""The whole life of one synthetic lead, or of two that turn out to be one person."""

from __future__ import annotations

from random import Random
from uuid import UUID

from leadflow.domain import deciding
from leadflow.domain import events as e
from leadflow.domain.policy import Policy
from leadflow.domain.stages import Stage
from leadflow_commands.generating import marketing, people, selling, world
from leadflow_commands.generating.clock import DAY, later
from leadflow_commands.generating.life import Ended, Life

_MOST_ROUNDS = 4


class Teller:
    """Tells lives under one policy, until one moment."""

    def __init__(self, policy: Policy, until: int) -> None:
        self._policy = policy
        self._until = until

    def single(self, lead_id: UUID, rng: Random, captured: int, number: int) -> Life:
        """A lead captured at a moment, as far as its life has come by the end."""
        life = Life(lead_id, rng, self._policy, self._until)
        try:
            marketing.capture(life, captured, people.person(rng, number))
            _live(life)
            _afterwards(life)
        except Ended:
            pass
        return life

    def twins(
        self, ids: tuple[UUID, UUID], rng: Random, captured: tuple[int, int], number: int
    ) -> tuple[Life, Life]:
        """Two leads that are one person, known by two addresses, and merged in the end."""
        first = Life(ids[0], rng, self._policy, self._until)
        second = Life(ids[1], rng, self._policy, self._until)
        personal = people.person(rng, number)
        try:
            marketing.capture(first, captured[0], personal)
            marketing.capture(second, captured[1], people.again(rng, personal, number + 1))
            marketing.enrich(first)
            moment = later(max(first.now, second.now), rng.uniform(1, 9), rng)
            envelope = first.envelope(moment, "marketing")
            deciding.merge(first.at(moment), second.at(moment), envelope)
            first.now = moment
            _live(first)
        except Ended:
            pass
        return first, second


def _live(life: Life) -> None:
    """Everything between capture and the last word."""
    if life.chance(0.05):
        moment = life.now + life.rng.randrange(600, 2 * DAY)
        reason = life.rng.choice(("spam", "student", "non_target"))
        life.do(e.Disqualified, moment, actor="marketing", reason=reason)
        return
    if not life.size and life.chance(0.82):
        marketing.enrich(life)
        if life.chance(0.85):
            marketing.qualify(life)
    programme = "comparison" if life.intent > 0.5 else "first steps"
    for _ in range(_MOST_ROUNDS):
        if life.stage is Stage.DISQUALIFIED:
            return
        marketing.warm_up(life, programme)
        if life.stage is not Stage.SALES_READY:
            _fall_silent(life)
            return
        if not selling.sell(life) and not selling.reopen(life):
            return
        programme = "win back"


def _fall_silent(life: Life) -> None:
    """Many who say nothing any more are given up in the end; the others stay as they are."""
    if life.chance(0.45):
        moment = later(life.now, life.rng.uniform(25, 80), life.rng)
        life.do(e.Lost, moment, actor="marketing", reason="no reaction")


def _afterwards(life: Life) -> None:
    """A few ask to be forgotten."""
    if life.chance(0.004):
        moment = later(life.now, life.rng.uniform(3, 60), life.rng)
        life.do(e.Erased, moment, actor="privacy", request_id=f"forget-{life.label}")


__all__ = ["Teller", "world"]
