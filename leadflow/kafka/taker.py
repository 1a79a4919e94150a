"""The database's side of ingest: a thread that claims partitions and records what was read."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Final, NamedTuple
from uuid import UUID

from leadflow.errors import (
    ConnectionLost,
    InboxTaken,
    LeadflowError,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreUnreachable,
)
from leadflow.kafka.claiming import Bounds, Claim, claim_partition
from leadflow.kafka.errors import KafkaDenied, KafkaError
from leadflow.kafka.holding import release
from leadflow.kafka.intake import Taken, Terms, Unexpected, take
from leadflow.kafka.records import Received
from leadflow.persistence.inbox import OffsetMove
from leadflow.persistence.inbox_tables import remove_expired
from leadflow.service import Leadflow

log = logging.getLogger("leadflow.kafka")

PASSES: Final = (ConnectionLost, StoreUnreachable, StoreLocked, StoreFull)
"""Troubles of a store that are waited out: nothing is lost by it."""
RELEASE_SECONDS: Final = 1.0
EXPIRY_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 1.0


class Item(NamedTuple):
    """A message in the queue, and the claim that it was read under."""

    claim: Claim
    message: Received


@dataclass(slots=True)
class Results:
    """What has come of it since this was last asked."""

    claims: list[Claim] = field(default_factory=list[Claim])
    broken: set[int] = field(default_factory=set[int])
    """Partitions to be claimed anew."""
    moved: dict[int, int] = field(default_factory=dict[int, int])
    """How far the database is now, by partition."""
    taken: Taken = field(default_factory=Taken)


class Taker:
    """Records what the reading thread hands over; that thread never waits for the database."""

    def __init__(
        self,
        leads: Leadflow,
        topic: str,
        terms: Terms,
        *,
        holder: str,
        topic_id: Callable[[], UUID | None],
        most: int = 1_000,
    ) -> None:
        self._leads = leads
        self._topic = topic
        self._terms = terms
        self._holder = holder
        self._topic_id = topic_id
        self._most = most
        self._turn = Condition()
        self._requests: dict[int, Bounds] = {}
        self._queue: deque[Item] = deque()
        self._results = Results()
        self._busy = False
        self._stopping = False
        self._failure: Exception | None = None
        self._next_release = self._next_expiry = 0.0
        self._thread = Thread(target=self._run, name="leadflow-ingest", daemon=True)

    # For the reading thread

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_for(self, partition: int, bounds: Bounds) -> None:
        """Claim a partition; the claim comes with the results."""
        with self._turn:
            self._requests[partition] = bounds
            self._turn.notify_all()

    def put(self, items: Sequence[Item]) -> None:
        """Hand over messages, in order."""
        with self._turn:
            self._queue.extend(items)
            self._turn.notify_all()

    def wait_for_room(self, seconds: float) -> bool:
        """Whether the queue takes more, waiting a little for it."""
        with self._turn:
            return self._turn.wait_for(self._has_room, timeout=seconds)

    def _has_room(self) -> bool:
        return len(self._queue) < 4 * self._most or self._failure is not None

    @property
    def idle(self) -> bool:
        """Whether everything that was handed over is done."""
        with self._turn:
            return not (self._queue or self._requests or self._busy)

    def results(self) -> Results:
        """What has come of it since the last call.

        Raises:
            LeadflowError: what has stopped it.
        """
        with self._turn:
            if self._failure is not None:
                raise self._failure
            results, self._results = self._results, Results()
        return results

    def stop(self) -> Results:
        """Finish the transaction that is open, and end; what is queued is left to the next."""
        with self._turn:
            self._stopping = True
            self._turn.notify_all()
        self._thread.join()
        return self._results

    # The thread itself

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._step()
        except Exception as error:  # noqa: BLE001 - raised again where results are asked for
            with self._turn:
                self._failure = error
                self._turn.notify_all()

    def _step(self) -> None:
        with self._turn:
            self._busy = False
            self._turn.notify_all()
            self._turn.wait_for(
                lambda: self._requests or self._queue or self._stopping, timeout=RELEASE_SECONDS
            )
            if self._stopping:
                return
            self._busy = True
            requests, self._requests = self._requests, {}
            items = self._next_items()
        try:
            for partition, bounds in requests.items():
                self._claim(partition, bounds)
                requests = {p: b for p, b in requests.items() if p != partition}
            if items:
                self.record(items)
                items = []
            self._look_after()
        except KafkaDenied:
            raise
        except (*PASSES, KafkaError) as error:
            self._wait_out(error, requests, items)

    def _next_items(self) -> list[Item]:
        items: list[Item] = []
        while self._queue and len(items) < self._most:
            item = self._queue.popleft()
            if item.claim.live:
                items.append(item)
        return items

    def _wait_out(
        self, error: LeadflowError, requests: dict[int, Bounds], items: Sequence[Item]
    ) -> None:
        log.warning("%s; ingest goes on when that has passed", error.message)
        with self._turn:
            self._requests = {**requests, **self._requests}
            self._queue.extendleft(reversed(items))
            self._turn.wait_for(lambda: self._stopping, timeout=RETRY_SECONDS)

    def _claim(self, partition: int, bounds: Bounds) -> None:
        try:
            made = claim_partition(self._leads.store, self._topic, partition, bounds, self._holder)
        except InboxTaken:
            with self._turn:
                self._results.broken.add(partition)
            return
        with self._turn:
            self._results.claims.append(made)

    def record(self, items: Sequence[Item]) -> None:
        """Record messages and move the offsets of their partitions, in one transaction."""
        claims = {item.claim.partition: item.claim for item in items}
        if not self._same_topic(claims):
            self._broken(claims)
            return
        self._record_some(items)

    def _same_topic(self, claims: dict[int, Claim]) -> bool:
        """Whether the messages are still of the topic that was claimed.

        Asked after they were read: a topic that was deleted and made again between has other
        messages under the same offsets.
        """
        now = self._topic_id()
        return all(claim.topic_id == now for claim in claims.values())

    def _record_some(self, items: Sequence[Item]) -> None:
        """Record them; one that cannot be taken at all is found, and holds up no other."""
        parts = [items]
        while parts:
            part = parts.pop()
            error = self._tried(part)
            if error is None:
                continue
            if len(part) > 1:
                half = len(part) // 2
                parts += [part[half:], part[:half]]
                continue
            place = part[0].message.origin
            log.error(
                "the message at offset %d of %s partition %d stands aside, a dead letter",
                *(place.offset, place.topic, place.partition),
                exc_info=error,
            )
            self._commit(part, Unexpected(f"{type(error).__name__}: {error}"))

    def _tried(self, items: Sequence[Item]) -> Exception | None:
        """What was unexpected; None when they are recorded, or left to another worker."""
        if not all(item.claim.live for item in items):
            return None
        try:
            self._commit(items)
        except InboxTaken as error:
            log.info("%s", error.message)
            self._broken({item.claim.partition: item.claim for item in items})
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            return error
        return None

    def _commit(self, items: Sequence[Item], failure: Unexpected | None = None) -> None:
        last = {item.claim.partition: item for item in items}
        moves = [
            OffsetMove(
                self._topic,
                partition,
                item.claim.topic_id,
                self._holder,
                item.claim.next_offset,
                item.message.origin.offset + 1,
            )
            for partition, item in last.items()
        ]
        messages = [item.message for item in items]
        taken = take(self._leads, messages, self._terms, moves=moves, failure=failure)
        for move in moves:
            last[move.partition].claim.next_offset = move.next_offset
        with self._turn:
            self._results.moved |= {move.partition: move.next_offset for move in moves}
            self._results.taken.add(taken)

    def _broken(self, claims: dict[int, Claim]) -> None:
        for claim in claims.values():
            claim.live = False
        with self._turn:
            self._results.broken |= claims.keys()

    def _look_after(self) -> None:
        """Try what is held again, and forget dead letters whose time is up."""
        now = time.monotonic()
        if now >= self._next_release:
            try:
                released = release(self._leads, self._terms)
            except InboxTaken:
                return  # another worker is at it
            with self._turn:
                self._results.taken.add(released)
            self._next_release = time.monotonic() + RELEASE_SECONDS
        if now >= self._next_expiry:
            removed = remove_expired(self._leads.store)
            if removed:
                log.info("%d dead letters were removed, as their time was up", removed)
            self._next_expiry = now + EXPIRY_SECONDS
