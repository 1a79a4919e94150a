"""Commands and facts as operations: what the service runs, and runs again after a conflict."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import ValidationError

from leadflow.domain import deciding
from leadflow.domain import events as e
from leadflow.domain.deciding import Envelope
from leadflow.domain.identity import POLICY_STREAM, spend_stream
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy, load_policy
from leadflow.domain.validation import one_sentence
from leadflow.domain.values import TimeBasis
from leadflow.errors import InvalidInput, Refused
from leadflow.naming import LeadRef
from leadflow.persistence.store import Store
from leadflow.recording import Given, Operation, fingerprint
from leadflow.unit_of_work import UnitOfWork


class Operations:
    """Makes operations of commands and facts, to be run at once or in a batch."""

    def __init__(self, store: Store, producer: str | None) -> None:
        self.store = store
        self.producer = producer

    def command(
        self,
        event: type[e.LeadEvent] | str,
        lead: LeadRef,
        fields: Mapping[str, Any] | None,
        given: Given,
    ) -> Operation:
        event_class = lead_event(event)
        if event_class in (e.Merged, e.Unmerged):
            raise InvalidInput(f"{event_class.topic} concerns two leads: use merge() or unmerge()")
        values = dict(fields or {})
        new = event_class in (e.Captured, e.Engaged, e.ConsentWithdrawn)
        follow = event_class is not e.Erased

        def decide(unit: UnitOfWork) -> UUID:
            find = unit.lead if new else unit.known_lead
            subject = find(lead, follow_merges=follow)
            unit.decider(subject).command(event_class, values, self._envelope(unit, given))
            unit.collect(subject)
            return subject.id

        return self._operation(event_class.topic, (lead,), values, given, decide)

    def fact(
        self,
        event: type[e.LeadEvent] | str,
        lead: LeadRef,
        fields: Mapping[str, Any] | None,
        given: Given,
        *,
        message_id: UUID | None,
        score: bool,
        producer: str | None,
        must_exist: bool,
        in_order: bool | Literal["now"] = False,
        queue: bool = True,
    ) -> Operation:
        event_class = lead_event(event)
        values = dict(fields or {})
        if message_id is not None:
            given = {**given, "command_id": message_id}

        def decide(unit: UnitOfWork) -> UUID:
            subject = unit.known_lead(lead) if must_exist else unit.lead(lead)
            if in_order:
                unit.check_turn(event_class, values, subject, patient=in_order != "now")
            envelope = self._envelope(unit, given, producer)
            unit.decider(subject).fact(event_class, values, envelope, score=score, queue=queue)
            unit.collect(subject)
            return subject.id

        return self._operation(event_class.topic, (lead,), values, given, decide)

    def merge(self, lead: LeadRef, other: LeadRef, keep: LeadRef | None, given: Given) -> Operation:
        def decide(unit: UnitOfWork) -> UUID:
            one, two = unit.known_lead(lead), unit.known_lead(other)
            if one.id == two.id:
                raise Refused(f"lead {one.id} is the same lead twice", rule="merge_with_itself")
            kept = unit.known_lead(keep) if keep is not None else older(one, two)
            if kept.id not in (one.id, two.id):
                raise InvalidInput(f"keep names {kept.id}, which is neither of the two leads")
            gone = two if kept.id == one.id else one
            envelope = self._envelope(unit, given)
            deciding.merge(unit.decider(kept), unit.decider(gone), envelope)
            unit.collect(gone, kept)
            return kept.id

        values = {"other": str(other), "keep": str(keep)}
        return self._operation(e.Merged.topic, (lead, other), values, given, decide)

    def unmerge(self, lead: LeadRef, given: Given) -> Operation:
        def decide(unit: UnitOfWork) -> UUID:
            loser = unit.known_lead(lead, follow_merges=False)
            if loser.merged_into is None:
                raise Refused(f"lead {loser.id} is not merged into another", rule="not_merged")
            survivor = unit.known_lead(loser.merged_into, follow_merges=False)
            envelope = self._envelope(unit, given)
            deciding.unmerge(unit.decider(survivor), unit.decider(loser), envelope)
            unit.collect(loser, survivor)
            return loser.id

        return self._operation(e.Unmerged.topic, (lead,), {}, given, decide)

    def activate_policy(self, policy: Policy | str, given: Given) -> Operation:
        new = load_policy(policy) if isinstance(policy, str) else policy
        values = {"policy": new.as_data(), "policy_hash": new.hash}

        def decide(unit: UnitOfWork) -> UUID:
            # The default stands first in a new log, so that every moment has a policy.
            before = unit.stream_version(POLICY_STREAM) or (0 if unit.policy_position else 1)
            return self._add(unit, e.PolicyActivated, POLICY_STREAM, values, given, before=before)

        return self._operation(e.PolicyActivated.topic, (), values, given, decide)

    def record_spend(self, source: str, fields: Mapping[str, Any], given: Given) -> Operation:
        values = {"source": source, **fields}
        stream = spend_stream(source)

        def decide(unit: UnitOfWork) -> UUID:
            return self._add(unit, e.SpendRecorded, stream, values, given)

        return self._operation(e.SpendRecorded.topic, (), values, given, decide)

    def _add(
        self,
        unit: UnitOfWork,
        event: type[e.LogEvent],
        stream: UUID,
        values: Mapping[str, Any],
        given: Given,
        *,
        before: int | None = None,
    ) -> UUID:
        version = (unit.stream_version(stream) if before is None else before) + 1
        envelope = self._envelope(unit, given)
        try:
            unit.add(
                event.model_validate(
                    {
                        **values,
                        "originator_id": stream,
                        "originator_version": version,
                        "event_id": envelope.new_id(),
                        "occurred_at": envelope.occurred_at,
                        "time_basis": envelope.time_basis,
                        "producer": envelope.producer,
                        "actor": envelope.actor,
                        "correlation_id": envelope.correlation_id,
                        "causation_id": envelope.causation_id,
                    }
                )
            )
        except ValidationError as error:
            raise InvalidInput(f"{event.topic}: {one_sentence(error)}") from None
        return stream

    def _operation(
        self,
        topic: str,
        leads: tuple[LeadRef, ...],
        values: Mapping[str, Any],
        given: Given,
        decide: Callable[[UnitOfWork], UUID],
    ) -> Operation:
        command_id = given.get("command_id")
        if isinstance(command_id, str):
            command_id = _command_id(command_id)
        content = content_of(topic, leads, values, given.get("occurred_at"))
        if command_id is None and topic == e.Captured.topic and _is_external(leads[0]):
            # The same record captured twice is once; a changed one is a further capture.
            command_id = uuid5(_CAPTURES, fingerprint(self.store, content).hex())
        connection = given.get("connection")
        if command_id is None:
            return Operation(decide, leads, connection=connection)
        name = str(given.get("command_id") or command_id)
        digest = fingerprint(self.store, content)
        return Operation(decide, leads, command_id, name, digest, connection)

    def _envelope(self, unit: UnitOfWork, given: Given, producer: str | None = None) -> Envelope:
        cause = given.get("causation_id")
        command_id = given.get("command_id")
        return Envelope(
            occurred_at=given.get("occurred_at") or unit.now,
            time_basis=given.get("time_basis", TimeBasis.EXACT),
            producer=producer or self.producer,
            actor=given.get("actor"),
            correlation_id=given.get("correlation_id"),
            causation_id=cause or (str(command_id) if command_id else None),
        )


def content_of(
    topic: str, leads: Iterable[LeadRef], fields: Mapping[str, Any], occurred_at: datetime | None
) -> dict[str, Any]:
    """What a command or fact says, for its fingerprint: the same id may not say another thing."""
    return {
        "topic": topic,
        "leads": [str(lead) for lead in leads],
        "fields": fields,
        "occurred_at": occurred_at,
    }


_CAPTURES = UUID("0b5f0f0e-7a5b-5f3f-8f0a-2f9a54b7a1c2")
_COMMANDS = UUID("5f9e6a36-20a2-5c6f-9b7e-6f52c58b9d0f")


def _command_id(text: str) -> UUID:
    """A UUID as it is; any other text names one."""
    try:
        return UUID(text)
    except ValueError:
        return uuid5(_COMMANDS, text)


def _is_external(lead: LeadRef) -> bool:
    return isinstance(lead, str) and ":" in lead


def older(one: Lead, two: Lead) -> Lead:
    """The lead that was captured first: the one that goes on after a merge."""
    if one.captured_at is None or two.captured_at is None:
        return two if one.captured_at is None and two.captured_at is not None else one
    return two if two.captured_at < one.captured_at else one


def lead_event(event: type[e.LeadEvent] | str) -> type[e.LeadEvent]:
    """An event class by itself or by its topic.

    Raises:
        InvalidInput: for a topic that is none of a lead; says what was meant.
    """
    if not isinstance(event, str):
        return event
    found = e.BY_TOPIC.get(event)
    if found is not None and issubclass(found, e.LeadEvent):
        return found
    topics = [known.topic for known in e.LEAD_EVENTS]
    near = difflib.get_close_matches(event, topics, 1)
    raise InvalidInput(
        f"unknown event type {event!r}"
        + (f"; did you mean {near[0]}?" if near else f"; one of {', '.join(topics)}")
    )
