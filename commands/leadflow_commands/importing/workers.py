"""Drafting in this process, or in others that leave this one free to record."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from threading import Thread
from typing import Any, Final, NamedTuple, Protocol

from leadflow.domain.policy import Policy
from leadflow.errors import LeadflowError
from leadflow.persistence.keys import Keys
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_commands.importing.drafting import Drafted, Drafter, Reads
from leadflow_commands.importing.statements import Refusal

RARELY: Final = (200_000, 50, 50)
"""When to look for cycles of garbage: facts make none, and looking takes a third of the time."""
WORTH_IT: Final = 4_000
"""Entries from which processes of their own are worth their start."""
_MOST_WORKERS: Final = 3
"""More than one process can record the work of."""
_AHEAD_PER_WORKER: Final = 4
"""Batches that may be drafted before they are needed; bounds the memory."""


class Some(NamedTuple):
    """A batch of raw entries of one source."""

    source: int
    raw: Sequence[Any]


class WorkerDied(LeadflowError):
    """A process that drafts was ended from outside, such as for want of memory."""

    code = "worker_died"


class Readers(Protocol):
    """Makes what reads each source; goes to other processes, so it has to be small."""

    def __call__(self) -> Sequence[Reads]: ...


@dataclass(frozen=True, slots=True)
class Work:
    """How entries are drafted: what reads them, and how the policy answers."""

    readers: Readers
    policy: Policy
    score: bool = False
    queue: bool = False
    seal: bool = True
    """Without it, as in a rehearsal, personal data is left out and no keys are made."""


Drafts = list[Drafted | Refusal]
Draft = Callable[[Iterable[Some]], Iterator[tuple[Some, Drafts]]]
"""Drafts batches; they come in the order given."""
Drafting = Callable[[Work], AbstractContextManager[Draft]]


@dataclass(frozen=True, slots=True)
class Here:
    """Drafts in this process; right for few entries, and for stores in memory."""

    keys: Keys

    @contextmanager
    def __call__(self, work: Work) -> Generator[Draft]:
        desk = _Desk(work, self.keys)
        yield lambda batches: ((some, desk.draft(some)) for some in batches)


@dataclass(frozen=True, slots=True)
class Workers:
    """Drafts in processes of their own, and here while there is nothing to record.

    The others know the store's key and write nothing.
    """

    url: str
    key_file: Path | None
    count: int
    keys: Keys

    @contextmanager
    def __call__(self, work: Work) -> Generator[Draft]:
        executor = ProcessPoolExecutor(
            self.count,
            # Never forked: a fork would share the parent's SQLite connection and its locks.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self.url, self.key_file, work),
        )
        queue = _Queue(executor, _Desk(work, self.keys), self.count * _AHEAD_PER_WORKER)
        try:
            with rare_collections():
                yield queue.drafted
        except BrokenProcessPool as error:
            raise WorkerDied(
                "a process that prepared the import was ended from outside",
                hint="import the same file again: it goes on where it stopped",
            ) from error
        finally:
            executor.shutdown(cancel_futures=True)


def drafting_for(store: Store, url: str, key_file: Path | None, entries: int | None) -> Drafting:
    """Processes of their own where there are cores for them and entries enough."""
    cores = os.cpu_count() or 1
    few = entries is not None and entries < WORTH_IT
    if few or cores < 2 or ":memory:" in store.url:
        return Here(store.keys)
    return Workers(url, key_file, min(cores - 1, _MOST_WORKERS), store.keys)


class _Desk:
    """What one process drafts with."""

    def __init__(self, work: Work, keys: Keys) -> None:
        self._readers = work.readers()
        self._drafter = Drafter(
            keys, work.policy, score=work.score, queue=work.queue, seal=work.seal
        )

    def draft(self, some: Some) -> Drafts:
        return self._drafter.draft(self._readers[some.source], some.raw)


@dataclass(slots=True)
class _Waiting:
    some: Some
    future: Future[Drafts]
    drafts: Drafts | None = None
    """Where they were made here."""


@dataclass(frozen=True, slots=True)
class _Queue:
    """Batches on their way through the workers, in order, a bounded number at a time."""

    executor: ProcessPoolExecutor
    desk: _Desk
    ahead: int

    def drafted(self, batches: Iterable[Some]) -> Iterator[tuple[Some, Drafts]]:
        waiting: deque[_Waiting] = deque()
        for some in batches:
            waiting.append(_Waiting(some, self.executor.submit(_draft, some)))
            if len(waiting) >= self.ahead:
                yield self._first(waiting)
        while waiting:
            yield self._first(waiting)

    def _first(self, waiting: deque[_Waiting]) -> tuple[Some, Drafts]:
        """The first batch; while it is not there, later ones are drafted here."""
        first = waiting.popleft()
        while first.drafts is None and not first.future.done() and self._help(first, waiting):
            pass
        return first.some, first.future.result() if first.drafts is None else first.drafts

    def _help(self, first: _Waiting, waiting: Iterable[_Waiting]) -> bool:
        for batch in (first, *waiting):
            if batch.drafts is None and batch.future.cancel():
                batch.drafts = self.desk.draft(batch.some)
                return True
        return False


_DESK: list[_Desk] = []
"""The worker's own, made once when it begins."""


def _begin(url: str, key_file: Path | None, work: Work) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    Thread(target=_end_with_parent, daemon=True).start()
    with open_store(url, key_file=key_file, must_write=False) as store:
        _DESK.append(_Desk(work, store.keys))
    gc.freeze()
    gc.set_threshold(*RARELY)


def _end_with_parent() -> None:
    """A parent that is killed cannot say so: without it there is nothing to draft for."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _draft(some: Some) -> Drafts:
    return _DESK[0].draft(some)


@contextmanager
def rare_collections() -> Generator[None]:
    """Let the garbage collector rest while millions of objects come and go."""
    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
