"""The port: what a store does, whichever database it is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, Self
from uuid import UUID

from eventsourcing.persistence import ApplicationRecorder, Mapper, Notification

from leadflow.domain.events import LogEvent
from leadflow.persistence.inbox import InboxChanges

if TYPE_CHECKING:
    from pathlib import Path

    from leadflow.persistence.keys import Keys
    from leadflow.persistence.master_key import KeySource

NO_HASH = bytes(32)
"""The hash before the first event."""


@dataclass(frozen=True)
class RecordedEvent(Notification):
    """An event as it lies in the log; `id` is its position."""

    recorded_at: int
    """Microseconds since the epoch, UTC."""
    wrapped_key: bytes | None = None
    """The lead's data key as the store keeps it, where the read brought it along."""

    @property
    def position(self) -> int:
        return self.id


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log."""

    position: int
    """Of the last event; 0 when there is none."""
    hash: bytes
    recorded_at: int
    """Microseconds since the epoch, UTC; 0 when there is no event."""
    policy_position: int
    """Of the last `policy.activated`; 0 when there is none."""


@dataclass(frozen=True, slots=True)
class Page:
    """Consecutive events, and the log's end in the same snapshot."""

    high_water: int
    events: list[RecordedEvent]


@dataclass(frozen=True, slots=True)
class CommandRow:
    """A command that the log remembers."""

    command_id: UUID
    fingerprint: bytes
    first_position: int
    """Of its first event; 0 when it recorded none."""
    count: int


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command to be remembered together with the events that it recorded."""

    command_id: UUID
    fingerprint: bytes
    first: int
    """Index of its first event in `Append.events`, those of `Append.encoded` counted on."""
    count: int
    """How many events it recorded; may be 0."""


class Encoded(NamedTuple):
    """One event before it has its place, its personal part sealed."""

    lead_id: UUID
    version: int
    topic: str
    state: bytes


@dataclass(frozen=True)
class Append:
    """What goes into the log in one transaction, all of it or nothing."""

    events: Sequence[LogEvent] = ()
    commands: Sequence[NewCommand] = ()
    genesis: Sequence[LogEvent] = ()
    """Recorded before `events` when, under the lock, the log turns out to be empty."""
    encoded: Sequence[Encoded] = ()
    """Recorded after `events`: what was encoded before, in another process maybe."""
    encoded_keys: Mapping[UUID, bytes] = field(default_factory=dict[UUID, bytes])
    """The wrapped data keys of the leads that are new in `encoded`."""
    expect_policy: int | None = None
    """The `policy_position` that the events were decided under."""
    aliases: Sequence[tuple[str, UUID]] = ()
    """External id to lead; an external id that has a lead already keeps it."""
    addresses: Sequence[tuple[bytes, UUID]] = ()
    """Digest of an address (see `Keys.address_digest`) to lead."""
    destroy_keys: Sequence[UUID] = ()
    """Leads to erase: their data keys and address rows are removed."""
    inbox: InboxChanges = field(default_factory=InboxChanges)
    """What becomes of the messages that a worker has read."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an append came to lie: event i of `Append.events` at `first_position + i`."""

    first_position: int
    recorded_at: int
    genesis: int
    """How many events of `Append.genesis` were recorded before it."""


class Cursor(Protocol):
    """What `sqlite3` and psycopg cursors have in common."""

    @property
    def description(self) -> Any: ...
    @property
    def rowcount(self) -> int: ...
    def execute(self, query: Any, params: Any = ..., /) -> Any: ...
    def executemany(self, query: Any, params_seq: Any, /) -> Any: ...
    def fetchone(self) -> Any: ...
    def fetchmany(self, size: int = ..., /) -> Any: ...
    def fetchall(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


class Store(Protocol):
    """One event log and what goes with it. Safe to share between threads."""

    url: str
    """Without any password."""
    dialect: Literal["sqlite", "postgresql"]
    keys: Keys
    key_source: KeySource
    """Where the master key comes from."""
    archive: Path | None
    """The folder of the log's columnar twin, which the read side keeps; None: there is none."""

    @property
    def recorder(self) -> ApplicationRecorder:
        """The eventsourcing library's port; what it inserts takes the same append."""
        ...

    @property
    def mapper(self) -> Mapper[UUID]:
        """Events to stored events and back, personal data sealed and opened."""
        ...

    def append(self, append: Append) -> Appended:
        """Record events, commands and what goes with them in one transaction.

        A connection lost on the way is made again, and what was recorded before it broke is
        found and not recorded twice.

        Raises:
            Conflict: a lead has an event of that version already.
            CommandRecorded: a command id is in the log already.
            PolicyChanged: another policy than `expect_policy` is in force.
            InboxTaken: another worker moved an offset of `inbox`, or settled its messages.
            StoreLocked, StoreReadOnly, StoreFull, ConnectionLost: nothing was recorded, or,
                for the last, it is not known whether.
        """
        ...

    def within(self, connection: object) -> Store:
        """The same store over a connection of the caller's (psycopg), in his transaction.

        What is recorded is committed, or rolled back, with what else he does in it.

        Raises:
            InvalidInput: when it has no open transaction, or the store is no PostgreSQL one.
        """
        ...

    def head(self) -> Head:
        """The end of the log."""
        ...

    def now(self) -> datetime:
        """The moment by the store's clock, UTC."""
        ...

    def load(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[LogEvent]:
        """A lead's events, decoded, with its personal data: the fast way to read one lead."""
        ...

    def load_many(self, leads: Collection[UUID]) -> dict[UUID, list[LogEvent]]:
        """The events of many leads, decoded, in a few queries; leads without any are left out."""
        ...

    def lead_events(
        self, lead_id: UUID, *, after_version: int = 0, upto_version: int | None = None
    ) -> list[RecordedEvent]:
        """A lead's events as they are stored, by version."""
        ...

    def events_at(self, first: int, count: int) -> list[RecordedEvent]:
        """At most `count` events from position `first` on."""
        ...

    def page(self, *, after: int, limit: int) -> Page:
        """The next events after a position, and the log's end, read in one snapshot."""
        ...

    def commands(self, ids: Collection[UUID]) -> dict[UUID, CommandRow]:
        """Those of the commands that are recorded."""
        ...

    def begun(self, leads: Collection[UUID]) -> set[UUID]:
        """Those of the leads that have events."""
        ...

    def leads_by_prefix(self, prefix: str, limit: int = 2) -> list[UUID]:
        """Leads whose id begins so, in order; none when it is no beginning of an id."""
        ...

    def lead_by_alias(self, external_id: str) -> UUID | None:
        """The lead of a further external id, written SYSTEM:ID."""
        ...

    def leads_by_aliases(self, external_ids: Collection[str]) -> dict[str, UUID]:
        """The leads of those external ids that are aliases."""
        ...

    def leads_by_address(self, digest: bytes) -> list[UUID]:
        """The leads that left this address (see `Keys.address_digest`), in order of id."""
        ...

    def transaction(self, *, write: bool) -> AbstractContextManager[Cursor]:
        """A transaction for tables of one's own in the same database.

        Reads see one snapshot. Writing takes the write lock at once on SQLite, so keep it
        under 50 ms there: it keeps appends waiting.
        """
        ...

    def wait(self, *, after: int, timeout: float) -> None:
        """Return when the log's end lies beyond `after`, or after `timeout` seconds."""
        ...

    def close(self) -> None:
        """End all connections; the store is of no use afterwards."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
