"""The relay: publishes every event of the log, in order, exactly once.

One transaction carries consecutive events and the position of the last of them, many under
load and few when idle. The client speaks the transaction protocol before KIP-890, in which a
message that arrives late may land in a later transaction; hence the position in every record,
a new producer after any timeout, and the comparison with the topic's end at each start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any, Final

from leadflow.errors import ConnectionLost, StoreLocked, StoreUnreachable
from leadflow.kafka import client
from leadflow.kafka.client import Producer, Sending
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import (
    BrokerTimeout,
    KafkaDenied,
    KafkaError,
    MessageTooLarge,
    TopicMissing,
    kafka_errors,
    translated,
)
from leadflow.kafka.relay_documents import partitioner, publisher
from leadflow.kafka.relay_topics import (
    Reached,
    RelayMismatch,
    Topics,
    compare,
    end_offsets,
    last_position,
    read_reached,
    read_tails,
)
from leadflow.persistence.store import NO_HASH, RecordedEvent, Store

_log: Final = logging.getLogger(__name__)

PRODUCED, COMMITTING, COMMITTED = "produced", "committing", "committed"
"""What a watcher is told: all is sent, the transaction is about to end, it has ended."""

_FINAL: Final = (KafkaDenied, TopicMissing, MessageTooLarge, RelayMismatch)
"""Errors that come again, however often it is tried."""
_STORE_AWAY: Final = (ConnectionLost, StoreUnreachable, StoreLocked)
_WAITS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before another producer is made; the last again and again."""
_PAGE: Final = 1_000


class RelaySuperseded(KafkaError):
    """Another relay publishes to the same topic."""

    code = "relay_superseded"


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a transaction gets, and how long Kafka may take."""

    events: int = 20_000
    seconds: float = 2.0
    """A transaction that is still growing then is ended."""
    transaction_seconds: float = 30.0
    """After which the broker gives up a transaction whose relay is silent."""
    answer_seconds: float = 30.0
    """After which a producer that got no answer is thrown away."""


@dataclass(frozen=True, slots=True)
class Relayed:
    """What a relay did."""

    events: int
    transactions: int
    position: int
    """Of the last event that is published."""


class Relay:
    """Publishes one log to one topic; made anew for each run."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        *,
        topics: Topics | None = None,
        personal: bool = False,
        limits: Limits | None = None,
        progress: Callable[[int, int], object] = lambda _position, _end: None,
        watcher: Callable[[str], object] = lambda _step: None,
        stop: Event | None = None,
    ) -> None:
        self._store = store
        self._connection = connection
        self._topics = topics or Topics()
        self._publish = publisher(store, personal=personal)
        self._limits = limits or Limits()
        self._progress = progress
        self._watcher = watcher
        self._stop = stop or Event()
        self._position = 0  # as long as nothing is known
        self._attempted = 0
        """The last position of the last transaction that may have been committed."""
        self._first = 1
        self._began: Mapping[int, int] | None = None
        """Where it was told to begin, and by partition the offset there; None until known."""
        self._events = self._transactions = 0

    def run(self, *, once: bool = False, from_position: int | None = None) -> Relayed:
        """Publish what is not published yet, and go on until told to stop, or with `once` until
        the log's end as it stands now. What was begun is finished then.

        `from_position` is where to begin, whatever was published before.

        Raises:
            RelayMismatch: the topic does not hold what its relay wrote there.
            RelaySuperseded: another relay publishes to it.
            KafkaDenied, TopicMissing, MessageTooLarge, BrokerUnreachable: as their names say.
        """
        target = self._store.head().position if once else None
        begun, failures = False, 0
        while True:
            before = self._position
            try:
                with self._producer() as producer:
                    self._position = self._resume(from_position, begun=begun)
                    self._attempted = self._position
                    begun = True
                    self._follow(producer, target)
            except _FINAL:
                raise
            except (KafkaError, *_STORE_AWAY) as error:
                failures = 0 if self._position > before else failures + 1
                if not begun or isinstance(error, RelaySuperseded):
                    raise
                _log.warning("%s; beginning anew with another producer", error.message)
                if not self._stop.wait(_WAITS[min(failures, len(_WAITS) - 1)]):
                    continue
            return Relayed(self._events, self._transactions, self._position)

    @property
    def position(self) -> int:
        """Of the last event that is known to be published."""
        return self._position

    def published(self) -> int:
        """How far the topic goes, by what the relay wrote down, else by what it holds.

        Raises:
            TopicMissing, BrokerUnreachable, KafkaDenied: it cannot be told.
        """
        reader = client.consumer(self._connection)
        try:
            reached = read_reached(reader, self._topics)
            if reached is not None:
                return reached.position
            return last_position(read_tails(reader, self._topics))
        finally:
            reader.close()

    def _resume(self, from_position: int | None, *, begun: bool) -> int:
        """The position published last, when the topics agree about it and with the log."""
        reader = client.consumer(self._connection)
        events = self._topics.events
        try:
            reached = read_reached(reader, self._topics)
            if from_position is not None:
                if self._began is None:
                    self._check_log(from_position - 1)
                    self._first, self._began = from_position, end_offsets(reader, self._topics)
                if reached is None or reached.began != self._began:
                    return from_position - 1
            tails = read_tails(reader, self._topics, reached.began if reached else None)
        finally:
            reader.close()
        last = last_position(tails)
        if reached is None:
            if last or not all(tail.whole for tail in tails):
                raise RelayMismatch(
                    f"{events} holds events up to position {last}, and {self._topics.positions}"
                    " does not say how far its relay has come",
                    hint=f"`leadflow kafka relay --from-position {last + 1}` goes on behind them",
                )
            return 0
        if begun and reached.position > max(self._position, self._attempted):
            raise RelaySuperseded(
                f"another relay publishes to {events}: it has come to position {reached.position}",
                hint="run one relay for each topic",
            )
        if begun and reached.position < self._position:
            # A broker that comes back shows for a moment less than it acknowledged.
            raise BrokerTimeout(
                f"{self._topics.positions} shows position {reached.position}, and"
                f" {self._position} was acknowledged: it is not all there yet"
            )
        self._check_log(reached.position, reached.hash)
        compare(tails, reached.position, events, first=reached.first)
        self._first, self._began = reached.first, reached.began
        return reached.position

    def _check_log(self, position: int, expected: bytes | None = None) -> None:
        """Refuse a log that is not, or is no longer, the one that was published."""
        end = self._store.head().position
        events = self._topics.events
        if position > end:
            raise RelayMismatch(
                f"{events} is published up to position {position}, and the log ends at {end}",
                hint="was the store restored from an older copy? Publish it to another --topic",
            )
        if expected is not None and self._hash(position) != expected:
            raise RelayMismatch(
                f"{events} was published from another log: the event at position {position} is"
                " not the same",
                hint="publish each log to a topic of its own, named by --topic",
            )

    def _hash(self, position: int) -> bytes:
        if position == 0:
            return NO_HASH
        with self._store.transaction(write=False) as cursor:
            cursor.execute(f"SELECT hash FROM stored_events WHERE position = {int(position)}")
            return bytes(cursor.fetchone()[0])

    def _follow(self, producer: Producer, target: int | None) -> None:
        while not self._stop.is_set() and (target is None or self._position < target):
            page = self._next(self._position, target, self._limits.events)
            if page:
                self._transact(producer, page, target)
            else:
                self._store.wait(after=self._position, timeout=0.5)

    def _next(self, position: int, target: int | None, room: int) -> list[RecordedEvent]:
        """The next events, no more than there is room for in the transaction."""
        limit = min(_PAGE, room) if target is None else min(_PAGE, room, target - position)
        return self._store.page(after=position, limit=limit).events if limit > 0 else []

    def _transact(self, producer: Producer, page: list[RecordedEvent], target: int | None) -> None:
        """Publish a page, and what comes behind it as long as there is more, in one go."""
        with kafka_errors(f"publishing to {self._topics.events}"):
            producer.begin_transaction()
            sent, last = self._send(producer, page, target)
            reached = Reached(last, self._hash(last), self._first, self._began or {})
            key = self._topics.events.encode()
            sent.append(
                producer.send(self._topics.positions, reached.to_record(), key, partition=0)
            )
            self._watcher(PRODUCED)
            producer.flush(self._limits.answer_seconds)
            _see_that_all_are_there(sent, self._topics.events)
            self._attempted = last
            self._watcher(COMMITTING)
            self._within(producer.commit_transaction, "ending the transaction")
        self._watcher(COMMITTED)
        self._position = last
        self._events += len(sent) - 1
        self._transactions += 1

    def _send(
        self, producer: Producer, page: list[RecordedEvent], target: int | None
    ) -> tuple[list[Sending], int]:
        until = time.monotonic() + self._limits.seconds
        topic, publish, send = self._topics.events, self._publish, producer.send
        partition_of = partitioner(len(producer.partitions_for(topic)))
        sent: list[Sending] = []
        while True:
            for event in page:
                published = publish(event)
                sent.append(
                    send(
                        topic,
                        published.value,
                        published.key,
                        published.headers,
                        partition=partition_of(published.key),
                    )
                )
            last = page[-1].position
            self._progress(last, target or last)
            room = self._limits.events - len(sent)
            if self._stop.is_set() or time.monotonic() > until:
                return sent, last
            page = self._next(last, target, room)
            if not page:
                return sent, last

    @contextmanager
    def _producer(self) -> Generator[Producer]:
        """A new producer of the relay's name: those before it can write no more."""
        limits = self._limits
        producer = client.producer(
            self._connection,
            transactional_id=self._topics.transactional_id,
            transaction_timeout_ms=round(limits.transaction_seconds * 1000),
            max_block_ms=round(limits.answer_seconds * 1000),
            delivery_timeout_ms=round(limits.answer_seconds * 1000),
            request_timeout_ms=round(limits.answer_seconds * 500),
            retry_backoff_ms=20,
            reconnect_backoff_max_ms=1_000,
            max_request_size=64 * 1024 * 1024,  # the topic decides what is too large
        )
        try:
            with kafka_errors(f"the topic {self._topics.events}"):
                producer.init_transactions()
            yield producer
        except Exception:
            _abandon(producer)
            raise
        except BaseException:  # stopped: readers need not wait for the transaction's time-out
            with suppress(Exception):
                self._within(producer.abort_transaction, "giving up the transaction", 5.0)
            _abandon(producer)
            raise
        producer.close(timeout=5)

    def _within(self, call: Callable[[], None], what: str, seconds: float | None = None) -> None:
        """Call what may wait for ever, and wait no longer than that."""
        errors: list[Exception] = []

        def run() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits
                errors.append(error)

        thread = Thread(target=run, name="leadflow-relay", daemon=True)
        thread.start()
        seconds = self._limits.answer_seconds if seconds is None else seconds
        thread.join(seconds)
        if thread.is_alive():
            raise BrokerTimeout(f"{what} took more than {seconds:.0f} s")
        if errors:
            raise errors[0]


def _see_that_all_are_there(sent: list[Sending], topic: str) -> None:
    failed = next((sending for sending in sent if sending.failed()), None)
    if failed is not None and failed.exception is not None:
        raise translated(failed.exception, f"publishing to {topic}") from failed.exception


def _abandon(producer: Any) -> None:
    """Throw a producer away, whatever it still has to send."""
    try:
        producer.close(timeout=0)
    except Exception:  # noqa: BLE001 - it waits for what it could not send
        producer._sender.force_close()
