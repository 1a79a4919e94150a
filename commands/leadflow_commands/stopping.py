"""Commands that go on until they are told to stop: what SIGTERM and Ctrl-C mean to them."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, current_thread, main_thread
from types import FrameType


@contextmanager
def until_told() -> Generator[Event]:
    """An event that SIGTERM and Ctrl-C set, for the block to finish what it has begun.

    Stopped so, a command is done, and exits with 0. A second signal ends it at once.
    """
    stop = Event()
    if current_thread() is not main_thread():  # where no signal can be received
        yield stop
        return
    former = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def told(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, former[signal.Signals(number)])

    for number in former:
        signal.signal(number, told)
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
