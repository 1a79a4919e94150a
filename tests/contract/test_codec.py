"""The codec: every event comes back as it was, and what is no event is named."""

from __future__ import annotations

import json
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.domain import upcasters
from leadflow.domain.events import BY_TOPIC, LogEvent
from leadflow.domain.values import Personal
from leadflow.errors import InvalidInput, LogCorrupt
from leadflow.persistence.codec import LeadMapper, Stored, to_microseconds, to_moment
from leadflow.persistence.keys import Keys
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Append, RecordedEvent, Store
from tests.contract.corpus import events
from tests.contract.making import ADA, NOON, captured, engaged, record

LEAD = UUID("7d444840-9dc0-4e5c-8a5a-8b8a1a0f0c11")

FEW = settings(max_examples=20)  # for each of 28 classes


def mapper() -> LeadMapper:
    return LeadMapper(Keys(bytes(32), lambda leads: {}))


def read_back(event: LogEvent) -> LogEvent:
    one = mapper()
    stored = one.to_stored_event(event)
    assert isinstance(stored.originator_id, UUID)
    return one.decode(
        Stored(
            None, stored.originator_id, stored.originator_version, stored.topic, stored.state, None
        ),
        stored.new_key,
    )


@pytest.mark.parametrize("topic", BY_TOPIC)
@FEW
@given(data=st.data())
def test_every_event_comes_back_as_it_was(topic: str, data: st.DataObject) -> None:
    event = data.draw(events(topic))
    assert read_back(event) == event


@pytest.mark.parametrize("topic", BY_TOPIC)
@FEW
@given(data=st.data())
def test_a_document_of_another_hand_reads_the_same(topic: str, data: st.DataObject) -> None:
    """Keys in another order, other spaces, numbers as other programs write them."""
    event = data.draw(events(topic))
    one = mapper()
    stored = one.to_stored_event(event)
    document = dict(reversed(json.loads(stored.state).items()))
    text = json.dumps(document, indent=1).encode()
    place = (None, event.originator_id, event.originator_version, event.topic)
    assert one.decode(Stored(*place, text, None), stored.new_key) == event


def test_a_state_has_what_has_no_column_and_nothing_more() -> None:
    state = json.loads(mapper().to_stored_event(captured(LEAD, personal=None)).state)
    assert set(state) == {
        *("event_id", "occurred_at", "time_basis", "producer", "cycle", "entered", "visit"),
        *("irregular", "permissions", "channel", "source", "utm", "external_ids", "consents"),
    }
    assert state["occurred_at"] == "2026-03-01T12:00:00.123456Z"
    sealed = json.loads(mapper().to_stored_event(captured(LEAD)).state)["personal"]
    assert isinstance(sealed, str)


@given(st.integers(-(10**15), 8 * 10**15))
def test_moments_are_exact_to_the_microsecond(microseconds: int) -> None:
    assert to_microseconds(to_moment(microseconds)) == microseconds


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(other=st.dictionaries(TEXTS, TEXTS, max_size=3))
def test_personal_data_that_looks_like_json(other: dict[str, str]) -> None:
    awkward = {'","personal":"x"}': '"}', 'a",': "\\", **other}
    event = captured(LEAD, personal=Personal(other=awkward, notes=',"personal":"'))
    assert read_back(event) == event


def test_half_a_character_cannot_be_written() -> None:
    event = captured(LEAD, personal=None).model_copy(update={"campaign": "spring \ud83c"})
    secret = captured(LEAD, personal=ADA.model_copy(update={"name": "Ada \ud83c"}))
    for unwritable in (event, secret):
        with pytest.raises(InvalidInput, match=r"lead\.captured cannot be written as JSON"):
            mapper().to_stored_event(unwritable)


def test_a_policy_that_mentions_personal_data() -> None:
    event = e.PolicyActivated.model_validate(
        {
            "originator_id": LEAD,
            "originator_version": 1,
            "event_id": uuid4(),
            "occurred_at": NOON,
            "policy_hash": '","personal":"x',
            "policy": {"personal": "x", "schema_version": 7, "a": {"b": "c"}},
        }
    )
    assert read_back(event) == event


# What is no event


def corrupt(state: bytes | None = None, topic: str = "lead.engaged", **changed: object) -> str:
    """The message for a document that was changed; it names the place."""
    document: dict[str, Any] = json.loads(mapper().to_stored_event(engaged(LEAD, 2)).state)
    for name, value in changed.items():
        document[name] = value
        if value is ...:
            del document[name]
    text = json.dumps(document).encode() if state is None else state
    recorded = RecordedEvent(
        id=17, originator_id=LEAD, originator_version=2, topic=topic, state=text, recorded_at=1
    )
    with pytest.raises(LogCorrupt) as raised:
        mapper().to_domain_event(recorded)
    assert raised.value.position == 17
    message = raised.value.message
    assert message.startswith(f"the event at position 17 (version 2 of {LEAD}) cannot be read: ")
    assert "\n" not in message
    return message.partition("cannot be read: ")[2]


def test_an_unknown_topic() -> None:
    assert "its topic 'lead.abducted' is none that leadflow knows" in corrupt(topic="lead.abducted")


@pytest.mark.parametrize(
    "state",
    [b"", b"{}", b"{", b"}", b"null", b"[]", b'"text"', b"\xff\xfe", b'{"event_id":"', b'{"a":1}}'],
)
def test_what_is_no_document(state: bytes) -> None:
    assert corrupt(state)


@given(cut=st.integers(1, 200))
def test_a_document_that_ends_early(cut: int) -> None:
    state = mapper().to_stored_event(engaged(LEAD, 2)).state
    assert corrupt(state[:-cut])


def test_a_field_that_is_missing_wrong_or_unknown() -> None:
    assert corrupt(kind=...) == "kind: Field required"
    assert corrupt(event_id=...) == "event_id: Field required"
    assert corrupt(cycle="first").startswith("cycle: Input should be a valid integer")
    assert corrupt(cycle=0).startswith("cycle: Input should be greater than")
    assert corrupt(count=1.6).startswith("count: Input should be a valid integer")
    assert corrupt(entered="heaven").startswith("entered: Input should be 'captured'")
    assert corrupt(occurred_at="yesterday").startswith("occurred_at: Input should be")
    assert corrupt(colour="red") == "colour: Extra inputs are not permitted"
    assert "knows 1 at most" in corrupt(schema_version=2)
    assert "no schema version" in corrupt(schema_version="two")


def test_columns_win_over_what_a_document_claims() -> None:
    state = mapper().to_stored_event(engaged(LEAD, 2)).state
    claims = state[:-1] + b',"originator_version":99}'
    event = mapper().decode(Stored(5, LEAD, 2, "lead.engaged", claims, 1))
    assert (event.originator_version, event.position) == (2, 5)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no event that leadflow knows"):
        mapper().to_stored_event(object())  # type: ignore[arg-type]

    class Impostor(e.Lost):
        topic: ClassVar[str] = "lead.lost"

    impostor = Impostor.model_validate(
        {"originator_id": LEAD, "originator_version": 1, "event_id": uuid4(), "occurred_at": NOON}
        | {"cycle": 1}
    )
    with pytest.raises(InvalidInput, match="Impostor is no event"):
        mapper().to_stored_event(impostor)


def test_a_log_with_one_broken_event_can_be_read_around_it(store: Store) -> None:
    lead = uuid4()
    record(store, captured(lead), engaged(lead, 2), engaged(lead, 3))
    with store.transaction(write=True) as cursor:
        cursor.execute("UPDATE stored_events SET topic = 'lead.abducted' WHERE position = 2")
    with pytest.raises(LogCorrupt, match=rf"position 2 \(version 2 of {lead}\)"):
        store.load(lead)
    assert len(store.page(after=0, limit=9).events) == 3
    assert len(store.load(lead, upto_version=1)) == 1


# Older and newer versions of an event


class Named(e.LeadEvent):
    """`lead.named` as of its third version."""

    topic = "lead.named"
    schema_version = 3
    title: str


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_TOPIC, "lead.named", Named)

    def from_one(document: upcasters.Document) -> None:
        document["name"] = document.pop("nam")

    def from_two(document: upcasters.Document) -> None:
        document["title"] = document.pop("name").upper()
        if document.get("personal"):
            document["personal"]["notes"] = "upcast"

    steps = {("lead.named", 1): from_one, ("lead.named", 2): from_two}
    for key, function in steps.items():
        monkeypatch.setitem(upcasters._UPCASTERS, key, function)


def named_event(**fields: object) -> dict[str, Any]:
    envelope = {"event_id": str(uuid4()), "occurred_at": "2026-03-01T12:00:00Z", "cycle": 1}
    return {**envelope, **fields}


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    "fields",
    [{"nam": "ada"}, {"schema_version": 2, "name": "ada"}, {"schema_version": 3, "title": "ADA"}],
)
def test_events_of_older_versions_are_upcast(fields: dict[str, object]) -> None:
    state = json.dumps(named_event(**fields)).encode()
    event = mapper().decode(Stored(1, LEAD, 1, "lead.named", state, 1))
    assert isinstance(event, Named)
    assert event.title == "ADA"


@pytest.mark.usefixtures("named")
def test_the_present_version_is_marked_and_read_back() -> None:
    event = Named.model_validate(
        named_event(title="x", personal=ADA, originator_id=LEAD, originator_version=1)
    )
    stored = mapper().to_stored_event(event)
    assert json.loads(stored.state)["schema_version"] == 3
    assert read_back(event) == event


@pytest.mark.usefixtures("named")
def test_upcasters_see_personal_data_opened_and_none_once_erased() -> None:
    with open_store("sqlite:///:memory:", create=True) as store:
        old = captured(LEAD)
        record(store, old)
        state = store.events_at(1, 1)[0].state
        sealed = json.loads(state)["personal"]
        document = named_event(nam="ada", personal=sealed, event_id=str(old.event_id))
        with store.transaction(write=True) as cursor:
            cursor.execute(
                "UPDATE stored_events SET topic = 'lead.named', state = ?",
                (json.dumps(document).encode(),),
            )
        (event,) = store.load(LEAD)
        assert event.personal == ADA.model_copy(update={"notes": "upcast"})  # type: ignore[attr-defined]
        store.append(Append(destroy_keys=[LEAD]))
        (event,) = store.load(LEAD)
        assert event.personal is None  # type: ignore[attr-defined]


@pytest.mark.usefixtures("named")
def test_a_missing_upcaster_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(upcasters._UPCASTERS, ("lead.named", 2))
    state = json.dumps(named_event(nam="ada")).encode()
    with pytest.raises(LogCorrupt, match=r"nothing reads schema version 2 of lead\.named"):
        mapper().decode(Stored(1, LEAD, 1, "lead.named", state, 1))


def test_a_step_is_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upcasters, "_UPCASTERS", {})

    @upcasters.upcaster("lead.lost", 1)
    def step(document: upcasters.Document) -> None:
        document["reason"] = "old"

    document: upcasters.Document = {}
    upcasters.upcast("lead.lost", document, to_version=2)
    assert document == {"reason": "old"}
    with pytest.raises(ValueError, match="has an upcaster from version 1 already"):
        upcasters.upcaster("lead.lost", 1)(step)
