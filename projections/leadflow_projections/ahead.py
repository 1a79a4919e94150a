"""Reading ahead: the next items are made in a thread while the present one is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS: Final = 0.05


class _End:
    """What comes after the last item: nothing, or what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Making(Generic[T]):
    """A thread that puts items into a queue, for as long as somebody takes them."""

    def __init__(self, items: Iterable[T], most: int) -> None:
        self._items = items
        self._queue: Queue[T | _End] = Queue(maxsize=most)
        self._stopped = Event()
        self._thread = Thread(target=self._make, name="leadflow-reading-ahead", daemon=True)
        self._thread.start()

    def taken(self) -> Generator[T]:
        """The items; what their making raised is raised here, in its place."""
        while True:
            item = self._next()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._thread.join()

    def _next(self) -> T | _End:
        while True:
            try:
                return self._queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue

    def _make(self) -> None:
        end = _End()
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            end = _End(error)
        self._put(end)

    def _put(self, item: T | _End) -> bool:
        """Put it into the queue; False when nobody takes items any more."""
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=_POLL_SECONDS)
                return True
            except Full:
                continue
        return False


@contextmanager
def ahead(items: Iterable[T], *, most: int = 1) -> Generator[Iterator[T]]:
    """Iterate over items that a thread makes, at most so many of them in advance.

    When the block is left, the thread has ended.
    """
    making = _Making(items, most)
    try:
        yield making.taken()
    finally:
        making.stop()
