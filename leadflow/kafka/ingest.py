"""Ingest: a member of a consumer group whose offsets lie in the database.

This thread reads and answers the group; `Taker`'s thread records. So the group never waits
for the database, and a slow one never gets this worker thrown out.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Final
from uuid import UUID, uuid4

from leadflow.errors import LeadflowError
from leadflow.kafka.claiming import Bounds, Claim
from leadflow.kafka.client import Record
from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import KafkaDenied, TopicMissing, kafka_errors, translated
from leadflow.kafka.inbox_consumer import InboxConsumer, TopicWatch
from leadflow.kafka.intake import Taken, Terms
from leadflow.kafka.letter_publisher import LetterPublisher
from leadflow.kafka.records import Received
from leadflow.kafka.taker import Item, Taker
from leadflow.kafka.worker_lock import only_worker
from leadflow.persistence.inbox import Origin
from leadflow.service import Leadflow

log = logging.getLogger("leadflow.kafka")

INBOX: Final = "leadflow.inbox"
GROUP: Final = "leadflow"
POLL_SECONDS: Final = 0.2
COMMIT_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 0.5
NOTHING_ASSIGNED_SECONDS: Final = 30.0
"""How long `once` waits to be given a partition before it takes it that none is left."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is read, and as whom."""

    topic: str = INBOX
    letters_topic: str = ""
    """Where dead letters go; empty for the topic's name and `.dlq`."""
    group: str = GROUP
    instance: str | None = None
    """A name that this worker keeps: restarted in time, it gets its partitions back."""
    session_seconds: float = 10
    most: int = 1_000
    """Messages in one transaction at most."""
    once: bool = False
    """Stop at the end as it stood at the start."""

    @property
    def dead_letters_topic(self) -> str:
        return self.letters_topic or f"{self.topic}.dlq"


@dataclass(slots=True)
class _Watched:
    """What is to be done about partitions that are assigned and not claimed."""

    since: float = field(default_factory=time.monotonic)
    tried: float = 0.0


def run(
    leads: Leadflow,
    connection: Connection,
    options: Options,
    terms: Terms,
    *,
    stopped: Event,
    progress: Callable[[Taken], None] = lambda _: None,
) -> Taken:
    """Ingest until `stopped` is set, or with `once` until the end; what became of it.

    `progress` is told what has become of the messages since it was last called.

    Raises:
        WorkerRunning: another worker ingests into this SQLite store.
        TopicMissing: there is no such topic.
        KafkaError: the broker cannot be reached, or does not allow it.
        StoreError: the store cannot be used.
    """
    with only_worker(leads.store), _fewer_collections():
        watch = TopicWatch(connection, options.topic)
        try:
            with kafka_errors(f"topic {options.topic}"):
                found = watch.topic_id()
            if found is None:
                raise TopicMissing(
                    f"there is no topic {options.topic}",
                    hint="`leadflow kafka topics create` makes the topics that leadflow uses",
                )
            worker = _Ingest(leads, connection, options, terms, watch=watch, progress=progress)
            return worker.run(stopped)
        finally:
            watch.close()


@contextmanager
def _fewer_collections() -> Generator[None]:
    """Collect garbage less often: what a batch makes lives until its end, and then is gone.

    At Python's own thresholds a quarter of the time goes into looking at it in vain.
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class _Ingest:
    """One run of a worker."""

    def __init__(
        self,
        leads: Leadflow,
        connection: Connection,
        options: Options,
        terms: Terms,
        *,
        watch: TopicWatch,
        progress: Callable[[Taken], None],
    ) -> None:
        self._options = options
        self._watch = watch
        self._progress = progress
        self._total = Taken()
        self._claims: dict[int, Claim] = {}
        self._wanted: dict[int, _Watched] = {}
        """Assigned, and to be claimed."""
        self._ends: dict[int, int] = {}
        """With `once`: where each partition ended when it was first assigned."""
        self._to_commit: dict[int, int] = {}
        self._committed = time.monotonic()
        self._began = time.monotonic()
        worker = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"
        self._consumer = InboxConsumer(
            connection,
            options.topic,
            options.group,
            instance=options.instance,
            session_seconds=options.session_seconds,
            most=options.most,
        )
        self._publisher = LetterPublisher(
            leads.store, connection, options.dead_letters_topic, worker
        )
        self._taker = Taker(
            leads,
            options.topic,
            terms,
            holder=worker,
            topic_id=self._topic_id,
            most=options.most,
        )

    def _topic_id(self) -> UUID | None:
        with kafka_errors(f"topic {self._options.topic}"):
            return self._watch.topic_id()

    def run(self, stopped: Event) -> Taken:
        """See the function of this name."""
        self._taker.start()
        self._publisher.start()
        try:
            while not stopped.is_set():
                self._step()
                if self._options.once and self._at_the_end():
                    break
        finally:
            self._end()
        return self._total

    def _step(self) -> None:
        room = self._taker.wait_for_room(POLL_SECONDS)
        if not room:
            self._consumer.pause(self._claims)
        found = self._poll(POLL_SECONDS if room else 0)
        self._heed_group()
        if not room and self._claims:
            self._consumer.resume(self._claims)
        self._claim_wanted()
        for partition, records in found.items():
            self._hand_over(partition, records)
        self._take_results()
        if time.monotonic() - self._committed >= COMMIT_SECONDS:
            self._tell_kafka()

    def _poll(self, seconds: float) -> Mapping[int, Sequence[Record]]:
        from kafka.errors import KafkaError as TheirError

        try:
            return self._consumer.poll(seconds)
        except TheirError as error:
            ours = translated(error, f"topic {self._options.topic}")
            if isinstance(ours, KafkaDenied) or not getattr(error, "retriable", False):
                raise ours from error
            log.warning("%s; ingest goes on when Kafka does", ours.message)
            time.sleep(RETRY_SECONDS)
            return {}

    def _heed_group(self) -> None:
        changes = self._consumer.changes()
        for partition in changes.revoked:
            self._drop(partition)
            self._wanted.pop(partition, None)
        for partition in changes.assigned:
            self._drop(partition)
            self._wanted[partition] = _Watched()

    def _drop(self, partition: int) -> None:
        claim = self._claims.pop(partition, None)
        if claim is not None:
            claim.live = False
        self._to_commit.pop(partition, None)

    def _claim_wanted(self) -> None:
        now = time.monotonic()
        due = [p for p, w in self._wanted.items() if now - w.tried >= RETRY_SECONDS]
        if not due:
            return
        for partition in due:
            self._wanted[partition].tried = now + 3600 * 24
        try:
            topic_id = self._topic_id()
            with kafka_errors(f"topic {self._options.topic}"):
                bounds = self._consumer.bounds(due) if topic_id is not None else {}
        except KafkaDenied:
            raise
        except LeadflowError as error:
            log.warning("%s; ingest goes on when Kafka does", error.message)
            bounds, topic_id = {}, None
        for partition in due:
            if topic_id is None or partition not in bounds:
                self._wanted[partition].tried = now
                continue
            first, after = bounds[partition]
            self._ends.setdefault(partition, after)
            self._taker.ask_for(partition, Bounds(topic_id, first, after))

    def _hand_over(self, partition: int, records: Sequence[Record]) -> None:
        claim = self._claims.get(partition)
        if claim is None or not records:
            return
        if records[0].offset < claim.read_offset:
            # The topic was made again, or has lost its end: the database says what to do.
            self._claim_anew(partition)
            return
        topic, topic_id = self._options.topic, claim.topic_id
        self._taker.put(
            [
                Item(
                    claim,
                    Received(
                        Origin(topic, topic_id, partition, record.offset),
                        record.key,
                        record.value,
                        record.headers,
                        record.timestamp,
                    ),
                )
                for record in records
            ]
        )
        claim.read_offset = records[-1].offset + 1

    def _claim_anew(self, partition: int) -> None:
        self._drop(partition)
        self._consumer.pause([partition])
        self._wanted[partition] = _Watched()

    def _take_results(self) -> None:
        results = self._taker.results()
        for partition in results.broken:
            if partition in self._claims or partition in self._wanted:
                self._claim_anew(partition)
        for claim in results.claims:
            if self._wanted.pop(claim.partition, None) is not None:
                self._claims[claim.partition] = claim
                self._consumer.start_at(claim.partition, claim.next_offset)
                self._to_commit[claim.partition] = claim.next_offset
            else:
                claim.live = False
        self._count(results.taken)
        self._to_commit |= {p: o for p, o in results.moved.items() if p in self._claims}

    def _count(self, taken: Taken) -> None:
        for sentence in list(taken.said.values())[:3]:
            log.info("dead letter: %s", sentence)
        if taken.dead:
            self._publisher.wake(taken.dead)
        self._progress(taken)
        self._total.add(taken)
        self._total.dead.clear()  # they lie in the store; only their number is kept
        self._total.said.clear()

    def _tell_kafka(self, *, last: bool = False) -> None:
        """Commit the offsets to Kafka too, so that what watches groups there sees them."""
        from kafka.errors import KafkaError as TheirError

        self._committed = time.monotonic()
        offsets, self._to_commit = self._to_commit, {}
        try:
            self._consumer.commit(offsets, wait=last)
        except TheirError as error:
            log.info("Kafka was not told the offsets, which lie in the store: %s", error)

    def _at_the_end(self) -> bool:
        if not self._taker.idle or self._wanted:
            return False
        if not self._claims:
            return time.monotonic() - self._began > NOTHING_ASSIGNED_SECONDS
        return all(
            claim.read_offset >= self._ends[partition]
            or self._consumer.position(partition) >= self._ends[partition]
            for partition, claim in self._claims.items()
        )

    def _end(self) -> None:
        """Finish what is begun, and leave: nothing that is not recorded is committed."""
        results = self._taker.stop()
        self._count(results.taken)
        self._to_commit |= {p: o for p, o in results.moved.items() if p in self._claims}
        self._tell_kafka(last=True)
        self._publisher.stop()
        self._consumer.close()
