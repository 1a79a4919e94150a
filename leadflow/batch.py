"""Many commands and facts in one transaction."""

from __future__ import annotations

from types import TracebackType
from typing import Literal, Self, cast
from uuid import UUID, uuid4

from leadflow.domain import events as e
from leadflow.domain.lead import Lead
from leadflow.errors import InvalidInput
from leadflow.operations import Operations
from leadflow.recording import Intake, Operation, Outcome, Recorder
from leadflow.unit_of_work import UnitOfWork
from leadflow.verbs import Verbs


class Batch(Verbs[int]):
    """Commands and facts that are recorded together, in one transaction, at the end.

    Each method returns the index of its outcome in `results`, which is filled when the
    `with` block ends. Nothing is recorded when the block raises.
    """

    def __init__(
        self,
        recorder: Recorder,
        producer: str | None,
        batch_id: UUID | None,
        errors: Literal["raise", "collect"],
        *,
        dry_run: bool = False,
        intake: Intake | None = None,
    ) -> None:
        super().__init__(Operations(recorder.store, producer))
        self.results: list[Outcome] = []
        self._recorder = recorder
        self._queue: list[Operation] = []
        self._batch_id = batch_id or uuid4()
        self._errors: Literal["raise", "collect"] = errors
        self._dry_run = dry_run
        self._intake = intake

    def add_decided(self, lead: Lead) -> int:
        """Record the pending events of a lead that was decided on elsewhere, such as by
        a simulation; its first pending event must be the next in the log.
        """
        made = cast("list[e.LogEvent]", list(lead.pending_events))
        lead.pending_events.clear()
        lead_id = lead.id

        def decide(unit: UnitOfWork) -> UUID:
            unit.events.extend(made)
            return lead_id

        return self._run(Operation(decide))

    def __len__(self) -> int:
        return len(self._queue)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None and (self._queue or self._intake is not None):
            self.results = self._recorder.run(
                self._queue,
                unit_id=self._batch_id,
                errors=self._errors,
                dry_run=self._dry_run,
                intake=self._intake,
            )

    def _run(self, operation: Operation) -> int:
        if operation.connection is not None:
            raise InvalidInput(
                "a batch is recorded as one: give its connection to `batch(connection=…)`"
            )
        self._queue.append(operation)
        return len(self._queue) - 1
