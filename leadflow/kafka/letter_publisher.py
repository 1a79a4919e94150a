"""Sends dead letters on to their topic, after the store has them: at least once each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from threading import Event, Lock, Thread
from typing import Final
from uuid import UUID

from leadflow.errors import LeadflowError
from leadflow.kafka import client
from leadflow.kafka.client import Producer, Sending
from leadflow.kafka.connection import Connection
from leadflow.kafka.dead_letters import headers_of
from leadflow.kafka.errors import MessageTooLarge, kafka_errors, translated
from leadflow.kafka.records import received_again, unseal
from leadflow.persistence.codec import to_microseconds
from leadflow.persistence.inbox import DeadLetterRow
from leadflow.persistence.inbox_tables import LetterFilter, dead_letters, mark_published
from leadflow.persistence.store import Store

log = logging.getLogger("leadflow.kafka")

LEFT_BEHIND_SECONDS: Final = 60
"""A letter unpublished for so long was left behind by a worker that is gone."""
RETRY_SECONDS: Final = 5.0
_AT_ONCE: Final = 100
_LARGEST: Final = 64 * 1024 * 1024


class LetterPublisher:
    """A thread of its own, so that no message waits for a topic that does not take letters."""

    def __init__(self, store: Store, connection: Connection, topic: str, worker: str) -> None:
        self._store = store
        self._connection = connection
        self._topic = topic
        self._worker = worker
        self._mine: set[UUID] = set()
        self._lock = Lock()
        self._woken = Event()
        self._stopping = False
        self._producer: Producer | None = None
        self._thread = Thread(target=self._run, name="leadflow-letters", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self, letters: Sequence[DeadLetterRow]) -> None:
        """There are new letters."""
        with self._lock:
            self._mine |= {row.letter_id for row in letters if not row.published}
        self._woken.set()

    def stop(self) -> None:
        """Send what there is, if that can be done at once; the rest is sent another time."""
        self._stopping = True
        self._woken.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while True:
            stopping = self._stopping
            self._woken.clear()
            try:
                while self._publish_some():
                    pass
            except LeadflowError as error:
                log.warning("dead letters are kept, and not sent to %s yet: %s", self._topic, error)
            if stopping:
                break
            self._woken.wait(RETRY_SECONDS)
        if self._producer is not None:
            self._producer.close(timeout=1)

    def _publish_some(self) -> int:
        rows = self._due()
        if not rows:
            return 0
        done = [row.letter_id for row in self._send(rows)]
        mark_published(self._store, done)
        with self._lock:
            self._mine -= set(done)
        return len(done)

    def _due(self) -> list[DeadLetterRow]:
        before = to_microseconds(self._store.now()) - LEFT_BEHIND_SECONDS * 1_000_000
        waiting = dead_letters(self._store, LetterFilter(published=False), limit=10 * _AT_ONCE)
        with self._lock:
            mine = [r for r in waiting if r.letter_id in self._mine or r.failed_at < before]
        return mine[:_AT_ONCE]

    def _send(self, rows: Sequence[DeadLetterRow]) -> list[DeadLetterRow]:
        """Those that need not be sent again: taken by the topic, or too large for it."""
        sending: list[tuple[DeadLetterRow, Sending]] = []
        producer = self._the_producer()
        with kafka_errors(f"topic {self._topic}"):
            for row in rows:
                message = received_again(self._store.keys, row)
                said = unseal(self._store.keys, row.letter_id, row.sealed).said
                headers = headers_of(row, message, said, self._worker)
                # Headers without a value are kept as they are, though the port says bytes.
                sent = producer.send(self._topic, message.value, message.key, list(headers))  # type: ignore[arg-type]
                sending.append((row, sent))
            producer.flush(timeout=30)
        done: list[DeadLetterRow] = []
        for row, sent in sending:
            error = sent.exception
            if error is None:
                done.append(row)
                continue
            ours = translated(error, f"topic {self._topic}")
            if not isinstance(ours, MessageTooLarge):
                raise ours from error
            log.warning("dead letter %s lies in the store alone: %s", row.letter_id, ours.message)
            done.append(row)
        return done

    def _the_producer(self) -> Producer:
        if self._producer is None:
            self._producer = client.producer(
                self._connection, max_request_size=_LARGEST, max_block_ms=2_000
            )
        return self._producer
