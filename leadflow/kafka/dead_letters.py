"""Messages that could not be recorded: what their topic gets, and trying them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from leadflow.kafka.intake import Taken, Terms, take
from leadflow.kafka.records import Headers, Received, received_again
from leadflow.persistence.codec import to_moment
from leadflow.persistence.inbox import DeadLetterRow
from leadflow.service import Leadflow

CONNECTOR: Final = "leadflow"
_STAGE: Final = {"invalid": "VALUE_CONVERTER", "not_accepted": "TRANSFORMATION"}
"""The stages that Kafka Connect names; what fails later fails in the task itself."""


def headers_of(row: DeadLetterRow, received: Received, said: str, worker: str) -> Headers:
    """The headers of a dead letter: its own as they were, then why it is one.

    The names are Kafka Connect's, which tools for dead letters read, and leadflow's own.
    """
    added = {
        "__connect.errors.topic": row.origin.topic,
        "__connect.errors.partition": str(row.origin.partition),
        "__connect.errors.offset": str(row.origin.offset),
        "__connect.errors.connector.name": CONNECTOR,
        "__connect.errors.task.id": worker,
        "__connect.errors.stage": _STAGE.get(row.reason, "TASK_PUT"),
        "__connect.errors.class.name": "leadflow.kafka.intake",
        "__connect.errors.exception.class.name": f"leadflow.{row.reason}",
        "__connect.errors.exception.message": said,
        "__connect.errors.exception.stacktrace": f"leadflow.{row.reason}: {said}",
        "leadflow.reason": row.reason,
        "leadflow.attempt": str(row.attempt),
        "leadflow.failed-at": to_moment(row.failed_at).isoformat().replace("+00:00", "Z"),
        "leadflow.letter-id": str(row.letter_id),
    }
    return [*received.headers, *((name, text.encode()) for name, text in added.items())]


def retry(leads: Leadflow, letters: Sequence[DeadLetterRow], terms: Terms) -> Taken:
    """Try to record dead letters once more; those that fail again stay, with what they say now.

    What is recorded wakes whoever follows the log, and facts that waited for it.

    Raises:
        InboxTaken: another process settled one of them meanwhile; nothing was recorded.
    """
    messages = [received_again(leads.store.keys, row) for row in letters]
    return take(leads, messages, terms)
