"""Facts as other systems state them, row by row or line by line, ready to be recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from leadflow.domain import events
from leadflow.domain.values import TimeBasis


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact: what `record_fact` takes."""

    topic: str
    lead: str
    """SYSTEM:ID or a UUID."""
    fields: dict[str, Any]
    """The event's own fields, validated."""
    message_id: UUID
    producer: str
    occurred_at: datetime | None
    time_basis: TimeBasis
    actor: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    rule: str = ""
    """The rule of a mapping that made it."""
    must_exist: bool = False
    """Whether the lead must be known already."""
    revised: Callable[[int], UUID] | None = None
    """The id of what is said anew in its place; None where nothing may be."""


MAY_BE_SAID_ANEW: Final = frozenset({events.Enriched.topic})


def may_follow(statement: Statement) -> bool:
    """Whether what is said anew in a statement's place is recorded as its next revision."""
    return statement.topic in MAY_BE_SAID_ANEW and statement.revised is not None


class Entry(NamedTuple):
    """A row or line that could be read."""

    lead: str
    record: str
    """What no other entry of a source may have; empty where any may."""
    statements: Sequence[Statement]
    held_back: int = 0
    """Facts left out because nothing is to enter the queue."""


class Refusal(NamedTuple):
    """A row or line that could not."""

    reason: str
