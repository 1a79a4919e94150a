"""The service API: one object to record lead events with, and to read leads back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal, Self
from uuid import UUID

from leadflow.batch import Batch
from leadflow.domain import events as e
from leadflow.domain.identity import POLICY_STREAM, normal_address
from leadflow.domain.lead import Lead
from leadflow.domain.policy import Policy, default_policy, parse_policy
from leadflow.domain.values import TimeBasis
from leadflow.errors import LeadflowError, LeadNotFound
from leadflow.naming import LeadNames, LeadRef
from leadflow.operations import Operations
from leadflow.persistence.store import Store
from leadflow.recording import Intake, Operation, Recorded, Recorder
from leadflow.verbs import Verbs


class Leadflow(Verbs[Recorded]):
    """A lead event store with its commands and readings. Safe to use from many threads."""

    def __init__(self, store: Store, *, producer: str | None = None) -> None:
        super().__init__(Operations(store, producer))
        self.store = store
        self.producer = producer
        self._names = LeadNames(store)
        self._recorder = Recorder(store, self._names)

    @classmethod
    def open(
        cls,
        url: str = "sqlite:///leads.db",
        *,
        create: bool = False,
        producer: str | None = None,
        key_file: Path | None = None,
    ) -> Self:
        """Open the store at a URL; `create` makes one where there is none.

        Args:
            url: `sqlite:///leads.db`, `sqlite:////folder/leads.db`, `postgresql://…`.
            producer: the name of this service, written into its events.
            key_file: the key of personal data; without it LEADFLOW_KEY_FILE, LEADFLOW_KEY
                or, for SQLite, the file `NAME.db.key` beside the store.

        Raises:
            StoreError: when there is no store, or it cannot be opened.
        """
        from leadflow.persistence.opening import open_store

        return cls(open_store(url, create=create, key_file=key_file), producer=producer)

    def close(self) -> None:
        """Close the store's connections."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batch(
        self,
        batch_id: UUID | None = None,
        *,
        errors: Literal["raise", "collect"] = "raise",
        dry_run: bool = False,
        intake: Intake | None = None,
        connection: object = None,
    ) -> Batch:
        """Record many commands and facts in one transaction, at the end of a `with` block.

        Args:
            batch_id: recorded with it, so that the same batch sent again is recorded once.
            errors: with "collect" a refused operation is left out, its error stands in
                the results, and the others are recorded; with "raise" it stops the whole.
            dry_run: only decide: the results are what they would be, nothing is recorded.
            intake: where the batch comes from a topic, what else its transaction records.
            connection: a psycopg connection in whose open transaction all is recorded, to be
                committed with what else it does; only for stores in PostgreSQL.
        """
        return Batch(
            self._recorder_within(connection),
            self.producer,
            batch_id,
            errors,
            dry_run=dry_run,
            intake=intake,
        )

    def _recorder_within(self, connection: object) -> Recorder:
        if connection is None:
            return self._recorder
        store = self.store.within(connection)
        return Recorder(store, LeadNames(store))

    def get(
        self,
        lead: LeadRef,
        *,
        version: int | None = None,
        as_of: datetime | None = None,
        known_at: datetime | None = None,
    ) -> Lead:
        """A lead as it is, as it was at a version, or as it was at a moment.

        Args:
            version: only its first so many events.
            as_of: only what had happened by then.
            known_at: only what the log had learnt by then.

        Raises:
            LeadNotFound: when no such event of the lead is in the log.
        """
        lead_id = self.resolve(lead)
        events = self._events(lead_id, version)
        if as_of is not None:
            events = [x for x in events if x.occurred_at <= as_of and _dated(x)]
        if known_at is not None:
            events = [x for x in events if x.recorded_at is None or x.recorded_at <= known_at]
        if not events:
            raise LeadNotFound(
                f"no lead {lead}" + (" at that moment" if as_of or known_at or version else ""),
                hint="`leadflow lead find` searches by e-mail, phone or external id",
            )
        return Lead.replay(lead_id, events)

    def history(self, lead: LeadRef) -> list[e.LeadEvent]:
        """All events of a lead in order: its file with its history.

        Raises:
            LeadNotFound: when it has none.
        """
        events = self._events(self.resolve(lead))
        if not events:
            raise LeadNotFound(f"no lead {lead}", hint="`leadflow lead find` searches")
        return events

    def _events(self, lead_id: UUID, version: int | None = None) -> list[e.LeadEvent]:
        events = self.store.load(lead_id, upto_version=version)
        return [event for event in events if isinstance(event, e.LeadEvent)]

    def resolve(self, lead: LeadRef) -> UUID:
        """The id of a lead named by UUID, unique prefix or `SYSTEM:ID`."""
        return self._names.resolve(lead)

    def find(self, text: str) -> list[UUID]:
        """Leads by e-mail address, phone number or external id."""
        found = self.store.leads_by_address(self.store.keys.address_digest(normal_address(text)))
        if not found and ":" in text and "@" not in text:
            lead_id = self.resolve(text)
            found = [lead_id] if self.store.lead_events(lead_id, upto_version=1) else []
        return found

    def policy(self, at: datetime | None = None) -> Policy:
        """The scoring policy in force, now or at a moment."""
        if at is None:
            return self._recorder.policies.in_force()[1]
        activations = self.policies()
        before = [x for x in activations if x.occurred_at <= at]
        chosen = before[-1] if before else activations[0] if activations else None
        return default_policy() if chosen is None else parse_policy(chosen.policy)

    def policies(self) -> list[e.PolicyActivated]:
        """Every activation of a policy, in order."""
        events = self.store.load(POLICY_STREAM)
        return [event for event in events if isinstance(event, e.PolicyActivated)]

    def _run(self, operation: Operation) -> Recorded:
        outcome = self._recorder_within(operation.connection).run([operation])[0]
        assert not isinstance(outcome, LeadflowError)
        return outcome


def _dated(event: e.LogEvent) -> bool:
    return event.time_basis is not TimeBasis.ASSUMED
