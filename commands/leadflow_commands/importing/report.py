"""What an import did: how many rows became what, and which were refused and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from leadflow import Recorded
from leadflow.domain.events import LeadEvent
from leadflow.errors import LeadflowError

MOST_LISTED: Final = 10_000
"""Refusals that are listed; all are counted."""


class TooManyRefused(LeadflowError):
    """More rows were refused than allowed; the others were recorded."""

    code = "rows_refused"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row or line that was not recorded."""

    file: str
    line: int
    reason: str


@dataclass
class Report:
    """rows = accepted + unchanged + refused."""

    accepted: int = 0
    unchanged: int = 0
    """Rows of which all was in the log already."""
    refused: int = 0
    leads: int = 0
    """Leads that the log had not known."""
    events: int = 0
    """Events recorded now."""
    irregular: int = 0
    """Those of them that break a rule of the domain."""
    refusals: list[Refusal] = field(default_factory=list[Refusal])

    @property
    def rows(self) -> int:
        return self.accepted + self.unchanged + self.refused

    def refuse(self, file: str, line: int, reason: str) -> None:
        """Count a row that was refused."""
        self.refused += 1
        if len(self.refusals) < MOST_LISTED:
            self.refusals.append(Refusal(file, line, reason))

    def take(self, recorded: Iterable[Recorded], *, refused: bool = False) -> None:
        """Count what a row recorded, and the row itself unless it was refused."""
        new = [outcome for outcome in recorded if not outcome.repeated]
        if not refused:
            self.accepted += bool(new)
            self.unchanged += not new
        for event in (event for outcome in new for event in outcome.events):
            self.events += 1
            if isinstance(event, LeadEvent):
                self.leads += event.originator_version == 1
                self.irregular += bool(event.irregular)

    def as_data(self) -> dict[str, Any]:
        """The report in the shape that scripts may rely on."""
        self.refusals.sort(key=lambda refusal: (refusal.file, refusal.line))
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "unchanged": self.unchanged,
            "refused": self.refused,
            "leads": self.leads,
            "events": self.events,
            "irregular": self.irregular,
            "refusals": [
                {"line": refusal.line, "reason": refusal.reason, "file": refusal.file}
                for refusal in self.refusals
            ],
        }

    def check(self, max_refused: int, what: str) -> None:
        """Say so when more was refused than is allowed.

        Raises:
            TooManyRefused: then; what was not refused is recorded all the same.
        """
        if self.refused <= max_refused:
            return
        first = self.refusals[0]
        raise TooManyRefused(
            f"{self.refused:,} of {self.rows:,} {what} refused, the others were taken; "
            f"the first is {first.file}, line {first.line}: {first.reason}",
            hint="mend them and import again, which changes nothing that is recorded, "
            "or allow them by --max-refused",
        )
