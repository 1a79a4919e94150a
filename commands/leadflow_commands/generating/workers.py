"""Parts of a plan told in this process, or in others that leave this one free to record."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leadflow.domain.policy import Policy
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_commands.generating.plan import Plan
from leadflow_commands.generating.telling import Part, Storyteller

Tell = Callable[[Iterator[range]], Iterator[Part]]
"""Tells these leads; the parts come in the order asked for."""
Telling = Callable[[Plan, Policy], AbstractContextManager[Tell]]

RARELY: Final = (200_000, 50, 50)
"""When to look for cycles of garbage: events make none, and looking takes a third of the time."""
_WORTH_IT: Final = 1_500
_MOST_WORKERS: Final = 3
"""More than one process can record the work of."""
_AHEAD: Final = 24
"""Parts that may be told before they are needed; bounds the memory."""


@dataclass(frozen=True, slots=True)
class Here:
    """Tells in this process; right for small histories, and for stores in memory."""

    store: Store

    @contextmanager
    def __call__(self, plan: Plan, policy: Policy) -> Generator[Tell]:
        storyteller = Storyteller(plan, policy, self.store.keys)
        yield lambda ranges: map(storyteller.tell, ranges)


@dataclass(frozen=True, slots=True)
class Workers:
    """Tells in processes of their own, which know the store's key and write nothing."""

    url: str
    key_file: Path | None
    count: int

    @contextmanager
    def __call__(self, plan: Plan, policy: Policy) -> Generator[Tell]:
        executor = ProcessPoolExecutor(
            self.count,
            # Never forked: a fork would share the parent's SQLite connection and its locks.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self.url, self.key_file, plan, policy),
        )
        try:
            yield lambda ranges: _in_order(executor, ranges)
        finally:
            executor.shutdown(cancel_futures=True)


def telling_for(store: Store, url: str, key_file: Path | None, leads: int) -> Telling:
    """Processes of their own where there are cores for them and leads enough to be worth it."""
    cores = os.cpu_count() or 1
    if leads < _WORTH_IT or cores < 2 or ":memory:" in url:
        return Here(store)
    return Workers(url, key_file, min(cores, _MOST_WORKERS))


def _in_order(executor: ProcessPoolExecutor, ranges: Iterator[range]) -> Iterator[Part]:
    waiting: deque[Future[Part]] = deque()
    for numbers in ranges:
        waiting.append(executor.submit(_tell, numbers))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


_STORYTELLER: list[Storyteller] = []
"""The worker's own, made once when it begins."""


def _begin(url: str, key_file: Path | None, plan: Plan, policy: Policy) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    gc.freeze()
    gc.set_threshold(*RARELY)
    store = open_store(url, key_file=key_file, must_write=False)
    _STORYTELLER.append(Storyteller(plan, policy, store.keys))


@contextmanager
def rare_collections() -> Generator[None]:
    """Let the garbage collector rest while millions of objects come and go."""
    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _tell(numbers: range) -> Part:
    return _STORYTELLER[0].tell(numbers)
