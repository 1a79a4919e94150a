"""A message as it stands in a topic, and how it is kept in the store's tables."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from leadflow.persistence.inbox import DeadLetterRow, HeldRow, Origin
from leadflow.persistence.keys import Keys

Headers = Sequence[tuple[str, bytes | None]]

MOST_SAID = 1_000
"""Of a sentence about a message: one that quotes the message may be as long as that."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was read, now or some time ago."""

    origin: Origin
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int = -1
    """Milliseconds since the epoch, as Kafka has it; -1 when it has none."""
    held: HeldRow | None = None
    """The row that has kept it, where it has waited."""
    letter: DeadLetterRow | None = None
    """The row that has kept it, where it could not be recorded."""


class Kept(NamedTuple):
    """What a sealed row holds."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    said: str
    """Why it could not be recorded, as a sentence; empty for a held fact."""


def seal(keys: Keys, name: UUID, received: Received, said: str = "") -> bytes:
    """A message as it is kept in a row of that name: nobody reads it without the store's key."""
    document = {
        "key": _text(received.key),
        "value": _text(received.value),
        "headers": [[name, _text(value)] for name, value in received.headers],
        "timestamp": received.timestamp,
        "said": said[:MOST_SAID],
    }
    return keys.seal_apart(name, orjson.dumps(document))


def unseal(keys: Keys, name: UUID, sealed: bytes) -> Kept:
    """The message of a row.

    Raises:
        ValueError: when the row was altered, or is of another store.
    """
    document: dict[str, Any] = orjson.loads(keys.open_apart(name, sealed))
    return Kept(
        key=_bytes(document["key"]),
        value=_bytes(document["value"]),
        headers=[(name, _bytes(value)) for name, value in document["headers"]],
        timestamp=document["timestamp"],
        said=document["said"],
    )


def received_again(keys: Keys, row: HeldRow | DeadLetterRow) -> Received:
    """The message of a held fact or a dead letter, to be taken once more."""
    if isinstance(row, HeldRow):
        kept = unseal(keys, row.held_id, row.sealed)
        return Received(row.origin, kept.key, kept.value, kept.headers, kept.timestamp, held=row)
    kept = unseal(keys, row.letter_id, row.sealed)
    return Received(row.origin, kept.key, kept.value, kept.headers, kept.timestamp, letter=row)


def _text(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode("ascii")


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
