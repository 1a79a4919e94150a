"""A thread that says for its process, every few seconds, that it still works on its builds."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from leadflow.errors import LeadflowError
from leadflow_projections.checkpoints import beat

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_projections.builds import Owner

EVERY_SECONDS: Final = 3.0

_log = logging.getLogger(__name__)


@contextmanager
def beating(store: Store, owner: Owner) -> Generator[None]:
    """Keep the owner's heartbeat going within the block."""
    stopped = Event()

    def go_on() -> None:
        while not stopped.wait(EVERY_SECONDS):
            try:
                beat(store, owner)
            except LeadflowError as error:
                # The work itself meets the same trouble, and says so.
                _log.info("no heartbeat could be written: %s", error)

    thread = Thread(target=go_on, name="leadflow-heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
