"""What an export says otherwise than an earlier one did, and what is recorded of it.

The first time a rule speaks of a record is revision 0. What is added to a lead (enriched)
may be said anew: that is recorded as the next revision. All else has happened as it was
recorded; that a row tells it differently now is reported, and not recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel

from leadflow.domain.events import LogEvent, own_fields
from leadflow.persistence.store import CommandRow, Store
from leadflow_commands.importing.statements import Statement, may_follow

_LONGEST_SHOWN: Final = 60


@dataclass(frozen=True, slots=True)
class Change:
    """A rule that says otherwise of a record than before."""

    lead: str
    rule: str
    what: tuple[str, ...]
    """The fields, each with its former and its present value unless that is personal."""
    recorded: bool


@dataclass(slots=True)
class _Revision:
    statement: Statement
    row: CommandRow
    """The latest revision that is recorded."""
    digest: bytes
    number: int = 0

    @property
    def changed(self) -> bool:
        return self.row.fingerprint != self.digest

    @property
    def may_follow(self) -> bool:
        return may_follow(self.statement)


@dataclass(slots=True)
class Revisions:
    """The statements of a batch that were recorded before, maybe with other content."""

    store: Store
    _found: dict[UUID, _Revision] = field(default_factory=dict[UUID, _Revision])

    def add(self, statement: Statement, row: CommandRow, digest: bytes) -> None:
        """A statement whose message is recorded, and may say another thing there."""
        if statement.revised is not None or row.fingerprint == digest:
            self._found[statement.message_id] = _Revision(statement, row, digest)

    def look_up(self) -> None:
        """Find the latest revision of each, as far as there can be several."""
        asked = [revision for revision in self._found.values() if revision.may_follow]
        while asked:
            ids = {_id(revision, revision.number + 1): revision for revision in asked}
            known = self.store.commands(ids)
            for message_id, row in known.items():
                ids[message_id].row = row
                ids[message_id].number += 1
            asked = [ids[message_id] for message_id in known]

    def id_for(self, statement: Statement) -> UUID | None:
        """The message id to record a statement under; None where it is not to be recorded."""
        revision = self._found.get(statement.message_id)
        if revision is None:
            return statement.message_id
        if not revision.changed or not revision.may_follow:
            return None
        return _id(revision, revision.number + 1)

    def changes(self, statements: Sequence[Statement]) -> tuple[Change, ...]:
        """What some of the statements say otherwise now."""
        found = (self._found.get(statement.message_id) for statement in statements)
        return tuple(self._described(r) for r in found if r is not None and r.changed)

    def _described(self, revision: _Revision) -> Change:
        said = revision.statement
        before = self._recorded_event(revision.row)
        what = () if before is None else tuple(differences(before, said))
        return Change(said.lead, said.rule, what, revision.may_follow)

    def _recorded_event(self, row: CommandRow) -> LogEvent | None:
        if row.first_position <= 0:
            return None
        stored = self.store.events_at(row.first_position, 1)
        event = self.store.mapper.to_domain_event(stored[0]) if stored else None
        return event if isinstance(event, LogEvent) else None


def _id(revision: _Revision, number: int) -> UUID:
    assert revision.statement.revised is not None
    return revision.statement.revised(number)


def differences(before: LogEvent, said: Statement) -> list[str]:
    """The fields in which a statement differs from the event that was recorded."""
    then = _leaves({name: getattr(before, name) for name in own_fields(type(before))})
    now = _leaves(said.fields)
    names = (*then, *(name for name in now if name not in then))
    found = [
        _shown(name, then.get(name), now.get(name))
        for name in names
        if then.get(name) != now.get(name)
    ]
    if said.occurred_at is not None and said.occurred_at != before.occurred_at:
        found.append(f"time {before.occurred_at.isoformat()} to {said.occurred_at.isoformat()}")
    return found


def _shown(name: str, before: Any, now: Any) -> str:
    if name.partition(".")[0] == "personal":
        return name
    return f"{name} {_short(before)} to {_short(now)}"


def _short(value: Any) -> str:
    return "nothing" if value is None else str(value)[:_LONGEST_SHOWN]


def _leaves(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Single values by dotted names; empty ones count as absent."""
    leaves: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, BaseModel):
            value = value.model_dump(exclude_none=True)  # noqa: PLW2901 - the same, unfolded
        if isinstance(value, dict):
            leaves.update(_leaves(cast("dict[str, Any]", value), f"{before}{name}."))
        elif value not in (None, (), ""):
            leaves[f"{before}{name}"] = value
    return leaves
