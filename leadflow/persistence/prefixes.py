"""Beginnings of lead ids, as people type them."""

from __future__ import annotations

import re
from uuid import UUID


def uuid_range(prefix: str) -> tuple[UUID, UUID] | None:
    """The least and the greatest UUID that begins so; None when none does.

    Dashes may stand where a UUID has them, or be left out.
    """
    text = prefix.strip().lower()
    digits = text.replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return None
    least = UUID(digits.ljust(32, "0"))
    if "-" in text and not str(least).startswith(text):
        return None
    return least, UUID(digits.ljust(32, "f"))
