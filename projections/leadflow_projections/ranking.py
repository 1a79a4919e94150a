"""Who should be called next, and why: the sales-ready queue as of a moment.

A pure function of the read model's rows, the policy and the moment. The order is total:
what the policy names first decides first, and the lead's id last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from leadflow.domain.temperature import TEMPERATURE_RANK, decayed_score, temperature
from leadflow.domain.values import ContactChannel, Permission, Temperature

if TYPE_CHECKING:
    from leadflow.domain.policy import Policy

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One lead of the queue, as it stands at a moment."""

    rank: int
    lead_id: UUID
    score: int
    """The plain sum of the cycle's points."""
    decayed_score: float
    """The score as it still counts, which the order goes by."""
    temperature: Temperature
    ready_since: datetime
    waiting_seconds: int
    response_due: datetime | None
    overdue: bool
    owner: str | None
    """Who has claimed it, as long as the lease lasts."""
    lease_until: datetime | None
    channels: tuple[str, ...]
    """The ways in which the lead may be contacted."""
    why: tuple[Mapping[str, Any], ...]
    """The events that brought it here, oldest first."""

    def as_data(self) -> dict[str, Any]:
        """The entry in the shape that `queue list --json` promises."""
        return {
            "rank": self.rank,
            "lead_id": str(self.lead_id),
            "score": self.score,
            "decayed_score": self.decayed_score,
            "temperature": self.temperature.value,
            "ready_since": iso(self.ready_since),
            "waiting_seconds": self.waiting_seconds,
            "response_due": iso(self.response_due),
            "overdue": self.overdue,
            "owner": self.owner,
            "lease_until": iso(self.lease_until),
            "channels": list(self.channels),
            "why": [dict(event) for event in self.why],
        }


def iso(moment: datetime | None) -> str | None:
    """A moment for machines: RFC 3339 in UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


def rank_queue(rows: Iterable[Row], policy: Policy, now: datetime) -> list[QueueEntry]:
    """The queue's entries in order, best first.

    Args:
        rows: rows of `sales_queue` as `read_model` gives them.
        policy: the one in force; gives thresholds, half-life, order and needed consents.
        now: the moment asked about, by the store's clock.
    """
    seen = [_seen(row, policy, now) for row in rows]
    seen.sort(key=lambda one: (*(_BY[name](one) for name in policy.queue.order), one.lead_id))
    return [_entry(rank, one) for rank, one in enumerate(seen, 1)]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A row with what follows from policy and moment."""

    row: Row
    lead_id: str
    decayed: float
    temperature: Temperature
    waiting: int
    overdue: bool
    leased: bool
    channels: tuple[str, ...]


_BY: Final[Mapping[str, Callable[[_Seen], float]]] = {
    "overdue": lambda one: not one.overdue,
    "temperature": lambda one: -TEMPERATURE_RANK[one.temperature],
    "score": lambda one: -one.decayed,
    "waiting": lambda one: one.row["ready_since"].timestamp(),
}


def _seen(row: Row, policy: Policy, now: datetime) -> _Seen:
    points = {int(day): given for day, given in row["points_by_day"].items()}
    due, lease = row["response_due"], row["lease_until"]
    return _Seen(
        row=row,
        lead_id=str(row["lead_id"]),
        decayed=decayed_score(points, now, policy.half_life_days),
        temperature=temperature(points, now, policy, confirmed=row["confirmed_at"] is not None),
        waiting=max(0, int((now - row["ready_since"]).total_seconds())),
        overdue=due is not None and due < now and not _answered(row),
        leased=lease is not None and lease > now,
        channels=permitted_channels(row, policy),
    )


def _answered(row: Row) -> bool:
    """Whether the lead was contacted since it became sales-ready."""
    contact: int | None = row["contact_position"]
    return contact is not None and contact > int(row["ready_position"] or 0)


def permitted_channels(row: Row, policy: Policy) -> tuple[str, ...]:
    """The ways in which a lead may be contacted: none that it objected to, and none that
    needs a consent which it has not given.
    """
    permitted: list[str] = []
    for channel in ContactChannel:
        said = row[f"permission_{channel.value}"]
        needed = channel in policy.consent.required
        if said == Permission.GIVEN or (said is None and not needed):
            permitted.append(channel.value)
    return tuple(permitted)


def _entry(rank: int, one: _Seen) -> QueueEntry:
    row = one.row
    trigger = {
        "event": "lead.became_sales_ready",
        "occurred_at": iso(row["ready_since"]),
        "reason": row["trigger"],
    }
    return QueueEntry(
        rank=rank,
        lead_id=row["lead_id"],
        score=row["points"],
        decayed_score=one.decayed,
        temperature=one.temperature,
        ready_since=row["ready_since"],
        waiting_seconds=one.waiting,
        response_due=row["response_due"],
        overdue=one.overdue,
        owner=row["claimed_by"] if one.leased else None,
        lease_until=row["lease_until"] if one.leased else None,
        channels=one.channels,
        why=(trigger,),
    )
