"""CloudEvents on Kafka, with the CloudEvents SDK as judge of what a message says."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    to_binary_event,
    to_structured_event,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from leadflow.errors import InvalidInput
from leadflow.kafka import cloud_events

ATTRIBUTES: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7f3a",
    "source": "shop/web",
    "type": "lead.engaged",
    "subject": "shop:4711",
    "time": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    "datacontenttype": "application/json",
    "correlationid": "c-1",
}
TEXTS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)


def sent(made: KafkaMessage) -> tuple[bytes | None, list[tuple[str, bytes | None]]]:
    value: Any = made.value
    text = value.encode() if isinstance(value, str) else value
    return text, list(made.headers.items())


@given(identity=TEXTS, asset=TEXTS)
def test_what_the_sdk_writes_is_read_alike_in_both_modes(identity: str, asset: str) -> None:
    event = CloudEvent({**ATTRIBUTES, "id": identity}, {"kind": "visit", "asset": asset})
    binary = cloud_events.decode(*sent(to_binary_event(event, JSONFormat())))
    structured = cloud_events.decode(*sent(to_structured_event(event, JSONFormat())))
    assert binary == structured
    assert (binary.id, binary.subject, binary.fields["asset"]) == (identity, "shop:4711", asset)
    assert (binary.time, binary.correlation_id) == (ATTRIBUTES["time"], "c-1")


DOCUMENT = json.dumps({**ATTRIBUTES, "time": "2026-03-01T09:30:00Z", "data": {"kind": "visit"}})
BINARY: list[tuple[str, bytes | None]] = [
    *((f"ce_{name}", str(ATTRIBUTES[name]).encode()) for name in ("specversion", "id", "source")),
    ("ce_type", b"lead.engaged"),
    ("ce_subject", b"shop:4711"),
]


@pytest.mark.parametrize(
    "content",
    [
        "application/cloudevents",
        "APPLICATION/CloudEvents+JSON",
        "application/cloudevents+json; a=b",
    ],
)
def test_structured_mode_is_told_by_its_prefix_in_any_case(content: str) -> None:
    headers: list[tuple[str, bytes | None]] = [("Content-Type", content.encode())]
    # In structured mode attributes in headers say nothing.
    extra: list[tuple[str, bytes | None]] = [*headers, ("ce_type", b"lead.lost")]
    assert cloud_events.decode(DOCUMENT.encode(), extra).topic == "lead.engaged"


def test_binary_mode_without_a_content_type() -> None:
    message = cloud_events.decode(b'{"kind":"visit"}', BINARY)
    assert (message.topic, message.time) == ("lead.engaged", None)


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (None, [], "value: the message is a tombstone"),
        (None, [("content-type", b"application/cloudevents+json")], "value: the message is a tomb"),
        (b"{}", [("content-type", b"application/cloudevents+avro")], "content-type: "),
        (b"{}", [("content-type", b"application/cloudevents-batch")], "content-type: "),
        (b"{}", [("content-type", b"\xff")], "header content-type: is no UTF-8"),
        (b"{}", [*BINARY, ("CE_id", b"8")], "header ce_id: is given twice"),
        (b"{}", [*BINARY, ("ce_time", None)], "header ce_time: is null"),
        (b"{}", [*BINARY, ("content-type", b"text/xml")], "datacontenttype: 'text/xml'"),
        (b"<a/>", BINARY, "data: no JSON"),
        (b"[]", BINARY, "data: must be an object"),
    ],
)
def test_what_cannot_be_read_says_why(
    value: bytes | None, headers: list[tuple[str, bytes | None]], reason: str
) -> None:
    with pytest.raises(InvalidInput) as raised:
        cloud_events.decode(value, headers)
    assert raised.value.message.startswith(reason)


@given(value=st.binary(max_size=200), name=st.sampled_from(["content-type", "ce_type", "x"]))
def test_any_bytes_are_read_or_refused(value: bytes, name: str) -> None:
    for headers in ([], [(name, value)], BINARY):
        with suppress(InvalidInput):
            assert cloud_events.decode(value, headers).topic == "lead.engaged"
        source, kind, subject = cloud_events.sketch(value, headers)
        assert all(text is None or text.isprintable() for text in (source, kind, subject))


def test_a_sketch_says_what_can_be_told() -> None:
    wrong = DOCUMENT.replace("visit", "yawned").encode()
    assert cloud_events.sketch(wrong, []) == ("shop/web", "lead.engaged", "shop:4711")
    assert cloud_events.sketch(b"\xff", []) == (None, None, None)
    assert cloud_events.sketch(b'{"source":7,"type":"' + b"x" * 300 + b'"}', []) == (
        None,
        None,
        None,
    )
