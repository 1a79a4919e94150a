"""Making a client of kafka-python, and saying why it could not reach its broker."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any, Final

from leadflow.kafka.connection import Connection
from leadflow.kafka.errors import (
    BrokerTimeout,
    BrokerUnreachable,
    KafkaDenied,
    kafka_errors,
    translated,
)

BOOTSTRAP_MS: Final = 10_000
"""How long the first answer of a broker may take."""


class _Reasons(logging.Handler):
    """The errors that kafka-python logs while it tries to connect; what it raises names none."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.errors: list[Exception] = []

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.args, tuple):
            self.errors += [one for one in record.args if isinstance(one, Exception)]


def connect(client: str, connection: Connection, **options: Any) -> Any:
    """A client of that class of kafka-python, connected.

    Raises:
        KafkaDenied: the broker does not let us in, or we do not trust it.
        BrokerUnreachable: nobody answers as a broker would.
    """
    log, reasons = logging.getLogger("kafka.net.manager"), _Reasons()
    what = f"Kafka at {connection.brokers}"
    kind = getattr(import_module("kafka"), client)
    log.addHandler(reasons)
    try:
        with kafka_errors(what):
            options = {"bootstrap_timeout_ms": BOOTSTRAP_MS} | options
            return kind(**options | connection.options())
    except BrokerTimeout as timeout:
        raise _reason(what, reasons.errors) or _nobody(what, reasons.errors, timeout) from timeout
    finally:
        log.removeHandler(reasons)


def _reason(what: str, errors: list[Exception]) -> KafkaDenied | None:
    """The first refusal: what follows it are only closed connections."""
    found = (translated(error, what) for error in errors)
    return next((error for error in found if isinstance(error, KafkaDenied)), None)


def _nobody(what: str, errors: list[Exception], timeout: BrokerTimeout) -> BrokerUnreachable:
    said = [str(error) for error in errors if "timed out" not in str(error)]
    last = said[0].removeprefix("KafkaConnectionError: ") if said else "no answer"
    hint = timeout.hint
    if "disconnected" in last or "frame length" in last:
        hint = "the broker may want TLS or a password: see LEADFLOW_KAFKA_PROTOCOL"
    return BrokerUnreachable(f"{what}: no broker answers ({last})", hint=hint)
