"""An ingest worker to be killed: `python -m tests.integration.kafka.worker URL BROKERS TOPIC …`.

POINT names where it kills itself, at the N-th time that it gets there: `committed` (the
database has the batch), `told` (Kafka is about to be told the offsets), `before` (everything
is decided, nothing written). Without a point it runs until it is killed or told to stop.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from threading import Event
from typing import Any

from leadflow import Leadflow
from leadflow.kafka import ingest, taker
from leadflow.kafka.connection import Connection
from leadflow.kafka.ingest import Options, run
from leadflow.kafka.intake import Taken, Terms
from leadflow.persistence.store import Append, Appended, Store


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("brokers")
    parser.add_argument("topic")
    parser.add_argument("--point", default="")
    parser.add_argument("--nth", type=int, default=1)
    parser.add_argument("--instance")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--most", type=int, default=50)
    given = parser.parse_args()
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    options = Options(
        topic=given.topic,
        group=given.topic,
        instance=given.instance,
        session_seconds=3,
        most=given.most,
        once=given.once,
    )
    with Leadflow.open(given.url) as leads:
        _kill_at(given.point, given.nth, leads.store)
        taken = run(
            leads,
            Connection(given.brokers),
            options,
            Terms(score=False),
            stopped=stopped,
            progress=_say,
        )
    sys.stdout.write(f"done {taken.recorded} {taken.repeated} {taken.buried}\n")


def _say(taken: Taken) -> None:
    if taken.recorded:
        sys.stdout.write(f"recorded {taken.recorded}\n")
        sys.stdout.flush()


def _kill_at(point: str, nth: int, store: Store) -> None:
    left = [nth]

    def die() -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if point == "committed":
        _after(taker, "take", die)
    elif point == "told":
        _before(ingest._Ingest, "_tell_kafka", die)
    elif point == "before":
        append = store.append

        def dying(request: Append) -> Appended:
            if request.inbox:
                die()
            return append(request)

        vars(store)["append"] = dying


def _after(owner: Any, name: str, act: Callable[[], None]) -> None:
    step = getattr(owner, name)

    def wrapped(*given: Any, **named: Any) -> Any:
        result = step(*given, **named)
        moved: Sequence[object] = named.get("moves", ())
        if moved:
            act()
        return result

    setattr(owner, name, wrapped)


def _before(owner: Any, name: str, act: Callable[[], None]) -> None:
    step = getattr(owner, name)

    def wrapped(self: Any, **named: Any) -> Any:
        if self._to_commit:
            act()
        return step(self, **named)

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    main()
