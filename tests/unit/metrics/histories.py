"""Small histories, written as facts, and the funnel's rows in short."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from leadflow import Leadflow
from leadflow.domain.values import TimeBasis
from leadflow_projections.metrics.figures import Funnel, Group
from leadflow_projections.metrics.reading import read_funnel
from leadflow_projections.metrics.selection import Condition, Selection

MUST_HAVE: dict[str, dict[str, Any]] = {
    "contacted": {"channel": "phone"},
    "handed_over": {"override": True},
    "became_sales_ready": {"override": True},
    "engaged": {"kind": "visit"},
    "offer_made": {"offer_id": "A1"},
    "purchased": {"order_id": "B1"},
    "qualified": {"target": True},
}


def at(text: str) -> datetime:
    """A moment, in UTC where nothing else is said."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day_after(text: str) -> datetime:
    """The last instant of a day in UTC."""
    return at(f"{text}T23:59:59.999999")


@dataclass
class History:
    """Records facts of leads that are named by a letter or two."""

    leads: Leadflow

    def __call__(
        self, lead: str, event: str, when: str, *, basis: str = "exact", **fields: Any
    ) -> None:
        self.leads.record_fact(
            f"lead.{event}",
            f"test:{lead}",
            MUST_HAVE.get(event, {}) | fields,
            occurred_at=at(when),
            time_basis=TimeBasis(basis),
        )

    def funnel(self, *, as_of: str | None = None, **asked: Any) -> Funnel:
        """The funnel; what is no argument of the reading is one of the selection."""
        names = ("steps", "strict", "list_leads", "known_at")
        reading = {name: asked.pop(name) for name in names if name in asked}
        for bound in ("since", "until"):
            if bound in asked:
                asked[bound] = at(asked[bound])
        asked["where"] = tuple(Condition(*pair) for pair in asked.get("where", ()))
        return read_funnel(
            self.leads.store,
            Selection(**asked),
            as_of=None if as_of is None else at(as_of),
            **reading,
        )


def reached(group: Funnel | Group) -> dict[str, int]:
    """How many reached each step."""
    return {step.stage: step.reached for step in _whole(group).steps}


def entered(group: Funnel | Group) -> dict[str, int]:
    """How many entered each step."""
    return {step.stage: step.entered for step in _whole(group).steps}


def by_value(funnel: Funnel) -> dict[str | None, tuple[int, int]]:
    """First and last step of each group."""
    return {g.value: (g.steps[0].reached, g.steps[-1].reached) for g in funnel.groups}


def outcomes(funnel: Funnel) -> dict[str, tuple[int, int, int, int]]:
    """What became of those that reached each step: went on, lost, disqualified, open."""
    return {s.stage: (s.went_on, s.lost, s.disqualified, s.open) for s in funnel.whole.steps}


def all_rows(funnel: Funnel) -> Iterator[tuple[int, int]]:
    """Of each row: reached, and the sum of what became of them."""
    for group in (funnel.whole, *funnel.groups):
        for step in group.steps:
            yield step.reached, step.went_on + step.lost + step.disqualified + step.open


def _whole(group: Funnel | Group) -> Group:
    return group.whole if isinstance(group, Funnel) else group
