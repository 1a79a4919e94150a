"""What every append does, whichever the database: encode before the lock, place under it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from leadflow.domain.events import LogEvent, PolicyActivated
from leadflow.errors import CommandRecorded, Conflict, PolicyChanged
from leadflow.persistence.chain import event_hash
from leadflow.persistence.codec import SealedEvent, checked, encode, has_personal
from leadflow.persistence.keys import Keys, LeadKey
from leadflow.persistence.store import Append, Appended, CommandRow, Encoded, Head, NewCommand

_POLICY: Final = PolicyActivated.topic


class Row(NamedTuple):
    """One event as it goes into `stored_events`, column by column."""

    position: int
    originator_id: str | UUID
    originator_version: int
    topic: str
    state: bytes
    recorded_at: int
    hash: bytes


@dataclass(frozen=True)
class Batch:
    """An append, encoded: all that can be done without the lock is done."""

    events: list[Encoded]
    genesis: list[Encoded] = field(default_factory=list[Encoded])
    new_keys: dict[UUID, bytes] = field(default_factory=dict[UUID, bytes])
    request: Append = field(default_factory=Append)


class Placed(NamedTuple):
    """The rows of a batch, and the log's head after them."""

    rows: list[Row]
    commands: list[CommandRow]
    head: Head
    appended: Appended


def encode_batch(append: Append, keys: Keys) -> Batch:
    """Encode and seal an append's events.

    Raises:
        InvalidInput: an object among them is no event of leadflow.
        Conflict: a lead that got personal data was erased.
    """
    for event in (*append.genesis, *append.events):
        checked(event)
    lead_keys = _lead_keys((*append.genesis, *append.events), keys)
    new_keys = {lead: key.wrapped for lead, key in lead_keys.items() if key.new}
    return Batch(
        events=[*_encoded(append.events, lead_keys), *append.encoded],
        genesis=_encoded(append.genesis, lead_keys),
        new_keys={**new_keys, **append.encoded_keys},
        request=append,
    )


def stored_batch(stored_events: Sequence[StoredEvent]) -> Batch:
    """The same for events that the eventsourcing library's mapper has encoded."""
    events: list[Encoded] = []
    new_keys: dict[UUID, bytes] = {}
    for stored in stored_events:
        lead_id = stored.originator_id
        lead_id = lead_id if isinstance(lead_id, UUID) else UUID(lead_id)
        events.append(Encoded(lead_id, stored.originator_version, stored.topic, stored.state))
        if isinstance(stored, SealedEvent) and stored.new_key is not None:
            new_keys[lead_id] = stored.new_key
    return Batch(events=events, new_keys=new_keys)


def _lead_keys(events: Sequence[LogEvent], keys: Keys) -> dict[UUID, LeadKey]:
    sealing = {event.originator_id for event in events if has_personal(event)}
    if not sealing:
        return {}
    begun = {
        event.originator_id
        for event in events
        if event.originator_version == 1 and event.originator_id in sealing
    }
    return keys.to_seal_all(begun, sealing - begun)


def _encoded(events: Iterable[LogEvent], lead_keys: dict[UUID, LeadKey]) -> list[Encoded]:
    return [
        Encoded(
            event.originator_id,
            event.originator_version,
            event.topic,
            encode(event, lead_keys[event.originator_id] if has_personal(event) else None),
        )
        for event in events
    ]


def place(batch: Batch, head: Head, now: int, *, id_as_text: bool) -> Placed:
    """Give each event its position, its moment and its hash: called under the lock.

    `now` is the store's clock in microseconds since the epoch.
    """
    genesis = batch.genesis if head.position == 0 else []
    recorded_at = max(now, head.recorded_at)
    first = head.position + len(genesis) + 1
    rows, last_hash = _chained([*genesis, *batch.events], head, recorded_at, id_as_text)
    policies = [row.position for row in rows if row.topic == _POLICY]
    after = Head(
        position=head.position + len(rows),
        hash=last_hash,
        recorded_at=recorded_at if rows else head.recorded_at,
        policy_position=policies[-1] if policies else head.policy_position,
    )
    commands = [_placed(command, first) for command in batch.request.commands]
    return Placed(rows, commands, after, Appended(first, recorded_at, len(genesis)))


def _chained(
    events: list[Encoded], head: Head, recorded_at: int, id_as_text: bool
) -> tuple[list[Row], bytes]:
    rows: list[Row] = []
    position, last = head.position, head.hash
    topics: dict[str, bytes] = {}
    leads: dict[UUID, tuple[str | UUID, bytes]] = {}
    for lead_id, version, topic, state in events:
        position += 1
        name = topics.get(topic) or topics.setdefault(topic, topic.encode())
        forms = leads.get(lead_id)
        if forms is None:
            forms = leads[lead_id] = (str(lead_id) if id_as_text else lead_id, lead_id.bytes)
        last = event_hash(last, position, forms[1], version, recorded_at, name, state)
        rows.append(Row(position, forms[0], version, topic, state, recorded_at, last))
    return rows, last


def _placed(command: NewCommand, first: int) -> CommandRow:
    return CommandRow(
        command.command_id,
        command.fingerprint,
        first + command.first if command.count else 0,
        command.count,
    )


def found_again(batch: Batch, state: bytes, position: int, recorded_at: int) -> Appended | None:
    """What a batch recorded before its acknowledgement was lost, or None.

    The arguments after `batch` are the stored event with the lead and version of the batch's
    first. A state holds an event id of its own, so that equal states mean the same append;
    and an append is recorded whole or not at all.
    """
    if state != batch.events[0].state:
        return None
    genesis = len(batch.genesis) if position == len(batch.genesis) + 1 else 0
    return Appended(position, recorded_at, genesis)


def check_policy(batch: Batch, head: Head) -> None:
    """Refuse a batch that was decided under another policy than the one in force."""
    expected = batch.request.expect_policy
    if expected is not None and expected != head.policy_position:
        raise PolicyChanged(
            f"the scoring policy of position {head.policy_position} is in force, and not that"
            f" of position {expected}"
        )


def command_recorded(command_id: object) -> CommandRecorded:
    """The command's id is in the log already."""
    return CommandRecorded(f"command {command_id} is recorded already")


def conflict(lead_id: object, version: object) -> Conflict:
    """Another writer was first with a lead's next event."""
    return Conflict(
        f"lead {lead_id} has an event of version {version} already: another writer was first",
        hint="Read the lead again and decide anew.",
        lead_id=_as_id(lead_id),
    )


def _as_id(lead_id: object) -> UUID | None:
    try:
        return lead_id if isinstance(lead_id, UUID) else UUID(str(lead_id))
    except ValueError:
        return None
