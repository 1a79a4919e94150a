"""Batches of messages become events, held facts and dead letters, on every store."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.errors import InvalidInput
from leadflow.kafka.acceptance import acceptance
from leadflow.kafka.dead_letters import retry
from leadflow.kafka.holding import release
from leadflow.kafka.intake import Taken, Terms, Unexpected, take
from leadflow.kafka.records import Received, received_again, unseal
from leadflow.persistence.inbox import Origin
from leadflow.persistence.inbox_tables import count_held, dead_letters, held_facts
from leadflow.persistence.store import Store

TOPIC_ID = UUID("0b9a7b3c-7c3e-4b5e-9d60-6f1a2b3c4d5e")


class Inbox:
    """A topic of one partition, without a broker."""

    def __init__(self, store: Store) -> None:
        self.leads = Leadflow(store)
        self.offset = 0
        self.terms = Terms(score=False)

    def message(self, value: bytes | dict[str, Any]) -> Received:
        self.offset += 1
        origin = Origin("inbox", TOPIC_ID, 0, self.offset)
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        return Received(origin, b"key", text, [("trace", b"1"), ("none", None)], 1_700_000_000_000)

    def take(self, *values: bytes | dict[str, Any]) -> Taken:
        return take(self.leads, [self.message(value) for value in values], self.terms)

    def topics(self, lead: str) -> list[str]:
        return [event.topic for event in self.leads.history(lead)]


@pytest.fixture
def inbox(store: Store) -> Inbox:
    return Inbox(store)


_numbers = iter(range(1_000_000))


def fact(topic: str, lead: str = "shop:1", source: str = "shop/web", **data: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": str(next(_numbers)),
        "source": source,
        "type": topic,
        "subject": lead,
        "time": "2026-03-01T09:30:00Z",
        "data": data,
    }


def captured(lead: str = "shop:1") -> dict[str, Any]:
    data = {"personal": {"email": "ada@example.org"}, "source": "paid_search"}
    return fact("lead.captured", lead) | {"data": data}


def test_facts_are_recorded_in_order_and_once(inbox: Inbox) -> None:
    first, second = captured(), fact("lead.engaged", kind="visit")
    done = inbox.take(first, second, second)
    assert (done.recorded, done.repeated, done.buried) == (2, 1, 0)
    assert inbox.topics("shop:1") == ["lead.captured", "lead.engaged"]
    again = inbox.take(first, second)
    assert (again.recorded, again.repeated) == (0, 2)
    assert inbox.leads.store.head().position == 3  # the policy stands before them


def test_the_message_is_the_cause_of_what_is_recorded(inbox: Inbox) -> None:
    sent = captured() | {"id": "order-7", "causationid": "campaign-9", "actor": "grace"}
    inbox.take(sent)
    event = inbox.leads.history("shop:1")[0]
    assert (event.causation_id, event.correlation_id) == ("order-7", "campaign-9")
    assert (event.producer, event.actor) == ("shop/web", "grace")


def test_the_policy_answers_where_it_is_told_to(inbox: Inbox) -> None:
    inbox.terms = Terms(score=True)
    inbox.take(captured(), fact("lead.engaged", kind="trial_requested"))
    assert "lead.scored" in inbox.topics("shop:1")


def test_what_is_no_event_is_buried_and_holds_up_nobody(inbox: Inbox) -> None:
    wrong = fact("lead.engaged", kind="visit", cycle=7)
    done = inbox.take(b"\xff garbage", captured(), wrong, b"", b"[1]")
    assert (done.recorded, done.buried) == (1, 4)
    letters = dead_letters(inbox.leads.store)
    assert [row.reason for row in letters] == ["invalid"] * 4
    assert [(row.source, row.type) for row in letters] == [
        (None, None),
        ("shop/web", "lead.engaged"),
        (None, None),
        (None, None),
    ]
    assert [row.attempt for row in letters] == [1] * 4


def test_a_letter_keeps_every_byte_and_shows_none(inbox: Inbox) -> None:
    value = b'{"email":"ada@example.org"\x00\xff'
    inbox.take(value)
    store = inbox.leads.store
    (row,) = dead_letters(store)
    kept = received_again(store.keys, row)
    assert (kept.key, kept.value) == (b"key", value)
    assert kept.headers == [("trace", b"1"), ("none", None)]
    assert kept.timestamp == 1_700_000_000_000
    assert b"ada@" not in row.sealed
    assert unseal(store.keys, row.letter_id, row.sealed).said.startswith("value: no JSON")


def test_an_id_with_other_content_and_an_erased_lead_are_buried(inbox: Inbox) -> None:
    sent = captured()
    inbox.take(sent)
    other = sent | {"data": {"source": "referral"}}
    inbox.leads.erase("shop:1")
    inbox.take(other, fact("lead.engaged", kind="visit"))
    assert [row.reason for row in dead_letters(inbox.leads.store)] == ["reused", "refused"]


def test_what_only_some_may_send_is_taken_from_those_alone(inbox: Inbox) -> None:
    inbox.take(captured(), captured("shop:2"))
    scored = fact("lead.scored", source="scoring/eu", points=5, reason="model")
    assert inbox.take(scored).buried == 1
    (row,) = dead_letters(inbox.leads.store)
    assert (row.reason, row.source) == ("not_accepted", "scoring/eu")
    entries = ["scoring/*=lead.scored", "crm=*"]
    inbox.terms = Terms(acceptance=acceptance(entries), score=False)
    survivor = str(inbox.leads.resolve("shop:1"))
    done = inbox.take(*_reserved(survivor))
    assert (done.recorded, done.buried) == (6, 1), done.said
    assert inbox.topics("shop:1")[1:] == [
        "lead.scored",
        "lead.claimed",
        "lead.merged",
        "lead.unmerged",
    ]
    assert inbox.leads.get("shop:2").erased
    policy = inbox.leads.policy()
    changed = policy.model_copy(update={"name": "from the topic"}).as_data()
    activated = fact("policy.activated", source="crm") | {
        "data": {"policy": changed, "policy_hash": "any"}
    }
    del activated["subject"]
    assert inbox.take(activated).recorded == 1
    assert inbox.leads.policy().name == "from the topic"


def _reserved(survivor: str) -> list[dict[str, Any]]:
    spend = fact("spend.recorded", source="crm") | {
        "data": {
            "source": "paid_search",
            "period": {"first": "2026-01-01", "last": "2026-01-31"},
            "amount": {"minor": 100, "currency": "EUR"},
        }
    }
    other = {"other": survivor, "survivor": False}
    return [
        fact("lead.scored", source="scoring/eu", points=5, reason="model"),
        fact("lead.claimed", source="crm", owner="grace", lease_until="2026-03-02T09:30:00Z"),
        fact("lead.claimed", source="scoring/eu", owner="x", lease_until="2026-03-02T09:30:00Z"),
        fact("lead.merged", "shop:2", source="crm", **other),
        fact("lead.unmerged", "shop:2", source="crm", **other),
        fact("lead.erased", "shop:2", source="crm", request_id="R1"),
        spend,
    ]


@pytest.mark.parametrize("entry", ["crm", "=lead.scored", "crm=", "crm=lead.scord"])
def test_what_allows_nothing_is_refused(entry: str) -> None:
    with pytest.raises(InvalidInput):
        acceptance([entry])


def purchased(order: str = "R-1", lead: str = "shop:1") -> dict[str, Any]:
    return fact("lead.purchased", lead, order_id=order)


def test_a_fact_waits_for_its_predecessor_and_only_its_lead_waits(inbox: Inbox) -> None:
    done = inbox.take(
        purchased(),
        fact("lead.engaged", kind="visit"),
        captured("shop:2"),
        purchased(lead="shop:2"),
    )
    assert (done.recorded, done.held, done.buried) == (2, 2, 0)
    assert [row.type for row in held_facts(inbox.leads.store)] == ["lead.purchased", "lead.engaged"]
    later = inbox.take(fact("lead.consent_given", channel="email"))
    assert (later.recorded, later.held) == (0, 1)
    assert release(inbox.leads, inbox.terms) == Taken()
    assert inbox.take(captured()).recorded == 1
    assert release(inbox.leads, inbox.terms).recorded == 3
    assert inbox.topics("shop:1") == [
        "lead.captured",
        "lead.purchased",
        "lead.engaged",
        "lead.consent_given",
    ]
    assert not any(event.irregular for event in inbox.leads.history("shop:1"))
    assert count_held(inbox.leads.store) == 0


def test_a_capture_in_the_same_batch_ends_the_waiting(inbox: Inbox) -> None:
    inbox.take(purchased(), captured())
    assert release(inbox.leads, inbox.terms).recorded == 1
    assert inbox.topics("shop:1") == ["lead.captured", "lead.purchased"]


def test_offers_and_orders_are_waited_for(inbox: Inbox) -> None:
    amount = {"minor": 100, "currency": "EUR"}
    done = inbox.take(
        captured(),
        fact("lead.offer_accepted", offer_id="A-1"),
        captured("shop:2"),
        fact("lead.refunded", "shop:2", order_id="R-1", amount=amount),
    )
    assert (done.recorded, done.held) == (2, 2)
    inbox.take(fact("lead.offer_made", offer_id="A-1"), purchased(lead="shop:2"))
    assert release(inbox.leads, inbox.terms).recorded == 2
    assert inbox.topics("shop:1")[1:] == ["lead.offer_made", "lead.offer_accepted"]
    assert inbox.topics("shop:2")[1:] == ["lead.purchased", "lead.refunded"]


def test_whatever_captures_the_lead_ends_the_waiting(inbox: Inbox) -> None:
    inbox.take(purchased(), purchased(lead="crm:9"))
    inbox.leads.capture("shop:1")
    inbox.leads.capture("shop:5", external_ids=["crm:9"])
    assert release(inbox.leads, inbox.terms).recorded == 2
    assert inbox.topics("shop:5") == ["lead.captured", "lead.purchased"]


def test_when_time_is_up_it_is_buried_and_what_waited_behind_goes_on(inbox: Inbox) -> None:
    inbox.terms = Terms(score=False, hold=timedelta())
    inbox.take(purchased())
    inbox.terms = Terms(score=False, hold=timedelta(hours=1))
    inbox.take(fact("lead.engaged", kind="visit"), purchased(lead="shop:2"))
    done = release(inbox.leads, inbox.terms)
    assert (done.buried, done.recorded) == (1, 1)
    (row,) = dead_letters(inbox.leads.store)
    assert (row.reason, row.type) == ("predecessor_missing", "lead.purchased")
    assert row.lead_id == inbox.leads.resolve("shop:1")
    assert inbox.topics("shop:1") == ["lead.engaged"]
    assert [row.subject for row in held_facts(inbox.leads.store)] == ["shop:2"]


def test_a_letter_is_tried_again_and_then_it_is_none(inbox: Inbox) -> None:
    inbox.terms = Terms(score=False, hold=timedelta())
    inbox.take(purchased(), b"garbage")
    release(inbox.leads, inbox.terms)
    store = inbox.leads.store
    done = retry(inbox.leads, dead_letters(store), inbox.terms)
    assert (done.recorded, done.buried, done.held) == (0, 2, 0)
    assert [row.attempt for row in dead_letters(store)] == [2, 2]
    inbox.take(captured())
    done = retry(inbox.leads, dead_letters(store), inbox.terms)
    assert (done.recorded, done.buried) == (1, 1)
    (row,) = dead_letters(store)
    assert (row.reason, row.attempt) == ("invalid", 3)
    assert inbox.topics("shop:1") == ["lead.captured", "lead.purchased"]


def test_a_retried_letter_ends_the_waiting_of_others(inbox: Inbox) -> None:
    inbox.take(captured() | {"type": "lead.scored", "data": {"points": 1, "reason": "x"}})
    inbox.take(purchased("R-2", "shop:9"))
    not_allowed = fact("lead.qualified", "shop:9", source="crm", tier="MQL")
    inbox.take(not_allowed)
    store = inbox.leads.store
    assert [row.reason for row in dead_letters(store)] == ["not_accepted", "not_accepted"]
    inbox.terms = Terms(acceptance=acceptance(["*=*"]), score=False)
    assert retry(inbox.leads, dead_letters(store), inbox.terms).recorded == 1


def test_a_mistake_of_ours_is_buried_with_its_name(inbox: Inbox) -> None:
    message = inbox.message(captured())
    done = take(inbox.leads, [message], inbox.terms, failure=Unexpected("KeyError: 'x'"))
    assert done.buried == 1
    (row,) = dead_letters(inbox.leads.store)
    assert row.reason == "unexpected"
    assert retry(inbox.leads, [row], inbox.terms).recorded == 1


def test_a_conflict_is_decided_anew_and_doubles_nothing(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    inbox.take(captured())
    store = inbox.leads.store
    append, other = store.append, Leadflow(store)
    interrupted: list[bool] = []

    def slow(request: Any) -> Any:
        if not interrupted:
            interrupted.append(True)
            other.engage("shop:1", "visit")
        return append(request)

    monkeypatch.setattr(store, "append", slow)
    done = inbox.take(fact("lead.engaged", kind="webinar"), purchased(lead="shop:2"))
    assert (done.recorded, done.held) == (1, 1)
    kinds = [x.kind for x in inbox.leads.history("shop:1") if isinstance(x, e.Engaged)]
    assert kinds == ["visit", "webinar"]
    assert count_held(store) == 1


def test_a_conflict_on_one_lead_reads_that_lead_again(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"shop:{n}" for n in range(10)]
    inbox.take(*(captured(name) for name in names))
    store = inbox.leads.store
    append, load_many, other = store.append, store.load_many, Leadflow(store)
    interrupted: list[bool] = []
    read: list[set[UUID]] = []

    def slow(request: Any) -> Any:
        if not interrupted:
            interrupted.append(True)
            other.engage("shop:3", "visit")
        return append(request)

    def counted(leads: Any) -> Any:
        read.append(set(leads))
        return load_many(leads)

    monkeypatch.setattr(store, "append", slow)
    monkeypatch.setattr(store, "load_many", counted)
    assert (
        inbox.take(*(fact("lead.engaged", name, kind="webinar") for name in names)).recorded == 10
    )
    assert [len(leads) for leads in read] == [10, 1]
    assert read[1] == {inbox.leads.resolve("shop:3")}
    assert inbox.topics("shop:3").count("lead.engaged") == 2
