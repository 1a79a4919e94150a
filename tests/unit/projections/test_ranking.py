"""The queue's order is total, and follows the policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain.policy import Policy, parse_policy
from leadflow.domain.temperature import day_number
from leadflow.domain.values import ContactChannel
from leadflow_projections.ranking import rank_queue

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def policy(**changes: Any) -> Policy:
    return parse_policy({"name": "test", "thresholds": {"warm": 30, "hot": 70}, **changes})


def row(number: int, points: int = 0, **changes: Any) -> dict[str, Any]:
    """A row of the queue as it is read."""
    return {
        "lead_id": UUID(int=number),
        "points": points,
        "points_by_day": {str(day_number(NOW)): points},
        "confirmed_at": None,
        "ready_since": NOW - HOUR,
        "ready_position": 10,
        "trigger": "score",
        "response_due": None,
        "claimed_by": None,
        "lease_until": None,
        "contact_position": None,
        **{f"permission_{channel.value}": None for channel in ContactChannel},
        **changes,
    }


def order(*rows: dict[str, Any], **changes: Any) -> list[int]:
    entries = rank_queue(rows, policy(**changes), NOW)
    assert [entry.rank for entry in entries] == list(range(1, len(rows) + 1))
    return [entry.lead_id.int for entry in entries]


def test_overdue_then_temperature_then_score_then_waiting_then_id() -> None:
    rows = [
        row(1, 10),
        row(2, 10, ready_since=NOW - 2 * HOUR),
        row(3, 20),
        row(4, 50),
        row(5, 5, confirmed_at=NOW),
        row(6, 0, response_due=NOW - HOUR),
        row(7, 20),
    ]
    assert order(*rows) == [6, 5, 4, 3, 7, 2, 1]


def test_the_policy_may_name_another_order() -> None:
    rows = [row(1, 90), row(2, 10, ready_since=NOW - 2 * HOUR)]
    assert order(*rows) == [1, 2]
    assert order(*rows, queue={"order": ["waiting"]}) == [2, 1]


def test_points_decay_in_the_order_but_not_in_the_score() -> None:
    old = row(1, 80, points_by_day={str(day_number(NOW) - 60): 80})
    entries = rank_queue([old, row(2, 40)], policy(half_life_days=30), NOW)
    assert [(e.lead_id.int, e.score, e.decayed_score) for e in entries] == [
        (2, 40, 40.0),
        (1, 80, 20.0),
    ]
    assert [entry.temperature for entry in entries] == ["warm", "cold"]


@pytest.mark.parametrize(
    ("due", "contact", "overdue"),
    [
        (NOW - HOUR, None, True),
        (NOW, None, False),
        (NOW + HOUR, None, False),
        (None, None, False),
        (NOW - HOUR, 11, False),
        (NOW - HOUR, 9, True),
    ],
)
def test_overdue_until_contacted_since_it_was_ready(
    due: datetime | None, contact: int | None, overdue: bool
) -> None:
    [entry] = rank_queue([row(1, response_due=due, contact_position=contact)], policy(), NOW)
    assert entry.overdue is overdue


def test_a_claim_counts_while_its_lease_lasts() -> None:
    claimed = row(1, claimed_by="ada", lease_until=NOW + HOUR)
    [entry] = rank_queue([claimed], policy(), NOW)
    assert (entry.owner, entry.lease_until) == ("ada", NOW + HOUR)
    [entry] = rank_queue([claimed], policy(), NOW + HOUR)
    assert (entry.owner, entry.lease_until) == (None, None)


def test_channels_by_what_was_said_and_what_the_policy_needs() -> None:
    said = row(1, permission_email="given", permission_phone="withdrawn")
    [entry] = rank_queue([said], policy(consent={"required": ["email", "sms"]}), NOW)
    assert entry.channels == ("email", "post", "messenger")


_rows = st.lists(
    st.builds(
        lambda number, points, waited, due, confirmed: row(
            number,
            points,
            ready_since=NOW - waited * HOUR,
            response_due=NOW - HOUR if due else None,
            confirmed_at=NOW if confirmed else None,
        ),
        st.integers(1, 10**6),
        st.integers(0, 100),
        st.integers(0, 5),
        st.booleans(),
        st.booleans(),
    ),
    unique_by=lambda one: one["lead_id"],
)


@given(rows=_rows, data=st.data())
def test_the_order_does_not_depend_on_that_of_the_rows(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    assert order(*rows) == order(*shuffled)
