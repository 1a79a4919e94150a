"""The wire format: read strictly, written so that it can be read back."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.domain import upcasters, wire
from leadflow.domain.identity import message_id
from leadflow.domain.stages import Stage
from leadflow.domain.values import Money, Personal, SalesType, TimeBasis
from leadflow.errors import InvalidInput

DOCUMENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7f3a",
    "source": "shop/web",
    "type": "lead.captured",
    "subject": "shop:4711",
    "time": "2026-03-01T09:30:00Z",
    "datacontenttype": "application/json",
    "data": {
        "personal": {"name": "Ada Example", "email": "ada@example.org", "phone": "+4930123456"},
        "channel": "web",
        "source": "paid_search",
        "campaign": "spring",
        "interest": "trial",
        "consents": [{"channel": "email", "purpose": "marketing", "text_version": "2026-01"}],
    },
}


def changed(**attributes: Any) -> dict[str, Any]:
    """The document with attributes replaced; those given as None are left out."""
    document = {**DOCUMENT, **attributes}
    return {name: value for name, value in document.items() if value is not None}


def with_data(topic: str, **data: Any) -> dict[str, Any]:
    return changed(type=topic, data=data)


def test_the_documented_example_is_read_whole() -> None:
    message = wire.decode(DOCUMENT)

    assert (message.topic, message.subject) == ("lead.captured", "shop:4711")
    assert message.time == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert message.time_basis is TimeBasis.EXACT
    assert message.fields["personal"] == Personal(
        name="Ada Example", email="ada@example.org", phone="+4930123456"
    )
    assert message.fields["campaign"] == "spring"
    assert message.command_id == message_id("shop/web", "7f3a")


def test_a_line_is_read_like_a_document() -> None:
    assert wire.decode_line(json.dumps(DOCUMENT)) == wire.decode(DOCUMENT)


def test_what_may_be_left_out() -> None:
    message = wire.decode(changed(time=None, datacontenttype=None))

    assert message.time is None
    assert message.actor is None


def test_envelope_and_time_basis_stand_beside_data() -> None:
    message = wire.decode(
        changed(actor="ada", correlationid="c1", causationid="c0", timebasis="day", unheard="of")
    )

    assert (message.actor, message.correlation_id, message.causation_id) == ("ada", "c1", "c0")
    assert message.time_basis is TimeBasis.DAY


def test_a_moment_keeps_its_instant_whatever_its_zone() -> None:
    message = wire.decode(changed(time="2026-03-01T10:30:00.25+01:00"))

    assert message.time == datetime(
        2026, 3, 1, 10, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=1))
    )


def test_a_subject_that_is_a_uuid_is_the_lead_itself() -> None:
    lead = uuid4()

    assert wire.decode(changed(subject=str(lead).upper())).subject == str(lead)


def test_other_names_for_a_value_are_read_as_the_event_reads_them() -> None:
    assert wire.decode(with_data("lead.captured", sales_type="sales")).fields == {
        "sales_type": SalesType.SPEAR
    }


@pytest.mark.parametrize(
    "schema", ["1", "v1", "urn:leadflow:lead.captured:1", "https://x.example/lead.captured/1"]
)
def test_a_schema_of_the_version_known_is_read(schema: str) -> None:
    assert wire.decode(changed(dataschema=schema)).topic == "lead.captured"


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "is a JSON object"),
        (changed(specversion=None), "specversion: is missing"),
        (changed(specversion="0.3"), "specversion: '0.3' is not known"),
        (changed(id=None), "id: is missing"),
        (changed(id=7), "id: must be a text"),
        (changed(source="  "), "source: must be a text that is not empty"),
        (changed(source="a\nb"), "source: holds a control character"),
        (changed(type="lead.capture"), "did you mean lead.captured?"),
        (changed(subject=None), "subject: is missing"),
        (changed(subject="4711"), "neither a lead's UUID nor SYSTEM:EXTERNAL-ID"),
        (changed(subject="shop:"), "subject: 'shop:' is no external id"),
        (changed(time="2026-03-01"), "time: '2026-03-01' is no moment"),
        (changed(time="2026-03-01T09:30:00"), "with its zone"),
        (changed(time="2026-02-30T09:30:00Z"), "is no moment"),
        (changed(time=1_772_357_400), "time: must be a text"),
        (changed(timebasis="guess"), "timebasis: 'guess' is not one of exact, day, assumed"),
        (changed(datacontenttype="text/xml"), "datacontenttype: 'text/xml' is not read"),
        (changed(data_base64="e30="), "data_base64: is not read"),
        (changed(dataschema="2"), "version 2 of lead.captured is not known"),
        (changed(dataschema="urn:leadflow:lead.lost:1"), "is of another type"),
        (changed(dataschema="newest"), "names no version"),
        (changed(data=[]), "data: must be an object"),
        (with_data("lead.captured", sauce="x"), "data.sauce: is not a field here"),
        (with_data("lead.captured", cycle=2), "data.cycle: is stamped by the log"),
        (with_data("lead.engaged", kind="visit", phase="late"), "data.phase: is stamped"),
        (with_data("lead.captured", actor="ada"), "belongs to the attributes beside data"),
        (with_data("lead.engaged"), "data.kind: is missing"),
        (with_data("lead.engaged", kind="visits"), "unknown engagement 'visits'"),
        (with_data("lead.engaged", kind="visit", count="3"), "data.count: "),
        (with_data("lead.engaged", kind="visit", count=1.6), "data.count: "),
        (with_data("lead.qualified", target="yes"), "data.target: "),
        (
            with_data("lead.refunded", order_id="1", amount={"minor": 1, "currency": "EUX"}),
            "'EUX' is no ISO 4217 currency code",
        ),
    ],
)
def test_what_is_no_valid_message_is_refused_by_name(document: object, sentence: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        wire.decode(document)
    assert sentence in refused.value.message
    assert "\n" not in refused.value.message


@pytest.mark.parametrize("line", ["", "{", "null", "[1]", '{"a": NaN}', "\x00"])
def test_a_line_that_is_no_message_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        wire.decode_line(line)


@given(st.binary(max_size=80) | st.text(max_size=80))
def test_no_line_ends_in_a_traceback(line: bytes | str) -> None:
    with suppress(InvalidInput):
        wire.decode_line(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(sorted(DOCUMENT)), JSON, st.sampled_from(sorted(e.BY_TOPIC)))
def test_no_document_ends_in_a_traceback(attribute: str, value: Any, topic: str) -> None:
    document = {**DOCUMENT, "type": topic, attribute: value}
    with suppress(InvalidInput):
        wire.decode(document)


def purchased() -> e.Purchased:
    return e.Purchased(
        originator_id=UUID(int=7),
        originator_version=4,
        position=91,
        recorded_at=datetime(2026, 3, 4, 10, tzinfo=UTC),
        event_id=UUID(int=9),
        occurred_at=datetime(2026, 3, 4, tzinfo=UTC),
        time_basis=TimeBasis.DAY,
        producer="shop/web",
        actor="ada",
        causation_id="c0",
        cycle=1,
        entered=Stage.CUSTOMER,
        visit=1,
        left=Stage.OFFERED,
        left_visit=1,
        irregular=("before_capture",),
        personal=Personal(notes="paid by card"),
        order_id="4711",
        amount=Money(minor=1999, currency="EUR"),
    )


def test_an_event_is_written_without_personal_data_unless_asked() -> None:
    document = wire.encode(purchased())

    assert document["data"] == {
        "order_id": "4711",
        "amount": {"minor": 1999, "currency": "EUR"},
    }
    assert wire.encode(purchased(), personal=True)["data"]["personal"] == {"notes": "paid by card"}


def test_an_event_carries_its_place_and_its_moves() -> None:
    document = wire.encode(purchased())

    assert document["position"] == 91
    assert document["recordedat"] == "2026-03-04T10:00:00Z"
    assert (document["cycle"], document["left"], document["entered"]) == (1, "offered", "customer")
    assert document["irregular"] == "before_capture"
    assert document["timebasis"] == "day"


def test_what_is_written_reads_back_as_the_same_message() -> None:
    event = purchased()
    message = wire.decode(wire.encode(event, personal=True))

    assert (message.source, message.id) == ("shop/web", str(event.event_id))
    assert (message.subject, message.time) == (str(event.originator_id), event.occurred_at)
    assert (message.actor, message.causation_id) == ("ada", "c0")
    assert message.fields == {
        "order_id": event.order_id,
        "amount": event.amount,
        "personal": event.personal,
    }


def test_the_cloudevents_sdk_reads_what_we_write() -> None:
    document = wire.encode(purchased(), personal=True)
    read = JSONFormat().read(None, json.dumps(document))

    assert read.get_type() == "lead.purchased"
    assert read.get_subject() == str(UUID(int=7))
    assert read.get_time() == purchased().occurred_at
    assert read.get_data() == document["data"]


def test_we_read_what_the_cloudevents_sdk_writes() -> None:
    attributes = {name: value for name, value in DOCUMENT.items() if name != "data"}
    attributes["time"] = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    written = JSONFormat().write(CloudEvent(attributes, DOCUMENT["data"]))

    assert wire.decode_line(written) == wire.decode(DOCUMENT)


def test_a_producer_that_is_no_uri_still_makes_a_source_that_is_one() -> None:
    event = purchased().model_copy(update={"producer": "the shop"})

    assert wire.encode(event)["source"] == "the%20shop"


def test_an_older_version_is_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    def renamed(document: upcasters.Document) -> None:
        document["reason"] = document.pop("why")

    monkeypatch.setattr(e.Lost, "schema_version", 2)
    monkeypatch.setitem(upcasters._UPCASTERS, ("lead.lost", 1), renamed)
    sent = {
        "specversion": "1.0",
        "id": "1",
        "source": "crm",
        "type": "lead.lost",
        "subject": "shop:1",
        "data": {"why": "price"},
    }
    for schema in ({}, {"dataschema": "urn:leadflow:lead.lost:1"}):
        assert wire.decode({**sent, **schema}).fields == {"reason": "price"}
    now = {**sent, "data": {"reason": "price"}, "dataschema": "urn:leadflow:lead.lost:2"}
    assert wire.decode(now).fields == {"reason": "price"}
    with pytest.raises(InvalidInput, match=r"is no version 1 of lead\.lost"):
        wire.decode({**sent, "data": {"reason": "price"}})
    with pytest.raises(InvalidInput, match=r"version 3 of lead\.lost is not known"):
        wire.decode({**sent, "dataschema": "3"})
