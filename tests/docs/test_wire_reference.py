"""The schemas, the AsyncAPI document and the samples say what the program takes and gives."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.domain import wire
from leadflow.domain.policy import default_policy
from leadflow.errors import InvalidInput
from leadflow.kafka import cloud_events
from leadflow.kafka.dead_letters import headers_of
from leadflow.kafka.intake import Terms, take
from leadflow.kafka.records import Received
from leadflow.kafka.relay_documents import publisher
from leadflow.persistence.inbox import Origin
from tests.docs.wire_reference import FOLDER, asyncapi, wire_files

SCHEMAS = {path.stem: path for path in sorted((FOLDER / "schemas").glob("*.json"))}
VALID = sorted((FOLDER / "samples" / "valid").glob("*.json"))
INVALID = sorted((FOLDER / "samples" / "invalid").glob("*.json"))


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@cache
def validator(name: str) -> Draft202012Validator:
    schema = read(SCHEMAS[name])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_the_folder_holds_what_is_made_and_no_more() -> None:
    there = set(FOLDER.rglob("*.json"))
    assert there == set(wire_files())
    assert set(SCHEMAS) == {event.topic for event in e.LOG_EVENTS} | {"published"}
    assert {path.stem for path in VALID} >= {event.topic for event in e.LOG_EVENTS}


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_what_is_valid_is_taken_and_fits_its_schema(path: Path) -> None:
    message = read(path)
    assert wire.decode(message).topic == message["type"]
    validator(message["type"]).validate(message)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_what_is_invalid_is_refused_for_its_reason_and_by_its_schema(path: Path) -> None:
    sample = read(path)
    message = sample["message"]
    with pytest.raises(InvalidInput) as raised:
        wire.decode(message)
    assert raised.value.message.startswith(sample["reason"])
    topic = message.get("type") if isinstance(message, dict) else "lead.engaged"
    schema = validator(topic if topic in SCHEMAS else "lead.engaged")
    assert not schema.is_valid(message)


@pytest.mark.parametrize("event", e.LOG_EVENTS, ids=lambda event: event.topic)
def test_a_schema_has_every_field_and_no_other(event: type[e.LogEvent]) -> None:
    data = read(SCHEMAS[event.topic])["properties"]["data"]
    own = data if "properties" in data else data["anyOf"][0]
    assert set(own["properties"]) == set(e.own_fields(event)) | (
        {"personal"} & set(own["properties"])
    )
    assert own["additionalProperties"] is False


def test_messages_with_headers_are_taken_as_the_samples_say() -> None:
    for sample in read(FOLDER / "samples" / "kafka.json"):
        value = None if sample["value"] is None else json.dumps(sample["value"]).encode()
        headers = [(name, text.encode()) for name, text in sample["headers"].items()]
        if sample["accepted"]:
            assert cloud_events.decode(value, headers).subject == sample["key"]
        else:
            with pytest.raises(InvalidInput) as raised:
                cloud_events.decode(value, headers)
            assert raised.value.message.startswith(sample["reason"]), sample["name"]


def test_every_sample_can_be_recorded_and_what_is_published_fits() -> None:
    from leadflow.kafka.acceptance import acceptance

    sent = [read(path) for path in VALID]
    for message in sent:
        if message["type"] == "policy.activated":
            message["data"]["policy"] = default_policy().as_data()
    with Leadflow.open("sqlite:///:memory:", create=True) as leads:
        leads.capture("shop:4711")
        leads.capture("9c1f5f0a-6d0e-5c3b-8d57-0d4a3c5f2b11")
        terms = Terms(acceptance=acceptance(["*=*"]))
        first = {"lead.offer_made": 0, "lead.purchased": 0, "lead.erased": 2}
        sent.sort(key=lambda message: first.get(message["type"], 1))
        done = take(leads, [received(n, message) for n, message in enumerate(sent)], terms)
        assert (done.recorded, done.buried) == (len(sent), 0), done.said
        published = [
            publisher(leads.store, personal=personal)(stored)
            for personal in (False, True)
            for stored in leads.store.events_at(1, 10_000)
        ]
    assert len(published) > 2 * len(sent)
    for record in published:
        document = json.loads(record.value)
        validator("published").validate(document)
        validator(document["type"]).validate(document)


def received(offset: int, message: Any) -> Received:
    origin = Origin("inbox", UUID(int=7), 0, offset)
    return Received(origin, b"key", json.dumps(message).encode(), [])


def test_the_asyncapi_document_is_one() -> None:
    packed = Path(__file__).with_name("vendored") / "asyncapi-3.0.0.schema.json.gz"
    schema = json.loads(gzip.decompress(packed.read_bytes()))
    document = read(FOLDER / "asyncapi.json")
    assert document == asyncapi()
    Draft7Validator(schema).validate(document)
    for reference in _references(document):
        target, _, inside = reference.partition("#")
        found = document if not target else read(FOLDER / target)
        for step in inside.strip("/").split("/") if inside else ():
            found = found[step]
        assert found


def _references(document: Any) -> list[str]:
    if isinstance(document, dict):
        own = [document["$ref"]] if isinstance(document.get("$ref"), str) else []
        return own + [ref for value in document.values() for ref in _references(value)]
    if isinstance(document, list):
        return [ref for value in document for ref in _references(value)]
    return []


def test_dead_letters_have_the_headers_that_the_document_names() -> None:
    with Leadflow.open("sqlite:///:memory:", create=True) as leads:
        message = received(0, ["no event"])
        (row,) = take(leads, [message], Terms()).dead
    given = {name for name, _ in headers_of(row, message, "why", "worker")}
    named = asyncapi()["components"]["messages"]["deadLetter"]["headers"]["required"]
    assert given == set(named)
