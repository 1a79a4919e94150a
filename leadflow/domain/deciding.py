"""Commands and facts become events here: checked, stamped, and answered by the policy.

A *command* may be refused with the rule named; a *fact* happened whether the rules like
it or not, so it is recorded, stamped `irregular` where it breaks one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID, uuid4

from pydantic import ValidationError

from leadflow.domain import events as e
from leadflow.domain import scoring
from leadflow.domain.lead import MERGED, Lead
from leadflow.domain.policy import Policy
from leadflow.domain.rules import (
    MAY_BE_OVERRIDDEN,
    MISSING_DETAIL,
    OVERRIDDEN,
    Situation,
    violations,
)
from leadflow.domain.stages import (
    DESTINATION,
    TABLE,
    Effect,
    Stage,
    irregular_fact_moves,
)
from leadflow.domain.temperature import day_number
from leadflow.domain.validation import one_sentence
from leadflow.domain.values import ContactChannel, Permission, Personal, TimeBasis
from leadflow.errors import InvalidInput, Refused


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who, when and why; `new_id` makes the ids of the events."""

    occurred_at: datetime
    time_basis: TimeBasis = TimeBasis.EXACT
    producer: str | None = None
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    new_id: Callable[[], UUID] = field(default=uuid4, compare=False)


@dataclass(frozen=True, slots=True)
class Decider:
    """Decides on one lead, by the policy in force and the store's clock."""

    lead: Lead
    policy: Policy
    now: datetime

    def command(
        self,
        event: type[e.LeadEvent],
        fields: Mapping[str, Any],
        envelope: Envelope,
        *,
        permissions: Mapping[ContactChannel, Permission] | None = None,
    ) -> None:
        """Record what a command asks for, and what the policy answers.

        Raises:
            Refused: when a rule forbids it; the lead is unchanged.
            InvalidInput: when the fields are no valid event.
        """
        if event is e.Captured and self.lead.captured:
            self._captured_again(fields, envelope, fact=False, score=True)
            return
        self._record(event, fields, envelope, fact=False, score=True, permissions=permissions)

    def fact(
        self,
        event: type[e.LeadEvent],
        fields: Mapping[str, Any],
        envelope: Envelope,
        *,
        score: bool = False,
        queue: bool = True,
    ) -> None:
        """Record what happened elsewhere; the policy answers only where `score` says so.

        Without `queue` it gives points and tiers alone: nothing becomes sales-ready by it.

        Raises:
            Refused: only for an erased lead, which takes no more events.
            InvalidInput: when the fields are no valid event.
        """
        if event is e.Captured and self.lead.captured:
            self._captured_again(fields, envelope, fact=True, score=score, queue=queue)
            return
        self._record(event, fields, envelope, fact=True, score=score, queue=queue)

    def _captured_again(
        self,
        fields: Mapping[str, Any],
        envelope: Envelope,
        *,
        fact: bool,
        score: bool,
        queue: bool = True,
    ) -> None:
        """A known lead applies again: an engagement, which reopens what was closed."""
        _check_names(e.Captured, fields)
        if self.lead.stage in (Stage.LOST, Stage.CUSTOMER):
            self._record(e.Reopened, {"reason": "application"}, envelope, fact=fact, score=False)
        touch = {k: v for k, v in fields.items() if k != "sales_type"}
        again = {**touch, "kind": "application"}
        self._record(e.Engaged, again, envelope, fact=fact, score=score, queue=queue)

    def _record(
        self,
        event_class: type[e.LeadEvent],
        fields: Mapping[str, Any],
        envelope: Envelope,
        *,
        fact: bool,
        score: bool,
        queue: bool = True,
        permissions: Mapping[ContactChannel, Permission] | None = None,
    ) -> None:
        lead = self.lead
        if lead.erased:
            raise Refused(
                f"{event_class.topic} refused: lead {lead.id} is erased and takes no more events",
                rule="erased",
            )
        _check_names(event_class, fields)
        event = self._build(event_class, fields, envelope, fact=fact)
        event = self._check(event, fact=fact, permissions=permissions)
        self._take(event)
        if score:
            self._answer(event, envelope, queue=queue)

    def _build(
        self,
        event_class: type[e.LeadEvent],
        fields: Mapping[str, Any],
        envelope: Envelope,
        *,
        fact: bool,
    ) -> e.LeadEvent:
        lead = self.lead
        data: dict[str, Any] = {
            **fields,
            "originator_id": lead.id,
            "originator_version": lead.version + 1,
            "event_id": envelope.new_id(),
            "occurred_at": envelope.occurred_at,
            "time_basis": envelope.time_basis,
            "producer": envelope.producer,
            "actor": envelope.actor,
            "correlation_id": envelope.correlation_id,
            "causation_id": envelope.causation_id,
            "cycle": lead.cycle,
        }
        if isinstance(page := data.get("landing_page"), str) and "?" in page:
            _keep_query_personal(data, page)
        self._stamp_movement(event_class, data, fact=fact)
        if event_class is e.Engaged:
            self._stamp_engagement(data, envelope)
        elif event_class is e.BecameSalesReady or event_class is e.HandedOver:
            if data.get("response_due") is None and not fact:
                data["response_due"] = scoring.response_due(
                    event_class, envelope.occurred_at, self.policy
                )
        elif event_class is e.Claimed and data.get("lease_until") is None:
            data["lease_until"] = scoring.lease_end(self.now, self.policy)
        try:
            return event_class.model_validate(data)
        except ValidationError as error:
            raise InvalidInput(f"{event_class.topic}: {one_sentence(error)}") from None

    def _stamp_movement(
        self, event_class: type[e.LeadEvent], data: dict[str, Any], *, fact: bool
    ) -> None:
        lead, topic = self.lead, event_class.topic
        effect = TABLE[topic, lead.stage]
        moves = effect is Effect.ENTERS or (
            effect is Effect.REFUSED and fact and irregular_fact_moves(topic, lead.stage)
        )
        if not moves or (event_class is e.Qualified and data.get("target") is not True):
            return
        entered = DESTINATION[topic]
        data["entered"] = entered
        if lead.stage is not None:
            data["left"] = lead.stage
            data["left_visit"] = lead.visits.get(lead.stage, 1)
        if event_class is e.Reopened:
            data["cycle"] = lead.cycle + 1
            data["visit"] = 1
        else:
            data["visit"] = lead.visits.get(entered, 0) + 1

    def _stamp_engagement(self, data: dict[str, Any], envelope: Envelope) -> None:
        kind = data.get("kind")
        if not isinstance(kind, str):
            return
        data["phase"] = scoring.phase_of(kind, self.policy)
        day = day_number(envelope.occurred_at) if envelope.occurred_at.tzinfo else 0
        data["confirms"] = scoring.confirms(self.lead, kind, day, self.policy)

    def _check(
        self,
        event: e.LeadEvent,
        *,
        fact: bool,
        permissions: Mapping[ContactChannel, Permission] | None,
    ) -> e.LeadEvent:
        """Refuse, or stamp with the rules broken and the permissions that now hold."""
        broken: list[str] = []
        for violation in violations(event, Situation(self.lead, self.policy, self.now)):
            if not fact:
                raise Refused(
                    f"{event.topic} refused for lead {self.lead.id}: {violation.sentence}",
                    rule=violation.rule,
                    hint=OVERRIDDEN if violation.rule in MAY_BE_OVERRIDDEN else None,
                )
            if violation.rule not in MISSING_DETAIL:
                broken.append(violation.rule)
        stamps: dict[str, Any] = {}
        if broken:
            stamps["irregular"] = tuple(dict.fromkeys(broken))
        held = permissions or permissions_after(self.lead, event)
        if held:
            stamps["permissions"] = held
        return event.model_copy(update=stamps) if stamps else event

    def _take(self, event: e.LeadEvent) -> None:
        self.lead.evolve(event)
        # The library types its list by its own event base; ours are pydantic models.
        cast("list[e.LeadEvent]", self.lead.pending_events).append(event)

    def _answer(self, event: e.LeadEvent, envelope: Envelope, *, queue: bool) -> None:
        """Record what the policy says to an event, at the moment of its cause."""
        lead, policy = self.lead, self.policy
        may_move = isinstance(event, (e.Engaged, e.Enriched, e.Captured))
        points = list(scoring.points_for(lead, event, policy))
        if not may_move and not points:
            return
        answers = Envelope(
            occurred_at=event.occurred_at,
            time_basis=event.time_basis,
            producer=envelope.producer,
            actor="policy",
            correlation_id=envelope.correlation_id,
            causation_id=str(event.event_id),
            new_id=envelope.new_id,
        )
        for draft in points:
            self._take(self._build(*draft, answers, fact=False))
        if not may_move:
            return
        qualified = scoring.tier_and_target(lead, event, policy)
        if qualified is not None:
            self._take(self._build(*qualified, answers, fact=False))
        for draft in scoring.sales_ready(lead, event, policy) if queue else ():
            self._take(self._build(*draft, answers, fact=False))


def _keep_query_personal(data: dict[str, Any], page: str) -> None:
    """Move a landing page's query into the personal part: it may hold an address."""
    address, _, query = page.partition("?")
    personal: Any = data.get("personal") or {}
    if isinstance(personal, Personal):
        personal = personal.model_dump(exclude_none=True)
    data["landing_page"] = address or None
    data["personal"] = {**personal, "url_query": query or None}


@cache
def _sender_fields(event: type[e.LogEvent]) -> frozenset[str]:
    return frozenset(e.own_fields(event))


def _check_names(event: type[e.LogEvent], fields: Mapping[str, Any]) -> None:
    allowed = _sender_fields(event)
    if allowed.issuperset(fields):
        return
    unknown = next(name for name in fields if name not in allowed)
    near = difflib.get_close_matches(unknown, allowed, 1)
    raise InvalidInput(
        f"{event.topic} has no field {unknown!r}"
        + (f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(allowed))}")
    )


def permissions_after(lead: Lead, event: e.LeadEvent) -> dict[ContactChannel, Permission]:
    """What holds for each channel that the event speaks of, the strictest purpose winning."""
    if isinstance(event, e.ConsentGiven):
        changed = {(event.channel, event.purpose): Permission.GIVEN}
    elif isinstance(event, e.ConsentWithdrawn):
        changed = {(event.channel, event.purpose): Permission.WITHDRAWN}
    elif isinstance(event, (e.Captured, e.Engaged)) and event.consents:
        changed = {(c.channel, c.purpose): Permission.GIVEN for c in event.consents}
    else:
        return {}
    held = {**lead.consents, **changed}
    for channel, _ in changed:
        if any(c == channel and p is Permission.GIVEN for (c, _), p in changed.items()):
            held.pop((channel, MERGED), None)
    return {channel: _strictest(held, channel) for channel in dict.fromkeys(c for c, _ in changed)}


def _strictest(
    consents: Mapping[tuple[ContactChannel, str], Permission], channel: ContactChannel
) -> Permission:
    withdrawn = any(c == channel and p is Permission.WITHDRAWN for (c, _), p in consents.items())
    return Permission.WITHDRAWN if withdrawn else Permission.GIVEN


def stricter(survivor: Lead, loser: Lead) -> dict[ContactChannel, Permission]:
    """The permissions of two leads that become one: an objection of either holds."""
    both = {**loser.permissions, **survivor.permissions}
    return {
        channel: Permission.WITHDRAWN
        if Permission.WITHDRAWN
        in (survivor.permissions.get(channel), loser.permissions.get(channel))
        else permission
        for channel, permission in both.items()
    }


def merge(survivor: Decider, loser: Decider, envelope: Envelope) -> None:
    """Record that two leads are one person, on both; the stricter consent is stamped.

    Raises:
        Refused: when either is merged or erased already, or they are the same lead.
    """
    held = stricter(survivor.lead, loser.lead)
    loser.command(e.Merged, {"other": survivor.lead.id, "survivor": False}, envelope)
    survivor.command(
        e.Merged, {"other": loser.lead.id, "survivor": True}, envelope, permissions=held
    )


def unmerge(survivor: Decider, loser: Decider, envelope: Envelope) -> None:
    """Record that they were two persons after all, on both.

    Raises:
        Refused: when they are not merged.
    """
    loser.command(e.Unmerged, {"other": survivor.lead.id, "survivor": False}, envelope)
    survivor.command(e.Unmerged, {"other": loser.lead.id, "survivor": True}, envelope)
