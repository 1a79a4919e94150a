"""What an import did: how many rows became what, and which were refused and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from leadflow.errors import LeadflowError
from leadflow_commands.importing.changes import Change
from leadflow_commands.importing.placing import Placed

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


@dataclass(frozen=True, slots=True)
class Changed:
    """What a row says otherwise than before."""

    file: str
    line: int
    change: Change


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
    changed: int = 0
    """Rows, accepted or unchanged, that say otherwise of what was recorded before."""
    held_back: int = 0
    """Facts left out because nothing was to enter the queue."""
    refusals: list[Refusal] = field(default_factory=list[Refusal])
    changes: list[Changed] = field(default_factory=list[Changed])
    unused: dict[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """By file, the columns that the mapping does not name."""

    @property
    def rows(self) -> int:
        return self.accepted + self.unchanged + self.refused

    def refuse(self, file: str, line: int, reason: str) -> None:
        """Count a row that was refused."""
        self.refused += 1
        if len(self.refusals) < MOST_LISTED:
            self.refusals.append(Refusal(file, line, reason))

    def take(self, placed: Placed) -> None:
        """Count what a row recorded, and the row itself unless it was refused."""
        if placed.refused is None:
            self.accepted += placed.events > 0
            self.unchanged += placed.events == 0
        self.events += placed.events
        self.leads += placed.leads
        self.irregular += placed.irregular

    def change(self, file: str, line: int, changes: Sequence[Change]) -> None:
        """List what a row says otherwise than one that was imported before."""
        self.changed += bool(changes)
        for change in changes:
            if len(self.changes) < MOST_LISTED:
                self.changes.append(Changed(file, line, change))

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
            "changed": self.changed,
            "held_back": self.held_back,
            "refusals": [
                {"line": refusal.line, "reason": refusal.reason, "file": refusal.file}
                for refusal in self.refusals
            ],
            "changes": [
                {
                    "line": changed.line,
                    "lead": changed.change.lead,
                    "rule": changed.change.rule,
                    "what": list(changed.change.what),
                    "recorded": changed.change.recorded,
                    "file": changed.file,
                }
                for changed in self.changes
            ],
            "unused_columns": {file: list(columns) for file, columns in self.unused.items()},
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
