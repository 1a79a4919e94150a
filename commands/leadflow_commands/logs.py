"""What leadflow's modules log, as the program says it: a warning on stderr."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from leadflow_commands.session import Session

LOGGERS: Final = ("leadflow", "leadflow_projections", "leadflow_commands")


class _ToOutput(logging.Handler):
    def __init__(self, session: Session) -> None:
        super().__init__(logging.DEBUG if os.environ.get("LEADFLOW_DEBUG") else logging.WARNING)
        self._session = session

    def emit(self, record: logging.LogRecord) -> None:
        say = self._session.output.warn
        if record.levelno < logging.WARNING:
            say = self._session.output.note
        say(record.getMessage())


@contextmanager
def logged(session: Session) -> Generator[None]:
    """Show what is logged within the block; with LEADFLOW_DEBUG=1 all of it."""
    handler = _ToOutput(session)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger, logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(handler.level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
