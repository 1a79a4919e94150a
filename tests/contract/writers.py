"""What other processes do to a store under test; run with `python -m tests.contract.writers`."""

from __future__ import annotations

import random
import sys
import time
from uuid import UUID, uuid4

from leadflow.errors import Conflict
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, Store
from tests.contract.making import captured, engaged, history


def say(*words: object) -> None:
    """Tell the test, at once."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def race_for_lead(store: Store, lead: UUID, upto: int) -> None:
    """Append to one lead's stream at its version, again and again; say each version won."""
    while True:
        version = len(store.lead_events(lead)) + 1
        if version > upto:
            return
        try:
            store.append(Append(events=[engaged(lead, version)]))
        except Conflict:
            continue
        say(version)


def write_and_roll_back(store: Store, rounds: int, seed: int) -> None:
    """Append batches, some of which are slow under the lock, and some refused at their end."""
    chance = random.Random(seed)
    lead = uuid4()
    store.append(Append(events=[captured(lead)]))
    for _ in range(rounds):
        events = [event for _ in range(chance.randint(1, 4)) for event in history(uuid4(), 3)]
        match chance.choice(("write", "write", "refused", "slow")):
            case "refused":
                try:
                    store.append(Append(events=[*events, engaged(lead, 1)]))
                except Conflict:
                    continue
                raise AssertionError("a version was taken twice")
            case "slow":
                with store.transaction(write=True) as cursor:
                    cursor.execute("UPDATE log_head SET position = position")
                    time.sleep(chance.uniform(0, 0.01))
            case _:
                pass
        say(store.append(Append(events=events)).first_position, len(events))


def write_until_killed(store: Store) -> None:
    """Append one history after another; say each lead once its append is acknowledged."""
    chance = random.Random()
    while True:
        lead = uuid4()
        count = chance.randint(1, 40)
        store.append(Append(events=history(lead, count)))
        say(lead, count)


def main(what: str, url: str, *arguments: str) -> None:
    """Do one of the above; time is for others to take."""
    with open_store(url, lock_timeout=60) as store:
        say("ready")
        sys.stdin.readline()
        match what:
            case "race":
                race_for_lead(store, UUID(arguments[0]), int(arguments[1]))
            case "mixed":
                write_and_roll_back(store, int(arguments[0]), int(arguments[1]))
            case "endless":
                write_until_killed(store)
            case _:
                raise SystemExit(f"no such thing to do: {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
