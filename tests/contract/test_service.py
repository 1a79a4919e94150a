"""The service API over every store: recorded once, safe to repeat, readable at any moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from leadflow import (
    AmbiguousLead,
    Batch,
    CommandReused,
    Consent,
    InvalidInput,
    Leadflow,
    LeadNotFound,
    Money,
    Personal,
    Refused,
    Stage,
    Tier,
    default_policy,
    load_policy,
)
from leadflow.domain import events as e
from leadflow.domain.values import ContactChannel
from leadflow.errors import ConnectionLost
from leadflow.persistence.store import Append, Appended
from leadflow.recording import Recorded

ADA = Personal(name="Ada Example", email="Ada@Example.org", phone="+49 30 123456")
DAY = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def leads(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leadflow]:
    if request.param == "memory":
        url = "sqlite:///:memory:"
    elif request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'leads.db'}"
    else:
        url = request.getfixturevalue("postgres_database")
        monkeypatch.setenv("LEADFLOW_KEY_FILE", str(tmp_path / "leads.key"))
    with Leadflow.open(url, create=True, producer="shop") as opened:
        yield opened


def topics(recorded: Recorded) -> list[str]:
    return [event.topic for event in recorded.events]


def test_a_lead_from_capture_to_customer(leads: Leadflow) -> None:
    leads.capture("shop:1", personal=ADA, source="fair", sales_type="net")
    leads.enrich("shop:1", dimensions={"industry": "trade"})
    leads.qualify("shop:1", tier=Tier.MQL, target=True)
    leads.nurture("shop:1", programme="spring")
    leads.engage("shop:1", "trial_requested")
    ready = leads.engage("shop:1", "offer_requested")
    assert topics(ready)[-1] == "lead.became_sales_ready"
    leads.claim("shop:1", "ann")
    leads.hand_over("shop:1", "ann")
    leads.accept("shop:1", by="ann")
    leads.contact("shop:1", "phone", outcome="conversation")
    leads.offer("shop:1", "o1", amount=Money(minor=5_000, currency="EUR"))
    leads.accept_offer("shop:1", "o1")
    leads.purchase("shop:1", "r1", amount={"minor": 5_000, "currency": "EUR"})
    lead = leads.get("shop:1")
    assert (lead.stage, lead.owner, lead.revenue) == (Stage.CUSTOMER, "ann", {"EUR": 5_000})
    assert lead.tier is Tier.SQL
    history = leads.history("shop:1")
    assert [event.originator_version for event in history] == list(range(1, lead.version + 1))
    assert history[0].personal == ADA
    assert history[0].producer == "shop"


def test_the_first_append_records_the_default_policy(leads: Leadflow) -> None:
    leads.capture("shop:1")
    first = leads.store.mapper.to_domain_event(leads.store.events_at(1, 1)[0])
    assert isinstance(first, e.PolicyActivated)
    assert first.policy_hash == default_policy().hash


def test_the_same_command_twice_is_recorded_once(leads: Leadflow) -> None:
    leads.capture("shop:1")
    first = leads.engage("shop:1", "webinar", command_id="form-7")
    again = leads.engage("shop:1", "webinar", command_id="form-7")
    assert (first.repeated, again.repeated) == (False, True)
    assert [event.event_id for event in again.events] == [x.event_id for x in first.events]
    assert again.version == first.version
    head = leads.store.head().position
    with pytest.raises(CommandReused, match="used before with other content"):
        leads.engage("shop:1", "download", command_id="form-7")
    assert leads.store.head().position == head


def test_the_same_record_captured_twice_is_once_and_a_changed_one_is_an_application(
    leads: Leadflow,
) -> None:
    leads.capture("shop:1", personal=ADA, source="fair")
    assert leads.capture("shop:1", personal=ADA, source="fair").repeated
    assert topics(leads.capture("shop:1", personal=ADA, source="email"))[0] == "lead.engaged"


def test_a_refused_command_records_nothing(leads: Leadflow) -> None:
    leads.capture("shop:1")
    head = leads.store.head()
    with pytest.raises(Refused) as refused:
        leads.hand_over("shop:1", "ann")
    assert refused.value.rule == "not_sales_ready"
    with pytest.raises(InvalidInput):
        leads.engage("shop:1", "no such kind")
    with pytest.raises(LeadNotFound):
        leads.nurture("shop:2")
    assert leads.store.head() == head


def test_a_batch_is_one_transaction(leads: Leadflow) -> None:
    with leads.batch() as batch:
        for number in range(2_000):
            batch.capture(f"shop:{number}", source="fair", personal=ADA)
            batch.engage(f"shop:{number}", "download")
    captured = batch.results[0]
    assert isinstance(captured, Recorded)
    assert captured.version == 1
    stored = leads.store.events_at(1, 10_000)
    assert len({event.recorded_at for event in stored}) == 1
    assert leads.get("shop:1999").points == 8


def hand_over_too_early(batch: Batch) -> None:
    batch.capture("shop:1")
    batch.hand_over("shop:1", "ann")


def fail_in_between(batch: Batch) -> None:
    batch.capture("shop:1")
    raise RuntimeError("of the caller")


@pytest.mark.parametrize(
    ("work", "error"), [(hand_over_too_early, Refused), (fail_in_between, RuntimeError)]
)
def test_a_batch_that_fails_records_nothing(
    leads: Leadflow, work: Callable[[Batch], None], error: type[Exception]
) -> None:
    def whole() -> None:
        with leads.batch() as batch:
            work(batch)

    with pytest.raises(error):
        whole()
    assert leads.store.head().position == 0


def test_a_batch_can_leave_out_what_is_refused(leads: Leadflow) -> None:
    with leads.batch(errors="collect") as batch:
        batch.capture("shop:1")
        batch.hand_over("shop:1", "ann")
        batch.engage("shop:1", "webinar")
    done, refused, engaged = batch.results
    assert isinstance(refused, Refused)
    assert isinstance(done, Recorded)
    assert isinstance(engaged, Recorded)
    assert [event.topic for event in leads.history("shop:1")][:2] == [
        "lead.captured",
        "lead.engaged",
    ]


def test_the_same_batch_twice_is_recorded_once(leads: Leadflow) -> None:
    batch_id = uuid4()
    for repeated in (False, True):
        with leads.batch(batch_id) as batch:
            batch.capture("shop:1")
            batch.engage("shop:1", "webinar")
        outcome = batch.results[1]
        assert isinstance(outcome, Recorded)
        assert outcome.repeated is repeated
    assert leads.get("shop:1").points == 12


def test_messages_sent_again_within_and_across_batches_are_once(leads: Leadflow) -> None:
    message = uuid4()
    for _ in range(2):
        with leads.batch() as batch:
            for _ in range(2):
                batch.record_fact(
                    e.Captured, "shop:1", {"source": "fair"}, message_id=message, occurred_at=DAY
                )
    assert leads.get("shop:1").version == 1


def test_facts_are_stamped_and_commands_of_policy_do_not_run(leads: Leadflow) -> None:
    leads.record_fact("lead.captured", "shop:1", {"source": "fair"}, occurred_at=DAY)
    fact = leads.record_fact(
        "lead.purchased", "shop:1", {"order_id": "r1"}, occurred_at=DAY - timedelta(days=2)
    )
    assert isinstance(fact.events[0], e.LeadEvent)
    assert fact.events[0].irregular == ("before_capture",)
    leads.record_fact("lead.engaged", "shop:1", {"kind": "trial_requested"})
    assert leads.get("shop:1").points == 0
    leads.record_fact("lead.engaged", "shop:1", {"kind": "trial_requested"}, score=True)
    assert leads.get("shop:1").points == 30
    with pytest.raises(InvalidInput, match=r"did you mean lead\.purchased"):
        leads.record_fact("lead.purchasd", "shop:1")


def test_a_lead_at_a_version_and_at_a_moment(leads: Leadflow) -> None:
    leads.capture("shop:1", occurred_at=DAY)
    leads.qualify("shop:1", target=True, occurred_at=DAY + timedelta(days=10))
    assert leads.get("shop:1", version=1).stage is Stage.CAPTURED
    assert leads.get("shop:1", as_of=DAY + timedelta(days=9)).stage is Stage.CAPTURED
    assert leads.get("shop:1", as_of=DAY + timedelta(days=10)).stage is Stage.QUALIFIED
    assert leads.get("shop:1", known_at=leads.store.now()).stage is Stage.QUALIFIED
    with pytest.raises(LeadNotFound, match="at that moment"):
        leads.get("shop:1", as_of=DAY - timedelta(days=1))
    with pytest.raises(LeadNotFound, match="at that moment"):
        leads.get("shop:1", known_at=DAY)


def test_a_lead_is_named_by_id_prefix_or_external_id(leads: Leadflow) -> None:
    one, two = UUID(int=0xABCD << 112), UUID(int=(0xABCD << 112) + 1)
    leads.capture(one, external_ids=["crm:77"])
    leads.capture("shop:1", external_ids=["crm:78"])
    assert leads.resolve(str(one)) == leads.resolve("abcd0000") == leads.resolve("crm:77") == one
    assert leads.resolve("crm:78") == leads.resolve("shop:1")
    leads.capture(two)
    with pytest.raises(AmbiguousLead):
        leads.resolve("abcd0000")
    with pytest.raises(LeadNotFound):
        leads.resolve("1234567")
    with pytest.raises(InvalidInput, match="names no lead"):
        leads.resolve("what?")


def test_an_alias_holds_from_the_next_operation_of_the_same_batch_on(leads: Leadflow) -> None:
    with leads.batch() as batch:
        batch.capture("shop:1", external_ids=["crm:77"])
        batch.engage("crm:77", "webinar")
    assert [event.topic for event in leads.history("shop:1")][:2] == [
        "lead.captured",
        "lead.engaged",
    ]


def test_leads_are_found_by_address_whatever_its_spelling(leads: Leadflow) -> None:
    recorded = leads.capture("shop:1", personal=ADA)
    assert leads.find(" ada@example.ORG") == [recorded.lead_id]
    assert leads.find("0049 30 123-456") == [recorded.lead_id]
    assert leads.find("shop:1") == [recorded.lead_id]
    assert leads.find("nobody@example.org") == leads.find("shop:2") == []


def test_merging_sends_what_comes_later_to_the_survivor(leads: Leadflow) -> None:
    leads.capture("shop:1", occurred_at=DAY)
    leads.capture("shop:2", occurred_at=DAY - timedelta(days=1))
    leads.withdraw_consent("shop:1", "phone")
    merged = leads.merge("shop:1", "shop:2")
    survivor, loser = leads.resolve("shop:2"), leads.resolve("shop:1")
    assert merged.lead_id == survivor
    assert leads.engage("shop:1", "webinar").lead_id == survivor
    with pytest.raises(Refused) as refused:
        leads.contact("shop:2", ContactChannel.PHONE)
    assert refused.value.rule == "consent_withdrawn"
    with pytest.raises(Refused):
        leads.merge("shop:1", "shop:2")
    leads.unmerge("shop:1")
    assert leads.engage("shop:1", "webinar").lead_id == loser
    with pytest.raises(Refused):
        leads.unmerge("shop:1")


def test_an_erased_lead_has_no_personal_data_and_takes_no_events(leads: Leadflow) -> None:
    leads.capture("shop:1", personal=ADA, consents=[Consent(channel=ContactChannel.EMAIL)])
    leads.erase("shop:1", request_id="ticket 7")
    assert [event.personal for event in leads.history("shop:1")] == [None, None]
    assert leads.find("ada@example.org") == []
    with pytest.raises(Refused) as refused:
        leads.engage("shop:1", "webinar")
    assert refused.value.rule == "erased"


POLICY = """
name = "webinars are all"
[[rules]]
name = "webinar"
event = "lead.engaged"
where = { kind = "webinar" }
points = 70
"""


def test_a_new_policy_holds_from_its_activation_on(leads: Leadflow) -> None:
    leads.capture("shop:1")
    assert leads.engage("shop:1", "webinar").version == 4
    before = leads.store.now()
    leads.activate_policy(POLICY, actor="ann")
    assert topics(leads.engage("shop:1", "webinar"))[-1] == "lead.became_sales_ready"
    assert leads.policy() == load_policy(POLICY)
    assert leads.policy(before) == leads.policy(DAY) == default_policy()
    assert [event.originator_version for event in leads.policies()] == [1, 2]


def test_a_policy_may_be_the_first_thing_recorded(leads: Leadflow) -> None:
    leads.activate_policy(POLICY)
    assert [x.policy_hash for x in leads.policies()] == [
        default_policy().hash,
        load_policy(POLICY).hash,
    ]


def test_another_service_activating_a_policy_is_noticed_at_once(leads: Leadflow) -> None:
    other = Leadflow(leads.store)
    leads.capture("shop:1")
    leads.engage("shop:1", "webinar")
    other.activate_policy(POLICY)
    assert leads.engage("shop:1", "webinar").version == 7


def test_spends_stand_on_a_stream_per_source(leads: Leadflow) -> None:
    period = {"first": "2026-01-01", "last": "2026-01-31"}
    for minor in (10_000, -500):
        spend = leads.record_spend(
            "fair", period=period, amount={"minor": minor, "currency": "EUR"}
        )
    assert spend.version == 2


def test_many_threads_on_one_lead_lose_and_double_nothing(leads: Leadflow) -> None:
    leads.capture("shop:1")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(5):
                leads.engage("shop:1", "message", command_id=f"{number}-{turn}")
        except BaseException as failure:
            failures.append(failure)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    engaged = [event for event in leads.history("shop:1") if isinstance(event, e.Engaged)]
    assert len(engaged) == 20


@pytest.mark.parametrize("command_id", [None, "mine"])
def test_an_acknowledgement_lost_after_commit_does_not_double(
    leads: Leadflow, monkeypatch: pytest.MonkeyPatch, command_id: str | None
) -> None:
    leads.capture("shop:1")
    really_append = leads.store.append
    lost = iter([True])

    def append_and_lose(append: Append) -> Appended:
        appended = really_append(append)
        if next(lost, False):
            raise ConnectionLost("the line went dead")
        return appended

    monkeypatch.setattr(leads.store, "append", append_and_lose)
    recorded = leads.engage("shop:1", "webinar", command_id=command_id)
    assert recorded.version == 4
    assert leads.get("shop:1").version == 4
