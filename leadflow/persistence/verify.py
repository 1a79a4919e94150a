"""Verifying the log: its hash chain recomputed, from the first event to the head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from uuid import UUID

from leadflow.domain.events import PolicyActivated
from leadflow.errors import LogCorrupt
from leadflow.persistence.chain import event_hash
from leadflow.persistence.store import NO_HASH, Head, Store

_SLICE: Final = 5_000
_BEFORE_ALL: Final = -(2**63)

Progress = Callable[[int, int], None]
"""Told how many events are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Verified:
    """Every event is what was recorded, and none is missing."""

    position: int
    """Of the last event; 0 when there is none."""
    hash: bytes
    """Of that event: to be compared with one that was written down elsewhere."""


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first place where the log is not what was recorded."""

    position: int
    what: str


class _Row(NamedTuple):
    position: int
    originator_id: str | UUID
    version: int
    topic: str
    state: bytes
    recorded_at: int
    hash: bytes


class _Different(Exception):
    def __init__(self, position: int, what: str) -> None:
        self.difference = FirstDifference(position, what)


def verify_log(store: Store, progress: Progress | None = None) -> Verified | FirstDifference:
    """Recompute the hash chain up to the log's end as it stands now.

    An event that was altered in any column, removed (the last one too), inserted or swapped
    by hand in the database is noticed. Someone who rewrites every later hash and the head as
    well is noticed only against a hash that was written down elsewhere.
    """
    try:
        head = store.head()
        last = _verify_rows(store, head, progress)
        _verify_end(store, head, last)
    except _Different as found:
        return found.difference
    except LogCorrupt as error:
        return FirstDifference(error.position, error.message)
    return Verified(head.position, head.hash)


def _verify_rows(store: Store, head: Head, progress: Progress | None) -> Head:
    """Check every row up to the head; returns the head that the rows speak of."""
    position, last, recorded_at, policy_position = 0, NO_HASH, 0, 0
    for row in _rows(store, head.position):
        position += 1
        if row.position > position:
            raise _Different(position, f"the event at position {position} is missing")
        if row.position < position:
            raise _Different(row.position, f"an event was inserted at position {row.position}")
        if _hash(row, last) != row.hash:
            raise _Different(
                position,
                f"the event at position {position} ({row.topic}, version {row.version} of"
                f" {row.originator_id}) is not what was recorded: its hash does not fit",
            )
        if row.recorded_at < recorded_at:
            raise _Different(
                position, f"the event at position {position} was recorded before the one below it"
            )
        last, recorded_at = row.hash, row.recorded_at
        if row.topic == PolicyActivated.topic:
            policy_position = position
        if progress is not None and position % _SLICE == 0:
            progress(position, head.position)
    return Head(position, last, recorded_at, policy_position)


def _verify_end(store: Store, head: Head, last: Head) -> None:
    if last.position < head.position:
        missing = last.position + 1
        raise _Different(
            missing,
            f"the event at position {missing} is missing: the log's head says that it ends at"
            f" {head.position}",
        )
    if last != head:
        raise _Different(
            head.position,
            f"the log's head was altered: it does not fit the last event, at {head.position}",
        )
    # Another snapshot than the head above, in which the log may have grown.
    with store.transaction(write=False) as cursor:
        cursor.execute(
            "SELECT h.position, min(e.position) FROM log_head h"
            " LEFT JOIN stored_events e ON e.position > h.position GROUP BY h.position"
        )
        end, inserted = cursor.fetchone()
    if inserted is not None:
        raise _Different(
            inserted,
            f"the event at position {inserted} was inserted: it lies beyond the log's end, {end}",
        )


def _hash(row: _Row, previous: bytes) -> bytes | None:
    lead_id = row.originator_id
    if not isinstance(lead_id, UUID):
        try:
            lead_id = UUID(lead_id)
        except ValueError:
            return None
        if str(lead_id) != row.originator_id:
            return None
    return event_hash(
        previous,
        row.position,
        lead_id.bytes,
        row.version,
        row.recorded_at,
        row.topic.encode(errors="surrogatepass"),
        row.state,
    )


def _rows(store: Store, upto: int) -> Iterator[_Row]:
    """Every row up to a position, in short reads: a long one makes SQLite's log grow."""
    mark = "?" if store.dialect == "sqlite" else "%s"
    query = (
        "SELECT position, originator_id, originator_version, topic, state, recorded_at, hash"
        f" FROM stored_events WHERE position > {mark} AND position <= {mark}"
        f" ORDER BY position LIMIT {_SLICE}"
    )
    after = _BEFORE_ALL
    while True:
        with store.transaction(write=False) as cursor:
            cursor.execute(query, (after, upto))
            rows: list[tuple[Any, ...]] = cursor.fetchall()
        if not rows:
            return
        for row in rows:
            yield _Row(*row)
        after = rows[-1][0]
