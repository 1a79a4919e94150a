"""Given/when/then for one lead, without any store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, cast
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.deciding import Decider, Envelope
from leadflow.domain.identity import lead_id_for
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy, default_policy
from leadflow.domain.values import TimeBasis
from leadflow.errors import Refused

START = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""When a scenario's first step happens where nothing is said: a Monday morning."""


@dataclass(frozen=True, slots=True)
class Step:
    """An event to record, or, behind `then`, the fields that one must have."""

    event: type[e.LeadEvent]
    at: datetime | None
    time_basis: TimeBasis
    fields: Mapping[str, Any]


def step(
    event: type[e.LeadEvent],
    *,
    at: datetime | str | None = None,
    time_basis: TimeBasis = TimeBasis.EXACT,
    **fields: Any,
) -> Step:
    """One step: an event class, when it happened (else an hour after the last) and its fields."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return Step(event, at, time_basis, fields)


@dataclass
class Scenario:
    """A lead with a past. `given` sets it up, `when` acts, `then` looks at what came."""

    policy: Policy = field(default_factory=default_policy)
    lead: Lead = field(default_factory=lambda: Lead.unknown(lead_id_for("test:lead")))
    now: datetime = START
    recorded: list[e.LeadEvent] = field(default_factory=list[e.LeadEvent])
    refusal: Refused | None = None

    def given(self, *steps: Step, score: bool = True) -> Self:
        """What happened before, as commands that must be allowed (`score`: policy runs)."""
        for one in steps:
            self._record(one, fact=not score, score=score)
        return self

    def given_facts(self, *steps: Step) -> Self:
        """What happened before, whether the rules allow it or not; no policy runs."""
        for one in steps:
            self._record(one, fact=True, score=False)
        return self

    def when(self, one: Step) -> Self:
        """A command; a refusal is kept for `then_refused`."""
        self.recorded, self.refusal = [], None
        try:
            self.recorded = self._record(one, fact=False, score=True)
        except Refused as refusal:
            self.refusal = refusal
        return self

    def when_fact(self, one: Step, *, score: bool = False) -> Self:
        """A fact: recorded, and stamped where it breaks a rule."""
        self.recorded, self.refusal = self._record(one, fact=True, score=score), None
        return self

    def then(self, *expected: Step) -> Self:
        """Exactly these events were recorded, each with at least these fields."""
        if self.refusal is not None:
            raise AssertionError(f"refused: {self.refusal.message}") from self.refusal
        made = [type(event).__name__ for event in self.recorded]
        wanted = [one.event.__name__ for one in expected]
        if made != wanted:
            raise AssertionError(f"recorded {made}, expected {wanted}")
        for event, one in zip(self.recorded, expected, strict=True):
            _compare(event, one)
        return self

    def then_refused(self, rule: str) -> Self:
        """The command was refused by this rule, and nothing was recorded."""
        if self.refusal is None:
            raise AssertionError(f"not refused, but recorded {self.recorded}")
        if self.refusal.rule != rule:
            raise AssertionError(f"refused by {self.refusal.rule}, expected {rule}")
        return self

    def then_lead(self, **expected: Any) -> Self:
        """The lead's attributes are these."""
        for name, value in expected.items():
            actual = getattr(self.lead, name)
            if actual != value:
                raise AssertionError(f"lead.{name} is {actual!r}, expected {value!r}")
        return self

    def _record(self, one: Step, *, fact: bool, score: bool) -> list[e.LeadEvent]:
        self.now = one.at if one.at is not None else self.now + timedelta(hours=1)
        decider = Decider(self.lead, self.policy, self.now)
        envelope = Envelope(self.now, one.time_basis)
        if fact:
            decider.fact(one.event, one.fields, envelope, score=score)
        else:
            decider.command(one.event, one.fields, envelope)
        made = cast("Sequence[e.LeadEvent]", tuple(self.lead.pending_events))
        self.lead.pending_events.clear()
        return list(made)


def given(*steps: Step, policy: Policy | None = None, lead_id: UUID | None = None) -> Scenario:
    """A scenario in which these steps have happened."""
    scenario = Scenario(policy=policy or default_policy())
    if lead_id is not None:
        scenario.lead = Lead.unknown(lead_id)
    return scenario.given(*steps)


def _compare(event: e.LeadEvent, one: Step) -> None:
    for name, value in one.fields.items():
        actual = getattr(event, name)
        if actual != value:
            raise AssertionError(f"{type(event).__name__}.{name} is {actual!r}, expected {value!r}")
