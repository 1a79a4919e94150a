"""Sealing behind a follower of the log, which it never keeps waiting."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from leadflow_projections.archive.logs import file_of
from leadflow_projections.archive.seal_child import Order
from leadflow_projections.archive.twin import SEGMENT_EVENTS, Archive
from leadflow_projections.children import last_words, sqlite_uri, start_child
from leadflow_projections.errors import ArchiveError

if TYPE_CHECKING:
    from leadflow.persistence.postgres.store import PostgresStore
    from leadflow.persistence.store import Store

LEAST_EVENTS: Final = 20_000
"""A shorter tail is read from the log as fast as from a segment."""
REST_SECONDS: Final = 60.0
"""Between two sealings, unless a whole segment has come together."""

_LOGGER: Final = logging.getLogger(__name__)


class Behind:
    """Starts a child when there is enough to seal; made by `sealing_behind`."""

    def __init__(self, order: Order | None) -> None:
        self._order = order
        self._child: subprocess.Popen[bytes] | None = None
        self._sealed: int | None = None
        self._asked = 0
        self._rested_at = float("-inf")
        self._said = ""

    def reached(self, position: int) -> None:
        """Say how far the follower is; returns at once. Cheap enough for every batch."""
        if self._order is None or self._is_sealing():
            return
        if self._sealed is None:
            try:
                self._sealed = Archive(Path(self._order["folder"])).survey().end
            except ArchiveError as error:
                self._complain(error.message)
                self._order = None
                return
        tail = position - self._sealed
        rested = time.monotonic() - self._rested_at >= REST_SECONDS
        if tail >= SEGMENT_EVENTS or (tail >= LEAST_EVENTS and rested):
            self._start(position)

    def close(self) -> None:
        """End a child that is at work; what it had begun is made again another time."""
        if self._child is not None:
            self._child.kill()
            self._end(self._child)

    def _is_sealing(self) -> bool:
        child = self._child
        if child is None:
            return False
        if child.poll() is None:
            return True
        if child.returncode == 0:
            self._sealed = None
        else:
            self._complain(last_words(child))
            # Not again before as much more has come: what failed may fail again.
            self._sealed = self._asked
        self._end(child)
        return False

    def _start(self, position: int) -> None:
        assert self._order is not None
        self._asked = position
        child = start_child("leadflow_projections.archive.seal_child")
        self._child = child
        assert child.stdin is not None
        with suppress(OSError):
            child.stdin.write(json.dumps({**self._order, "upto": position}).encode() + b"\n")
            child.stdin.close()

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        self._child = None
        self._rested_at = time.monotonic()

    def _complain(self, why: str) -> None:
        if why != self._said:
            _LOGGER.warning("Nothing was sealed behind the log: %s", why)
            self._said = why


@contextmanager
def sealing_behind(store: Store) -> Generator[Behind]:
    """Seal a store's log behind a follower that tells how far it is, within the block.

    Where the store has no archive, or only this process can read it, nothing is sealed.
    """
    behind = Behind(_order(store))
    try:
        yield behind
    finally:
        behind.close()


def _order(store: Store) -> Order | None:
    if store.archive is None:
        return None
    if store.dialect == "postgresql":
        uri: str | None = cast("PostgresStore", store).dsn
    else:
        uri = sqlite_uri(store, write=False)
    if uri is None:
        return None
    file = file_of(store)
    return Order(
        dialect=store.dialect,
        uri=uri,
        folder=str(store.archive.absolute()),
        like=None if file is None else str(file),
        upto=0,
    )
