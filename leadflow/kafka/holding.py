"""Facts that waited for another one: tried again when their lead changed, or given up."""

from __future__ import annotations

from leadflow.kafka.intake import Taken, Terms, take
from leadflow.kafka.records import received_again
from leadflow.persistence.inbox_tables import ripe
from leadflow.service import Leadflow


def release(leads: Leadflow, terms: Terms) -> Taken:
    """Try the held facts whose lead has changed, and bury those whose time is up.

    Any process may do so at any time: of two that try one fact, one records it.

    Raises:
        InboxTaken: another process was faster with one of them; the rest is as it was.
    """
    released = Taken()
    store = leads.store
    while rows := ripe(store):
        messages = [received_again(store.keys, row) for row in rows]
        done = take(leads, messages, terms, heed_held=False)
        released.add(done)
        if not done.recorded and not done.buried:
            break
    return released
