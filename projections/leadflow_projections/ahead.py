"""Reading ahead: the next items are made in a thread while the present one is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from queue import Queue
from threading import Event, Semaphore, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """What comes after the last item: nothing, or what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


class _Making(Generic[T]):
    """A thread that makes the next item while its taker works on the present one."""

    def __init__(self, items: Iterable[T]) -> None:
        self._items = items
        self._made: Queue[T | _End] = Queue(maxsize=1)
        self._wanted = Semaphore(1)
        self._stopped = Event()
        self._thread = Thread(target=self._make, name="leadflow-reading-ahead", daemon=True)
        self._thread.start()

    def taken(self) -> Generator[T]:
        """The items; what their making raised is raised here, in its place."""
        while True:
            item = self._made.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            self._wanted.release()
            yield item
            del item

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._wanted.release()
        self._thread.join()

    def _make(self) -> None:
        end = _End()
        items = iter(self._items)
        try:
            while True:
                self._wanted.acquire()
                if self._stopped.is_set():
                    return
                # Not bound to a name here, so that only its taker keeps it in memory.
                self._made.put(next(items))
        except StopIteration:
            pass
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
            end = _End(error)
        self._made.put(end)


@contextmanager
def ahead(items: Iterable[T]) -> Generator[Iterator[T]]:
    """Iterate over items of which a thread makes one in advance.

    When the block is left, the thread has ended.
    """
    making = _Making(items)
    try:
        yield making.taken()
    finally:
        making.stop()
