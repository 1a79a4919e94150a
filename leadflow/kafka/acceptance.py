"""Which types an inbox takes, and from whom: facts from all, the rest from named sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from leadflow.domain import events as e
from leadflow.domain import wire
from leadflow.errors import InvalidInput, LeadflowError

FROM_ALL: Final = frozenset(
    event.topic
    for event in (
        *(e.Captured, e.Enriched, e.Engaged, e.Contacted, e.Nurtured),
        *(e.OfferMade, e.OfferAccepted, e.OfferDeclined, e.Purchased, e.Refunded, e.Lost),
        *(e.ConsentGiven, e.ConsentWithdrawn),
    )
)
"""The types that every source may send: facts of marketing, sales and billing."""

EVERYTHING: Final = "*"


class NotAccepted(LeadflowError):
    """A source sent a type that settings do not allow it to send."""

    code = "not_accepted"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What an inbox takes.

    `allowed` maps a source, in which `*` stands for any characters, to the further types
    that it may send; `*` among them is every type.
    """

    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def check(self, message: wire.Message) -> None:
        """Refuse a message that its source may not send.

        Raises:
            NotAccepted: naming type and source.
        """
        if message.topic in FROM_ALL:
            return
        for pattern, types in self.allowed.items():
            if (EVERYTHING in types or message.topic in types) and fnmatchcase(
                message.source, pattern
            ):
                return
        raise NotAccepted(
            f"type: {message.topic} is not accepted from source {message.source!r}",
            hint="Allow it where ingest runs: allow in the settings, or --allow SOURCE=TYPE.",
        )


def acceptance(entries: Iterable[str]) -> Acceptance:
    """From texts such as `scoring=lead.scored,lead.qualified` and `backoffice/*=*`.

    Raises:
        InvalidInput: when one is no such text, or names a type that there is not.
    """
    allowed: dict[str, frozenset[str]] = {}
    for entry in entries:
        source, equals, types = entry.rpartition("=")
        named = frozenset(name.strip() for name in types.split(",") if name.strip())
        if not equals or not source.strip() or not named:
            raise InvalidInput(
                f"{entry!r} allows nothing: write SOURCE=TYPE,TYPE such as"
                " scoring=lead.scored,lead.qualified"
            )
        unknown = sorted(named - e.BY_TOPIC.keys() - {EVERYTHING})
        if unknown:
            raise InvalidInput(
                f"{entry!r} names {unknown[0]!r}, which is no type of event",
                hint=f"Types are {', '.join(e.BY_TOPIC)}, and * for all of them.",
            )
        allowed[source.strip()] = allowed.get(source.strip(), frozenset()) | named
    return Acceptance(allowed)
