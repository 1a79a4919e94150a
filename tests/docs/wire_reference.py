"""docs/reference/wire/: schemas, an AsyncAPI document and samples, made from the models."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.wire_schemas import message_schema, published_schema
from leadflow.kafka.acceptance import FROM_ALL
from leadflow.kafka.ingest import INBOX
from tests.docs.pages import DOCS
from tests.docs.wire_samples import INVALID, KAFKA, VALID

FOLDER: Final = DOCS / "reference" / "wire"
EVENTS: Final = "leadflow.events"


def wire_files() -> dict[Path, Callable[[], str]]:
    """Every file of the folder, and what makes its text."""
    files: dict[Path, Callable[[], str]] = {
        FOLDER / "asyncapi.json": lambda: _text(asyncapi()),
        FOLDER / "schemas" / "published.json": lambda: _text(published_schema()),
        FOLDER / "samples" / "kafka.json": lambda: _text(KAFKA),
    }
    for event in e.LOG_EVENTS:
        path = FOLDER / "schemas" / f"{event.topic}.json"
        files[path] = partial(lambda event: _text(message_schema(event)), event)
    for name, message in VALID.items():
        files[FOLDER / "samples" / "valid" / f"{name}.json"] = partial(_text, message)
    for name, (place, message) in INVALID.items():
        sample = {"reason": place, "message": message}
        files[FOLDER / "samples" / "invalid" / f"{name}.json"] = partial(_text, sample)
    return files


def asyncapi() -> dict[str, Any]:
    """The topics that leadflow reads and writes, as AsyncAPI 3 says it."""
    inbox = [event.topic for event in e.LOG_EVENTS]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "leadflow",
            "version": "1",
            "description": "Facts about leads in, every event of the log out. CloudEvents 1.0 on"
            " Kafka, in structured or binary mode; the key is the subject, and partitions are"
            " chosen by murmur2, as Java's producers do.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "inbox": {
                "address": INBOX,
                "description": "Facts from other systems. Types that only some sources may send"
                " are marked x-leadflow-from: named sources.",
                "messages": {topic: _ref("messages", topic) for topic in inbox},
                "bindings": {"kafka": {"topic": INBOX}},
            },
            "deadLetters": {
                "address": f"{INBOX}.dlq",
                "description": "Messages that could not be recorded: key, value and headers byte"
                " for byte, and further headers that say why.",
                "messages": {"deadLetter": _ref("messages", "deadLetter")},
                "bindings": {"kafka": {"topic": f"{INBOX}.dlq"}},
            },
            "events": {
                "address": EVENTS,
                "description": "Every event of the log, in order of its position, without"
                " personal data unless the relay was told to.",
                "messages": {"published": _ref("messages", "published")},
                "bindings": {"kafka": {"topic": EVENTS}},
            },
        },
        "operations": {
            "receiveFacts": {"action": "receive", "channel": _ref(None, "inbox")},
            "sendDeadLetters": {"action": "send", "channel": _ref(None, "deadLetters")},
            "sendEvents": {"action": "send", "channel": _ref(None, "events")},
        },
        "components": {
            "messages": {
                **{event.topic: _fact(event) for event in e.LOG_EVENTS},
                "deadLetter": _dead_letter(),
                "published": _published(),
            }
        },
    }


def _ref(kind: str | None, name: str) -> dict[str, str]:
    return {"$ref": f"#/channels/{name}" if kind is None else f"#/components/{kind}/{name}"}


def _schema(name: str) -> dict[str, Any]:
    return {
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": {"$ref": f"./schemas/{name}.json"},
    }


_KEY: Final = {"kafka": {"key": {"type": "string", "description": "The subject, as UTF-8."}}}


def _fact(event: type[e.LogEvent]) -> dict[str, Any]:
    return {
        "name": event.topic,
        "summary": (event.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/cloudevents+json",
        "payload": _schema(event.topic),
        "bindings": _KEY,
        "x-leadflow-from": "all sources" if event.topic in FROM_ALL else "named sources",
    }


def _published() -> dict[str, Any]:
    return {
        "name": "published",
        "summary": "An event of the log, with its place there and its stamps.",
        "contentType": "application/cloudevents+json",
        "payload": _schema("published"),
        "headers": {
            "type": "object",
            "required": ["content-type", "leadflow-position"],
            "properties": {
                "content-type": {"const": "application/cloudevents+json; charset=UTF-8"},
                "leadflow-position": {"type": "string", "pattern": r"^\d+$"},
            },
        },
        "bindings": _KEY,
    }


def _dead_letter() -> dict[str, Any]:
    connect = (
        *("topic", "partition", "offset", "connector.name", "task.id", "stage", "class.name"),
        *("exception.class.name", "exception.message", "exception.stacktrace"),
    )
    own = ("reason", "attempt", "failed-at", "letter-id")
    names = [f"__connect.errors.{name}" for name in connect] + [f"leadflow.{n}" for n in own]
    return {
        "name": "deadLetter",
        "summary": "A message that could not be recorded, as it was sent.",
        "headers": {
            "type": "object",
            "required": names,
            "properties": {name: {"type": "string"} for name in names},
        },
        "payload": {"description": "Any bytes, or none."},
    }


def _text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
