"""How far into the log a build's rows reach, bucket by bucket, and folding from one to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, cast

from leadflow_projections.buckets import BUCKETS, bucket_of
from leadflow_projections.folding import CHUNK_ROWS
from leadflow_projections.judging import trusted
from leadflow_projections.log_reader import in_chunks, open_log
from leadflow_projections.physical import with_marks
from leadflow_projections.sourcing import Origin, fold_range

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow.persistence.store import Store
    from leadflow_projections.builds import Build
    from leadflow_projections.folding import Fold

Reach = tuple[int, ...]
"""For each of the 16 buckets of streams the last position whose event is in the rows."""

Tell = Callable[[int], None]
NOTHING: Reach = (0,) * BUCKETS


def reach_of(build: Build) -> Reach:
    """How far a build's rows reach."""
    if build.buckets == 1:
        return (build.position,) * BUCKETS
    positions = {each.bucket: each.position for each in build.checkpoints}
    return tuple(positions[bucket] for bucket in range(BUCKETS))


def fold_between(
    fold: Fold,
    store: Store,
    after: Reach,
    upto: Reach,
    *,
    origin: Origin = "auto",
    without: Mapping[str, int] | None = None,
    tell: Tell | None = None,
) -> None:
    """Fold the events that one reach has and the other has not yet.

    Args:
        fold: what takes them.
        store: whose log is read.
        after: where the fold stands.
        upto: where it shall come to.
        origin: see `sourcing.open_events`.
        without: streams whose events are left out, from a position on, unread.
        tell: is told how many events the fold has taken.

    Raises:
        LogCorrupt: an event is missing or cannot be read.
    """
    even_from, even_to = max(after), min(upto)
    if without or even_from >= even_to:
        _fold_chosen(fold, store, (min(after), max(upto)), _Choice(after, upto, without), tell)
        return
    uneven = _Choice(after, upto, None)
    _fold_chosen(fold, store, (min(after), even_from), uneven, tell)
    fold_range(fold, store, origin=origin, after=even_from, upto=even_to, tell=tell)
    _fold_chosen(fold, store, (even_to, max(upto)), uneven, tell)


def events_within(store: Store, reach: Reach) -> int:
    """How many events of the log a reach takes in."""
    least, most = min(reach), max(reach)
    end = store.head().position
    if least == most or least >= end:
        return min(least, end)
    statement = (
        "SELECT originator_id, position FROM stored_events WHERE position > ? AND position <= ?"
    )
    with store.transaction(write=False) as cursor:
        cursor.execute(with_marks(store.dialect, statement), (least, most))
        beyond: int = sum(at <= reach[bucket_of(str(stream))] for stream, at in cursor.fetchall())
    return least + beyond


class _Choice:
    """Which events of a chunk of log rows are folded."""

    def __init__(self, after: Reach, upto: Reach, without: Mapping[str, int] | None) -> None:
        self._after = after
        self._upto = upto
        self._without = without or {}

    def of(self, chunk: pa.Table) -> pa.Table:
        import pyarrow as pa

        wanted: list[bool] = []
        streams = cast("list[str]", chunk["originator_id"].to_pylist())
        positions = cast("list[int]", chunk["position"].to_pylist())
        for stream, position in zip(streams, positions, strict=True):
            bucket = bucket_of(stream)
            parked_from = self._without.get(stream)
            wanted.append(
                self._after[bucket] < position <= self._upto[bucket]
                and (parked_from is None or position < parked_from)
            )
        return chunk.filter(pa.array(wanted))


def _fold_chosen(
    fold: Fold, store: Store, within: tuple[int, int], choice: _Choice, tell: Tell | None
) -> None:
    after, upto = within
    if after >= upto:
        return
    with open_log(store, after=after, upto=upto) as log:
        fold.add_all(_chosen(in_chunks(log, CHUNK_ROWS), choice), tell=tell)


def _chosen(chunks: Iterator[pa.Table], choice: _Choice) -> Iterator[pa.Table]:
    for chunk in chunks:
        yield trusted(choice.of(chunk))
