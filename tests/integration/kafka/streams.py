"""A producer that writes on while workers come and go, and what has to be in the log then."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread

from leadflow.persistence.store import Store
from leadflow.persistence.verify import Verified, verify_log
from tests.integration.kafka.inboxes import Topic, assets, captured, read_up_to, until_true, visit

LEADS = tuple(f"shop:{n}" for n in range(12))


class Stream:
    """What was sent: visits of each lead, numbered."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.rounds = 0
        self._stopped = Event()
        self._failure: Exception | None = None
        topic.send(*(captured(lead) for lead in LEADS))

    def write(self, pause: float) -> None:
        """Write until told to stop."""
        try:
            while not self._stopped.wait(pause):
                self.send(5)
        except Exception as error:  # noqa: BLE001 - raised again by whoever started it
            self._failure = error

    def send(self, rounds: int) -> None:
        """Send further visits of all leads."""
        numbers = range(self.rounds, self.rounds + rounds)
        self.topic.send(*(visit(lead, str(n)) for n in numbers for lead in LEADS))
        self.rounds += rounds

    @contextmanager
    def going_on(self, pause: float = 0.05) -> Generator[None]:
        """A thread that writes until the block ends."""
        thread = Thread(target=self.write, args=(pause,))
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join(60)
            self._stopped.clear()
        if self._failure is not None:
            raise self._failure

    @property
    def sent(self) -> int:
        """How many messages."""
        return len(LEADS) * (1 + self.rounds)

    def check(self, store: Store) -> None:
        """Each message is in the log exactly once, in the order of its lead; the chain holds."""
        expected = [str(n) for n in range(self.rounds)]
        found = assets(store, LEADS)
        assert {lead: len(visits) for lead, visits in found.items()} == dict.fromkeys(
            LEADS, len(expected)
        )
        assert found == dict.fromkeys(LEADS, expected)
        head = store.head()
        assert head.position == self.sent + 1  # the policy stands before them
        assert verify_log(store) == Verified(head.position, head.hash)

    def wait(self, store: Store) -> None:
        """Wait until the database has read all that was sent."""
        until_true(lambda: sum(read_up_to(store).values()) >= self.sent)


def wait_for_more(store: Store, events: int, seconds: float = 60) -> None:
    """Wait until the log has grown by so many events."""
    goal = store.head().position + events
    until = time.monotonic() + seconds
    while store.head().position < goal:
        assert time.monotonic() < until, "the log does not grow"
        store.wait(after=goal - 1, timeout=0.2)
