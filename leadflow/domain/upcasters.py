"""Upcasters: what makes an event of an older version one of the present version.

An upcaster is registered for a topic and the version it reads; it changes the decoded
document in place, own fields and stamps alike. Personal data, where there is any and the
reader may see it, stands in `personal` as a document of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Document = dict[str, Any]
Upcaster = Callable[[Document], None]

_UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {}


def upcaster(topic: str, from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Register a function that lifts a topic's documents by one version."""

    def register(function: Upcaster) -> Upcaster:
        if (topic, from_version) in _UPCASTERS:
            raise ValueError(f"{topic} has an upcaster from version {from_version} already")
        _UPCASTERS[topic, from_version] = function
        return function

    return register


def upcast(topic: str, document: Document, *, to_version: int) -> None:
    """Lift a document to a version, in place; its `schema_version` is taken out.

    Raises:
        ValueError: when it is of a newer version than that, or no upcaster leads on.
    """
    version = document.pop("schema_version", 1)
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"{version!r} is no schema version")
    if version > to_version:
        raise ValueError(
            f"it has schema version {version}, and this leadflow knows {to_version} at most"
        )
    while version < to_version:
        step = _UPCASTERS.get((topic, version))
        if step is None:
            raise ValueError(f"nothing reads schema version {version} of {topic}")
        step(document)
        version += 1
