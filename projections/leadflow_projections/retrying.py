"""Replaying what is parked, in order, once its cause is mended; runners need not stop.

Each stream is one short transaction. It takes the stream's checkpoint first, so that the
runner that holds it waits, or, having folded a batch meanwhile, notices and folds it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadflow_projections.buckets import bucket_of
from leadflow_projections.checkpoint_tables import CHECKPOINTS, PARKED
from leadflow_projections.checkpoints import Build, all_builds
from leadflow_projections.foldings import fold_events_at
from leadflow_projections.following import Followed
from leadflow_projections.log_reader import missing_event
from leadflow_projections.parking import Lot, Parked, parked_in
from leadflow_projections.physical import upsert_rows, with_marks

if TYPE_CHECKING:
    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.algebra import Projection

_THIS = "WHERE projection = ? AND version = ? AND build = ?"
_EVENTS = {
    "sqlite": (
        "SELECT position, originator_id, originator_version, topic, state, recorded_at "
        "FROM stored_events WHERE originator_id = ? AND position BETWEEN ? AND ? "
        "ORDER BY position"
    ),
    "postgresql": (
        "SELECT position, originator_id::text, originator_version, topic, state, recorded_at "
        "FROM stored_events WHERE originator_id = %s::uuid AND position BETWEEN %s AND %s "
        "ORDER BY position"
    ),
}


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of one parked stream."""

    build: Build
    stream: str
    replayed: int
    """Events that are in the rows now."""
    left: int
    """Events that still wait."""
    reason: str | None
    """Why they do."""


def parked_streams(store: Store, names: Sequence[str] | None = None) -> list[tuple[Build, Parked]]:
    """Every parked stream of the named projections' builds; None means all."""
    builds = [b for b in all_builds(store) if b.parked and (names is None or b.projection in names)]
    with store.transaction(write=False) as cursor:
        return [
            (build, parked)
            for build in builds
            for parked in parked_in(cursor, store.dialect, build)
        ]


def retry(store: Store, build: Build, projection: Projection, stream: str) -> Retried:
    """Replay a parked stream's events into a build's rows, up to the first that still fails.

    Raises:
        LogCorrupt: when one of them is not in the log any more.
    """
    bucket = bucket_of(stream) if build.buckets > 1 else 0
    with store.transaction(write=True) as cursor:
        parked = _locked(cursor, store.dialect, build, bucket, stream)
        if parked is None:
            return Retried(build, stream, 0, 0, None)
        rows = _events(cursor, store.dialect, parked)
        followed, lot = Followed(build, projection), Lot()
        folded = fold_events_at(cursor, store.dialect, followed, lot, rows)
        for table, made in folded.rows if folded.events else ():
            upsert_rows(cursor, store.dialect, table, followed.stored(table), made)
        _count(cursor, store.dialect, build, bucket, folded.events)
        left = lot.waiting.get(stream)
        if left is None:
            _change(cursor, store.dialect, f"DELETE FROM {PARKED} {_THIS}", build, stream)
            return Retried(build, stream, folded.events, 0, None)
        _change(
            cursor,
            store.dialect,
            f"UPDATE {PARKED} SET first_position = ?, events = ?, reason = ? {_THIS}",
            build,
            stream,
            left.first_position,
            left.events,
            left.reason,
        )
        return Retried(build, stream, folded.events, left.events, left.reason)


def _locked(cursor: Cursor, dialect: str, build: Build, bucket: int, stream: str) -> Parked | None:
    """What is parked of the stream, once nobody else can move its checkpoint."""
    _count(cursor, dialect, build, bucket, 0)
    found = parked_in(cursor, dialect, build)
    return next((each for each in found if each.stream == stream), None)


def _count(cursor: Cursor, dialect: str, build: Build, bucket: int, events: int) -> None:
    cursor.execute(
        with_marks(dialect, f"UPDATE {CHECKPOINTS} SET folded = folded + ? {_THIS} AND bucket = ?"),
        (events, *build.key, bucket),
    )


def _events(cursor: Cursor, dialect: str, parked: Parked) -> list[Sequence[Any]]:
    cursor.execute(_EVENTS[dialect], (parked.stream, parked.first_position, parked.last_position))
    rows: list[Sequence[Any]] = cursor.fetchall()
    if len(rows) != parked.events:
        raise missing_event(parked.first_position)
    return rows


def _change(
    cursor: Cursor, dialect: str, statement: str, build: Build, stream: str, *values: object
) -> None:
    cursor.execute(
        with_marks(dialect, f"{statement} AND stream = ?"), (*values, *build.key, stream)
    )
