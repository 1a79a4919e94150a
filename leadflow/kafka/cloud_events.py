"""CloudEvents on Kafka: a message in structured or in binary mode becomes a `wire.Message`.

In structured mode the value is the whole document, and the header `content-type` begins with
`application/cloudevents`. In binary mode the attributes are headers with the prefix `ce_`, and
the value is the data. A message without any such header is taken for a document, so that a
plain command-line producer can be used.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, cast

import orjson

from leadflow.domain import wire
from leadflow.errors import InvalidInput
from leadflow.kafka.records import Headers

CONTENT_TYPE: Final = "content-type"
PREFIX: Final = "ce_"
_STRUCTURED: Final = "application/cloudevents"
_STRUCTURED_JSON: Final = "application/cloudevents+json"


class Sketch(NamedTuple):
    """What can be told of a message that may be wrong: to sort it by, not to rely on."""

    source: str | None
    type: str | None
    subject: str | None


def decode(value: bytes | None, headers: Headers) -> wire.Message:
    """Read and validate a message.

    Raises:
        InvalidInput: naming what is wrong first.
    """
    return wire.decode(_document(value, headers))


def sketch(value: bytes | None, headers: Headers) -> Sketch:
    """What a message says of itself, however wrong the rest is."""
    try:
        document = _document(value, headers)
    except InvalidInput:
        return Sketch(None, None, None)
    if not isinstance(document, dict):
        return Sketch(None, None, None)
    given = cast("dict[str, object]", document)
    return Sketch(_short(given, "source"), _short(given, "type"), _short(given, "subject"))


def _short(given: dict[str, object], attribute: str) -> str | None:
    value = given.get(attribute)
    if isinstance(value, str) and len(value) <= 255 and value.isprintable():
        return value
    return None


def _document(value: bytes | None, headers: Headers) -> object:
    content: str | None = None
    attributes: dict[str, bytes | None] = {}
    for name, text in headers:
        lower = name.lower()
        if lower == CONTENT_TYPE:
            content = _utf8(name, text)
        elif lower.startswith(PREFIX):
            if lower in attributes:
                raise InvalidInput(f"header {lower}: is given twice")
            attributes[lower] = text
    if content is not None and content.lower().startswith(_STRUCTURED):
        return _structured(value, content)
    if attributes:
        return _binary(value, content, attributes)
    return _json(value, "value")


def _structured(value: bytes | None, content: str) -> object:
    kind = content.partition(";")[0].strip().lower()
    if kind not in (_STRUCTURED, _STRUCTURED_JSON):
        raise InvalidInput(f"content-type: {kind!r} is not read; send {_STRUCTURED_JSON}")
    return _json(value, "value")


def _binary(
    value: bytes | None, content: str | None, attributes: dict[str, bytes | None]
) -> dict[str, Any]:
    document: dict[str, Any] = {
        name.removeprefix(PREFIX): _utf8(name, text) for name, text in attributes.items()
    }
    if content is not None:
        document["datacontenttype"] = content
    if value is not None:  # without a value it is an event without data
        document["data"] = _json(value, "data")
    return document


def _json(value: bytes | None, name: str) -> object:
    if value is None:
        raise InvalidInput(f"{name}: the message is a tombstone: it says nothing")
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{name}: no JSON: {error}") from error


def _utf8(name: str, text: bytes | None) -> str:
    if text is None:
        raise InvalidInput(f"header {name}: is null")
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"header {name}: is no UTF-8") from error
