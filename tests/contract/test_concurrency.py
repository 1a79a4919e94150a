"""Many writers and readers: one wins each version, and no reader skips anything."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import IntegrityError

from leadflow.errors import Conflict
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, RecordedEvent, Store
from leadflow.persistence.verify import Verified, verify_log
from tests.contract.making import captured, engaged, history, positions, record
from tests.contract.processes import output, writers


def test_of_two_threads_one_wins_each_version(store: Store) -> None:
    lead = uuid4()
    record(store, captured(lead))
    barrier = threading.Barrier(4)

    def race(_: int) -> list[int]:
        won: list[int] = []
        for version in range(2, 12):
            barrier.wait()
            try:
                store.append(Append(events=[engaged(lead, version)]))
            except Conflict:
                continue
            won.append(version)
        return won

    with ThreadPoolExecutor(4) as pool:
        won = [version for versions in pool.map(race, range(4)) for version in versions]
    assert sorted(won) == list(range(2, 12))
    assert [event.originator_version for event in store.load(lead)] == list(range(1, 12))
    assert positions(store) == list(range(1, 12))


def test_of_two_processes_one_wins_each_version(lasting_url: str) -> None:
    lead = uuid4()
    with open_store(lasting_url) as store:
        record(store, captured(lead))
    with writers(*[("race", lasting_url, str(lead), "60")] * 3) as started:
        won = [int(line) for process in started for line in output(process).split()]
    assert sorted(won) == list(range(2, 61))
    with open_store(lasting_url) as store:
        assert [event.originator_version for event in store.load(lead)] == list(range(1, 61))
        assert verify_log(store) == Verified(60, store.head().hash)


def test_a_new_lead_gets_one_key_from_two_writers(lasting_url: str) -> None:
    lead = uuid4()
    with open_store(lasting_url) as one, open_store(lasting_url) as two:
        sealed = two.mapper.to_stored_event(captured(lead))
        record(one, captured(lead))
        with pytest.raises(IntegrityError, match="version 1 already"):
            two.recorder.insert_events([sealed])
        record(two, captured(lead, 2))
        assert len(one.load(lead)) == 2


def test_readers_skip_nothing_under_many_writers(lasting_url: str) -> None:
    """Ten writers in processes, slow and rolled back ones among them; two readers follow."""
    done = threading.Event()
    with (
        open_store(lasting_url) as store,
        writers(*[("mixed", lasting_url, "12", str(seed)) for seed in range(10)]) as started,
        ThreadPoolExecutor(2) as pool,
    ):
        readers = [pool.submit(_follow, store, limit, done) for limit in (3, 500)]
        written = [line.split() for process in started for line in output(process).splitlines()]
        done.set()
        followed = [reader.result() for reader in readers]
        last = store.head().position
        assert last == 10 + sum(int(count) for _, count in written)
        for seen in followed:
            assert [event.position for event in seen] == list(range(1, last + 1))
            moments = [event.recorded_at for event in seen]
            assert moments == sorted(moments)
        assert followed[0] == followed[1] == store.events_at(1, last)
        assert isinstance(verify_log(store), Verified)


def _follow(store: Store, limit: int, done: threading.Event) -> list[RecordedEvent]:
    seen: list[RecordedEvent] = []
    while True:
        finished = done.is_set()
        after = seen[-1].position if seen else 0
        page = store.page(after=after, limit=limit)
        assert page.high_water >= after + len(page.events)
        if len(page.events) < limit:
            assert page.high_water == after + len(page.events)
        seen += page.events
        if finished and not page.events:
            return seen
        store.wait(after=after + len(page.events), timeout=0.05)


def test_waiting_ends_when_another_process_appends(lasting_url: str) -> None:
    lead = UUID(int=4 << 76 | 8 << 60)
    with open_store(lasting_url) as store:
        record(store, captured(lead))
        with (
            ThreadPoolExecutor(1) as pool,
            writers(("race", lasting_url, str(lead), "2")) as started,
        ):
            waiting = pool.submit(store.wait, after=1, timeout=60)
            assert output(started[0]) == "2\n"
            waiting.result(timeout=30)
        assert store.head().position == 2


def test_waiting_ends_when_another_thread_appends(store: Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.wait, after=3, timeout=60)
        for _ in range(2):
            record(store, *history(uuid4(), 2))
        waiting.result(timeout=30)
    assert store.head().position == 4


def test_a_forked_child_makes_connections_of_its_own(lasting_url: str) -> None:
    with open_store(lasting_url) as store:
        record(store, captured(uuid4()))
        store.wait(after=0, timeout=1)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                record(store, captured(uuid4()))
                store.wait(after=1, timeout=1)
                store.close()
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        record(store, captured(uuid4()))
        assert positions(store) == [1, 2, 3]
        assert isinstance(verify_log(store), Verified)
