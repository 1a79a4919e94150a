"""Parked streams: a lead whose event cannot be taken in waits, with all that follows it.

An event that cannot be decoded or folded parks its stream in the build that met it: that
event and the stream's later ones are left out, in order, and counted; every other stream
goes on. Streams that are no leads' (the policy's, a source's spend) are parked alike. What
waits is in `leadflow_parked`, in the transaction that moves the checkpoint past it, so that
the events of the log are always those that are folded and those that are parked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import LogCorrupt
from leadflow_projections.checkpoint_tables import PARKED, insert
from leadflow_projections.errors import BuildTaken
from leadflow_projections.judging import judged_state, trusted
from leadflow_projections.moments import microseconds
from leadflow_projections.physical import with_marks

if TYPE_CHECKING:
    from datetime import datetime

    import pyarrow as pa

    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.builds import Build, Key

_THIS: Final = "WHERE projection = ? AND version = ? AND build = ?"
_FEW: Final = 8
"""So many poisoned streams are looked for one after the other; among more, each event is."""


@dataclass(slots=True)
class Waiting:
    """What waits of one stream."""

    first_position: int
    last_position: int
    events: int
    reason: str

    def add(self, position: int) -> None:
        """One event more, of a later position."""
        self.last_position = position
        self.events += 1


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked stream of a build, as the store has it."""

    key: Key
    stream: str
    first_position: int
    last_position: int
    events: int
    reason: str
    parked_at: int
    """When it was met, in microseconds since the epoch."""


class Lot:
    """What a build has parked, and what a batch adds."""

    def __init__(self, streams: Iterable[str] = ()) -> None:
        self.streams = set(streams)
        """Parked in the store."""
        self.waiting: dict[str, Waiting] = {}
        """What the batch adds, by stream."""

    def holds(self, stream: str) -> bool:
        """Whether the stream is parked."""
        return stream in self.streams or stream in self.waiting

    def has(self, stream: str, position: int) -> bool:
        """Whether an event of the stream waits, which those before the first poison do not."""
        if stream in self.waiting:
            return position > self.waiting[stream].first_position
        return stream in self.streams

    def add(self, stream: str, position: int, reason: str = "") -> None:
        """Let an event wait: the first of its stream, for a reason, or a later one."""
        if stream in self.waiting:
            self.waiting[stream].add(position)
        else:
            self.waiting[stream] = Waiting(position, position, 1, reason)

    @property
    def events(self) -> int:
        """How many events the batch adds."""
        return sum(each.events for each in self.waiting.values())

    def settle(self) -> None:
        """What was added is in the store."""
        self.streams.update(self.waiting)
        self.waiting = {}


def parked_in(cursor: Cursor, dialect: str, build: Build) -> list[Parked]:
    """A build's parked streams, in the order in which they were met in the log."""
    cursor.execute(
        with_marks(
            dialect,
            "SELECT stream, first_position, last_position, events, reason, parked_at "
            f"FROM {PARKED} {_THIS} ORDER BY first_position",
        ),
        build.key,
    )
    return [Parked(build.key, *row) for row in cursor.fetchall()]


def parked_events(store: Store, build: Build) -> int:
    """How many events a build has parked."""
    with store.transaction(write=False) as cursor:
        return sum(each.events for each in parked_in(cursor, store.dialect, build))


def write_parked(cursor: Cursor, dialect: str, build: Build, lot: Lot, now: datetime) -> None:
    """Write what a batch adds to a build's parked streams.

    Raises:
        BuildTaken: when a stream is not parked any more: somebody replayed it. The
            transaction must be rolled back.
    """
    new = [(s, w) for s, w in lot.waiting.items() if s not in lot.streams]
    insert(
        cursor,
        dialect,
        PARKED,
        [
            (*build.key, stream, w.first_position, w.last_position, w.events, w.reason, at)
            for at in (microseconds(now),)
            for stream, w in new
        ],
    )
    for stream in lot.waiting.keys() & lot.streams:
        more = lot.waiting[stream]
        cursor.execute(
            with_marks(
                dialect,
                f"UPDATE {PARKED} SET events = events + ?, last_position = ? {_THIS} "
                "AND stream = ?",
            ),
            (more.events, more.last_position, *build.key, stream),
        )
        if cursor.rowcount != 1:
            raise BuildTaken(build.projection, build.build, None, None)


class Sifter:
    """Parks while a log is folded in chunks: for a rebuild that is told to."""

    def __init__(self) -> None:
        self.lot = Lot()
        """What waits, to be written with the first checkpoint; see `write_parked`."""

    def chunks(self, chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Chunks of log rows, trusted, without what is parked; positions must ascend."""
        for chunk in chunks:
            yield self.sift(chunk)

    def sift(self, chunk: pa.Table) -> pa.Table:
        """One chunk, the same way."""
        chunk = self._without_parked(chunk)
        for _ in range(_FEW):
            try:
                return trusted(chunk)
            except LogCorrupt as poison:
                chunk = self._parked_from(chunk, {poison.position: poison.message})
        poisons = {int(row["position"]): why for row in chunk.to_pylist() if (why := _poison(row))}
        return trusted(self._parked_from(chunk, poisons))

    def _without_parked(self, chunk: pa.Table) -> pa.Table:
        return self._parked_from(chunk, {}) if self.lot.waiting else chunk

    def _parked_from(self, chunk: pa.Table, poisons: Mapping[int, str]) -> pa.Table:
        """The chunk without what is parked, from the poisoned positions on."""
        import pyarrow as pa

        kept: list[bool] = []
        places: list[dict[str, Any]] = chunk.select(["position", "originator_id"]).to_pylist()
        for position, stream in ((int(p["position"]), str(p["originator_id"])) for p in places):
            parked = self.lot.has(stream, position) or position in poisons
            if parked:
                self.lot.add(stream, position, poisons.get(position, ""))
            kept.append(not parked)
        return chunk.filter(pa.array(kept, pa.bool_()))


def _poison(row: Mapping[str, Any]) -> str | None:
    try:
        judged_state(row)
    except LogCorrupt as poison:
        return poison.message
    return None
