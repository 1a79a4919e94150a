"""The hash chain: each event's hash covers its place, its content and all before it."""

from __future__ import annotations

from hashlib import sha256
from struct import Struct

# position, lead id, version, recorded_at, length of the topic: big endian
_FIXED = Struct(">q16sqqI")


def event_hash(  # noqa: PLR0917 - called for every event, and keywords cost time
    previous: bytes,
    position: int,
    originator_id: bytes,
    version: int,
    recorded_at: int,
    topic: bytes,
    state: bytes,
) -> bytes:
    """SHA-256 over the previous hash and every stored column of one event.

    The topic's length stands before it, so that no byte can move between topic and state.
    `recorded_at` is in microseconds since the epoch.
    """
    fixed = _FIXED.pack(position, originator_id, version, recorded_at, len(topic))
    return sha256(b"".join((previous, fixed, topic, state))).digest()
