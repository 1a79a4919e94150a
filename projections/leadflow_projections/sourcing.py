"""Where a fold gets the log's events from: one place for rebuilds and readings of the past."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from leadflow_projections.folding import trusted_chunks
from leadflow_projections.log_reader import open_log

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow.persistence.store import Store
    from leadflow_projections.folding import Fold

Origin = Literal["auto", "log"]
ORIGINS: Final[tuple[Origin, ...]] = ("auto", "log")


class Events:
    """Events that wait to be folded; see `open_events`."""

    def __init__(self, log: Iterable[pa.RecordBatch]) -> None:
        self._log = log

    def fold_into(
        self,
        fold: Fold,
        *,
        known_at: int | None = None,
        tell: Callable[[int], None] | None = None,
        max_rate: float | None = None,
    ) -> None:
        """Fold all of them.

        Args:
            fold: what takes them.
            known_at: only those that the log had learnt of by then (µs since the epoch).
            tell: is told after each chunk how many events the fold has taken.
            max_rate: events per second that are not exceeded, in the mean.

        Raises:
            LogCorrupt: an event is missing or cannot be read.
        """
        chunks = trusted_chunks(self._log, known_at)
        fold.add_all(chunks if max_rate is None else _paced(chunks, max_rate), tell=tell)


@contextmanager
def open_events(
    store: Store, *, origin: Origin = "auto", after: int = 0, upto: int | None = None
) -> Generator[Events]:
    """The events after a position, up to and with another; reading begins at once.

    Without `upto` they end where the log ends at the start.
    """
    assert origin in ORIGINS
    with open_log(store, after=after, upto=upto) as log:
        yield Events(log)


def fold_range(
    fold: Fold,
    store: Store,
    *,
    origin: Origin = "auto",
    after: int = 0,
    upto: int | None = None,
    known_at: int | None = None,
    tell: Callable[[int], None] | None = None,
    max_rate: float | None = None,
) -> None:
    """Fold the events of a range; the arguments are those of `open_events` and `fold_into`."""
    with open_events(store, origin=origin, after=after, upto=upto) as events:
        events.fold_into(fold, known_at=known_at, tell=tell, max_rate=max_rate)


def _paced(chunks: Iterable[pa.Table], rate: float) -> Iterator[pa.Table]:
    """The chunks, not faster than so many events per second; each small enough not to stall."""
    begun, given = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        given += chunk.num_rows
        time.sleep(max(0.0, begun + given / rate - time.monotonic()))
