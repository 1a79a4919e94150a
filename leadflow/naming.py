"""How a caller names a lead: UUID, unique prefix of it, or `SYSTEM:ID` of another system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from uuid import UUID

from leadflow.domain.identity import lead_id_for
from leadflow.errors import AmbiguousLead, InvalidInput, LeadNotFound
from leadflow.persistence.store import Store

LeadRef = UUID | str
"""A lead by UUID, unique prefix of it, or external id `SYSTEM:ID`."""

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_PREFIX = re.compile(r"[0-9a-f-]{4,35}", re.IGNORECASE)


class LeadNames:
    """Resolves the names of leads in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def resolve(self, ref: LeadRef) -> UUID:
        """The lead's id; one by external id need not exist yet.

        Raises:
            InvalidInput: when the text is none of the three.
            LeadNotFound, AmbiguousLead: for a prefix that fits none or several.
        """
        if isinstance(ref, UUID):
            return ref
        if _UUID.fullmatch(ref):
            return UUID(ref)
        if ":" in ref:
            return self._store.lead_by_alias(ref) or _derived(ref)
        return self._by_prefix(ref)

    def resolve_many(self, refs: Iterable[LeadRef]) -> dict[LeadRef, UUID]:
        """The ids of many leads, the aliases looked up in one query."""
        names = list(dict.fromkeys(refs))
        external = [r for r in names if isinstance(r, str) and ":" in r]
        aliases = self._store.leads_by_aliases(external) if external else {}
        return {
            ref: aliases.get(ref) or _derived(ref)
            if isinstance(ref, str) and ":" in ref
            else self.resolve(ref)
            for ref in names
        }

    def _by_prefix(self, prefix: str) -> UUID:
        if not _PREFIX.fullmatch(prefix):
            raise InvalidInput(
                f"{prefix!r} names no lead: write a UUID, at least four of its first digits, "
                "or SYSTEM:ID such as shop:4711"
            )
        found = self._store.leads_by_prefix(prefix.lower(), limit=3)
        if not found:
            raise LeadNotFound(
                f"no lead begins with {prefix}", hint="`leadflow lead find` searches"
            )
        if len(found) > 1:
            raise AmbiguousLead(
                f"{prefix} fits several leads, {found[0]} and {found[1]} among them",
                hint="write more of its digits",
            )
        return found[0]


def _derived(ref: str) -> UUID:
    try:
        return lead_id_for(ref)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
