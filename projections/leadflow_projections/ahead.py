"""Reading ahead: the next items are made in a thread while the present one is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

T = TypeVar("T")
_POLL_SECONDS = 0.05


class _End(Generic[T]):
    """What comes after the last item: nothing, or what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterable[T], *, most: int = 1) -> Iterator[Iterator[T]]:
    """Iterate over items that a thread makes, at most so many of them in advance.

    What their making raises is raised here, in its place. When the block is left, the
    thread has ended.
    """
    queue: Queue[T | _End[T]] = Queue(maxsize=most)
    stopped = Event()

    def put(item: T | _End[T]) -> None:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=_POLL_SECONDS)
                return
            except Full:
                continue

    def make() -> None:
        end: _End[T] = _End()
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised where the items are used
            end = _End(error)
        put(end)

    def taken() -> Generator[T, None, None]:
        while True:
            try:
                item = queue.get(timeout=_POLL_SECONDS)
            except Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    thread = Thread(target=make, name="leadflow-reading-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        thread.join()
