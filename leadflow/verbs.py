"""One typed method per command, for a single call and for a batch alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar, Unpack
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.policy import Policy
from leadflow.domain.values import (
    Consent,
    ContactChannel,
    FieldValue,
    Money,
    Personal,
    SalesType,
    Tier,
)
from leadflow.naming import LeadRef
from leadflow.operations import Operations
from leadflow.recording import Given, Operation

R = TypeVar("R")


class Verbs(ABC, Generic[R]):
    """The commands. Each takes a lead, its own fields, and what `Given` names.

    All raise `Refused` when a rule of the domain forbids it, `InvalidInput` when the
    fields are no valid event, `CommandReused` when the command id came before with other
    content, and `Conflict` when other writers were faster too many times in a row; a
    batch does so when its block ends.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    @abstractmethod
    def _run(self, operation: Operation) -> R:
        """Carry the operation out, or keep it for later."""

    def command(
        self,
        event: type[e.LeadEvent] | str,
        lead: LeadRef,
        fields: Mapping[str, Any] | None = None,
        **given: Unpack[Given],
    ) -> R:
        """Record any command by its event class or topic."""
        return self._run(self._operations.command(event, lead, fields, given))

    def record_fact(
        self,
        event: type[e.LeadEvent] | str,
        lead: LeadRef,
        fields: Mapping[str, Any] | None = None,
        *,
        message_id: UUID | None = None,
        score: bool = False,
        producer: str | None = None,
        must_exist: bool = False,
        in_order: bool | Literal["now"] = False,
        queue: bool = True,
        **given: Unpack[Given],
    ) -> R:
        """Record what happened elsewhere; where it breaks a rule it is stamped irregular.

        Args:
            event: its class or topic.
            lead: whose event it is.
            fields: the event's own fields.
            message_id: identifies the message for ever; sent again it records nothing.
            score: whether the policy answers, as it does to commands.
            producer: the system that sent it, where that is not this service.
            must_exist: whether a lead that has no event yet is an error (LeadNotFound).
            in_order: whether a fact whose predecessor is missing, such as a purchase before
                the capture, is an error (MustWait) and not recorded as irregular; "now" where
                it can wait no longer, so that nothing waits behind it either.
            queue: with `score`, whether the policy may put the lead into the queue.
            given: see `Given`.
        """
        return self._run(
            self._operations.fact(
                event,
                lead,
                fields,
                given,
                message_id=message_id,
                score=score,
                producer=producer,
                must_exist=must_exist,
                in_order=in_order,
                queue=queue,
            )
        )

    def merge(
        self, lead: LeadRef, other: LeadRef, *, keep: LeadRef | None = None, **given: Unpack[Given]
    ) -> R:
        """The two are one person: the one captured first goes on, unless `keep` says which."""
        return self._run(self._operations.merge(lead, other, keep, given))

    def unmerge(self, lead: LeadRef, **given: Unpack[Given]) -> R:
        """They were two persons after all: `lead` is the one that had been merged."""
        return self._run(self._operations.unmerge(lead, given))

    def activate_policy(self, policy: Policy | str, **given: Unpack[Given]) -> R:
        """Put a scoring policy in force, given as a `Policy` or its TOML text."""
        return self._run(self._operations.activate_policy(policy, given))

    def record_spend(
        self,
        source: str,
        *,
        period: Mapping[str, str],
        amount: Money | Mapping[str, Any],
        campaign: str | None = None,
        sales_type: SalesType | str | None = None,
        kind: Literal["media", "sales", "other"] = "media",
        **given: Unpack[Given],
    ) -> R:
        """Money was spent on a marketing source; a correction is a further record.

        Args:
            source: the marketing source.
            period: the days it was for, `{"first": "2026-01-01", "last": "2026-01-31"}`.
            amount: what was spent; negative to correct.
            campaign: where it was for one.
            sales_type: where it was for one.
            kind: media, sales or other cost.
            given: see `Given`.
        """
        fields = _own(locals())
        del fields["source"]
        return self._run(self._operations.record_spend(source, fields, given))

    def capture(
        self,
        lead: LeadRef,
        *,
        personal: Personal | Mapping[str, Any] | None = None,
        channel: str | None = None,
        source: str | None = None,
        campaign: str | None = None,
        utm: Mapping[str, str] | None = None,
        landing_page: str | None = None,
        interest: str | None = None,
        sales_type: SalesType | str | None = None,
        external_ids: Sequence[str] = (),
        consents: Sequence[Consent | Mapping[str, Any]] = (),
        **given: Unpack[Given],
    ) -> R:
        """A lead left contact details. One that is known already is engaged instead."""
        return self.command(e.Captured, lead, _own(locals()), **given)

    def enrich(
        self,
        lead: LeadRef,
        *,
        fields: Mapping[str, FieldValue | Mapping[str, Any]] | None = None,
        dimensions: Mapping[str, str] | None = None,
        personal: Personal | Mapping[str, Any] | None = None,
        external_ids: Sequence[str] = (),
        known_after_outcome: Sequence[str] = (),
        **given: Unpack[Given],
    ) -> R:
        """Facts were added: `fields` by name, `dimensions` to group figures by."""
        return self.command(e.Enriched, lead, _own(locals()), **given)

    def engage(
        self,
        lead: LeadRef,
        kind: str,
        *,
        count: int = 1,
        asset: str | None = None,
        channel: str | None = None,
        source: str | None = None,
        campaign: str | None = None,
        utm: Mapping[str, str] | None = None,
        landing_page: str | None = None,
        interest: str | None = None,
        consents: Sequence[Consent | Mapping[str, Any]] = (),
        personal: Personal | Mapping[str, Any] | None = None,
        **given: Unpack[Given],
    ) -> R:
        """The lead did something; the policy in force gives points and moves the queue."""
        return self.command(e.Engaged, lead, _own(locals()), **given)

    def score(
        self,
        lead: LeadRef,
        points: int,
        reason: str,
        *,
        dimension: str = "engagement",
        cause: UUID | None = None,
        **given: Unpack[Given],
    ) -> R:
        """Give or take points by hand."""
        return self.command(e.Scored, lead, _own(locals()), **given)

    def qualify(
        self,
        lead: LeadRef,
        *,
        tier: Tier | str | None = None,
        target: bool | None = None,
        criteria: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """Set the tier; with `target` true the lead is qualified."""
        return self.command(e.Qualified, lead, _own(locals()), **given)

    def disqualify(self, lead: LeadRef, reason: str, **given: Unpack[Given]) -> R:
        """The lead is out: not in the target group, a duplicate, a test."""
        return self.command(e.Disqualified, lead, _own(locals()), **given)

    def nurture(
        self,
        lead: LeadRef,
        *,
        programme: str | None = None,
        content: str | None = None,
        channel: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """A nurturing programme reached the lead."""
        return self.command(e.Nurtured, lead, _own(locals()), **given)

    def make_sales_ready(
        self,
        lead: LeadRef,
        *,
        trigger: str = "by hand",
        override: bool = False,
        **given: Unpack[Given],
    ) -> R:
        """Put the lead into the queue; one that is not hot needs `override`."""
        return self.command(e.BecameSalesReady, lead, _own(locals()), **given)

    def claim(
        self,
        lead: LeadRef,
        owner: str,
        *,
        lease_until: datetime | None = None,
        **given: Unpack[Given],
    ) -> R:
        """Take the lead from the queue, until the lease ends (by policy when not given)."""
        return self.command(e.Claimed, lead, _own(locals()), **given)

    def release(
        self,
        lead: LeadRef,
        *,
        owner: str | None = None,
        reason: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """Give a claim back before its lease ends."""
        return self.command(e.Released, lead, _own(locals()), **given)

    def hand_over(
        self,
        lead: LeadRef,
        to_owner: str,
        *,
        from_owner: str | None = None,
        response_due: datetime | None = None,
        override: bool = False,
        **given: Unpack[Given],
    ) -> R:
        """Marketing gives the lead to sales; one that is not sales-ready needs `override`."""
        return self.command(e.HandedOver, lead, _own(locals()), **given)

    def accept(self, lead: LeadRef, *, by: str | None = None, **given: Unpack[Given]) -> R:
        """Sales takes the lead on."""
        return self.command(e.Accepted, lead, _own(locals()), **given)

    def return_to_marketing(
        self, lead: LeadRef, reason: str, *, by: str | None = None, **given: Unpack[Given]
    ) -> R:
        """Sales gives the lead back: it is nurtured on."""
        return self.command(e.Returned, lead, _own(locals()), **given)

    def contact(
        self,
        lead: LeadRef,
        channel: ContactChannel | str,
        *,
        direction: Literal["outbound", "inbound"] = "outbound",
        outcome: Literal["attempt", "conversation"] = "attempt",
        by: str | None = None,
        personal: Personal | Mapping[str, Any] | None = None,
        **given: Unpack[Given],
    ) -> R:
        """The lead was reached for, or reached us; stops the response clock."""
        return self.command(e.Contacted, lead, _own(locals()), **given)

    def offer(
        self,
        lead: LeadRef,
        offer_id: str,
        *,
        amount: Money | Mapping[str, Any] | None = None,
        **given: Unpack[Given],
    ) -> R:
        """An offer went out."""
        return self.command(e.OfferMade, lead, _own(locals()), **given)

    def accept_offer(self, lead: LeadRef, offer_id: str, **given: Unpack[Given]) -> R:
        """The lead said yes to an open offer."""
        return self.command(e.OfferAccepted, lead, _own(locals()), **given)

    def decline_offer(
        self, lead: LeadRef, offer_id: str, *, reason: str | None = None, **given: Unpack[Given]
    ) -> R:
        """The lead said no to an open offer."""
        return self.command(e.OfferDeclined, lead, _own(locals()), **given)

    def purchase(
        self,
        lead: LeadRef,
        order_id: str,
        *,
        amount: Money | Mapping[str, Any] | None = None,
        cost: Money | Mapping[str, Any] | None = None,
        product: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """The lead bought: it is a customer."""
        return self.command(e.Purchased, lead, _own(locals()), **given)

    def refund(
        self,
        lead: LeadRef,
        order_id: str,
        amount: Money | Mapping[str, Any],
        **given: Unpack[Given],
    ) -> R:
        """Money of an order went back."""
        return self.command(e.Refunded, lead, _own(locals()), **given)

    def lose(
        self,
        lead: LeadRef,
        reason: str,
        *,
        competitor: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """The lead fell off: it will not buy in this cycle."""
        return self.command(e.Lost, lead, _own(locals()), **given)

    def reopen(self, lead: LeadRef, reason: str, **given: Unpack[Given]) -> R:
        """A lost or disqualified lead or a customer is worked again: the next cycle."""
        return self.command(e.Reopened, lead, _own(locals()), **given)

    def give_consent(
        self,
        lead: LeadRef,
        channel: ContactChannel | str,
        *,
        purpose: str = "marketing",
        text_version: str | None = None,
        evidence: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """The lead agreed to be reached by a channel for a purpose."""
        return self.command(e.ConsentGiven, lead, _own(locals()), **given)

    def withdraw_consent(
        self,
        lead: LeadRef,
        channel: ContactChannel | str,
        *,
        purpose: str = "marketing",
        text_version: str | None = None,
        evidence: str | None = None,
        **given: Unpack[Given],
    ) -> R:
        """The lead objected; always recorded."""
        return self.command(e.ConsentWithdrawn, lead, _own(locals()), **given)

    def erase(self, lead: LeadRef, *, request_id: str | None = None, **given: Unpack[Given]) -> R:
        """Destroy the key of the lead's personal data; it takes no more events."""
        return self.command(e.Erased, lead, _own(locals()), **given)


def _own(arguments: dict[str, Any]) -> dict[str, Any]:
    """A method's own fields, those left at None or empty not counting as given."""
    skipped = ("self", "lead", "given")
    return {
        name: value
        for name, value in arguments.items()
        if name not in skipped and value is not None and value != ()
    }
