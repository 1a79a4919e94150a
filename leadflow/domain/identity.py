"""Ids that anyone can compute: the same record is the same lead everywhere."""

from __future__ import annotations

from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from leadflow.domain.values import ExternalId

LEADFLOW_NS: Final = UUID("6f1d3c0a-51e6-5c1e-9f38-0d9c6c3f7a11")
"""The namespace of every id that leadflow derives; it never changes."""

POLICY_STREAM: Final = uuid5(LEADFLOW_NS, "policy")
"""The stream that `policy.activated` events stand on."""


@lru_cache(maxsize=8_192)
def lead_id_for(external_id: str) -> UUID:
    """The id of the lead that another system calls `SYSTEM:ID`.

    Raises:
        ValueError: when the text is no external id.
    """
    return uuid5(LEADFLOW_NS, str(ExternalId.parse(external_id)))


def spend_stream(source: str) -> UUID:
    """The stream that the spends of a marketing source stand on."""
    return uuid5(LEADFLOW_NS, f"spend:{source}")


def message_id(source: str, message: str) -> UUID:
    """The command id of a message: `source` and `message` identify it for ever."""
    return uuid5(LEADFLOW_NS, f"message:{source}\n{message}")


def normal_address(text: str) -> str:
    """An e-mail address or phone number as it is looked up: case and spacing do not count."""
    if "@" in text:
        return text.strip().casefold()
    digits = "".join(c for c in text if c.isdigit())
    plus = text.strip().startswith("+")
    return f"+{digits}" if plus else f"+{digits[2:]}" if digits.startswith("00") else digits
