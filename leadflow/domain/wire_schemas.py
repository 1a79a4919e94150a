"""JSON Schemas of the wire format, made from the events' models: what a sender may write.

One for each type, of the whole CloudEvents document, and one for the attributes that
leadflow adds to what it publishes. They are for other languages to test against; where a
rule cannot be said in a schema, such as whether a currency exists, `wire.decode` is stricter.
"""

from __future__ import annotations

from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.domain.values import ENGAGEMENTS, TimeBasis
from leadflow.domain.wire import SPEC_VERSION, own_model

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_UUID: Final = "[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"
_EXTERNAL_ID: Final = r"[^:\s]{1,100}:\S(.{0,498}\S)?"
_TEXT: Final[dict[str, Any]] = {
    "type": "string",
    "pattern": r"^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$",
}
_MOMENT: Final[dict[str, Any]] = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$",
}
_KIND: Final = {
    "anyOf": [
        {"enum": list(ENGAGEMENTS)},
        {"type": "string", "pattern": "^x-[a-z0-9][a-z0-9_-]{0,62}$"},
    ]
}
_PATTERNS: Final[dict[str, dict[str, Any]]] = {
    "kind": _KIND,
    "external_ids": {
        "type": "array",
        "items": {"type": "string", "pattern": f"^{_EXTERNAL_ID}$"},
    },
}
"""What the models check by code, by the field's name."""


def schema_name(event: type[e.LogEvent]) -> str:
    """How a type's schema is called, its version included."""
    return f"urn:leadflow:{event.topic}:{event.schema_version}"


def message_schema(event: type[e.LogEvent]) -> dict[str, Any]:
    """The schema of a document of one type, as the inbox and JSON lines take it."""
    data = own_model(event).model_json_schema()
    definitions = data.pop("$defs", {})
    for name, schema in _PATTERNS.items():
        if name in data["properties"] and (name != "kind" or event is e.Engaged):
            data["properties"][name] = schema
    required = ["specversion", "id", "source", "type"]
    if issubclass(event, e.LeadEvent):
        required.append("subject")
    if data.get("required"):
        required.append("data")
    properties = {**_attributes(event), "data": data if data.get("required") else _or_null(data)}
    schema = {
        "$schema": DIALECT,
        "$id": schema_name(event),
        "title": event.topic,
        "description": (event.__doc__ or "").strip().splitlines()[0],
        "type": "object",
        "required": required,
        "properties": properties,
    }
    return schema | ({"$defs": definitions} if definitions else {})


def published_schema() -> dict[str, Any]:
    """The schema of what leadflow adds: the event's place in the log, and its stamps."""
    stage = {"enum": [stage.value for stage in Stage]}
    count = {"type": "integer", "minimum": 1}
    return {
        "$schema": DIALECT,
        "$id": "urn:leadflow:published:1",
        "title": "published",
        "description": "What leadflow writes into a document beside the attributes of its type.",
        "type": "object",
        "required": [
            *("specversion", "id", "source", "type", "subject", "time", "datacontenttype"),
            *("leadversion", "position", "recordedat", "data"),
        ],
        "properties": {
            "specversion": {"const": SPEC_VERSION},
            "id": {"type": "string", "pattern": f"^{_UUID}$"},
            "source": {"type": "string", "format": "uri-reference", "minLength": 1},
            "type": {"enum": list(e.BY_TOPIC)},
            "subject": {"type": "string", "pattern": f"^{_UUID}$"},
            "time": _MOMENT,
            "datacontenttype": {"const": "application/json"},
            "leadversion": count,
            "position": count,
            "recordedat": _MOMENT,
            "cycle": count,
            "entered": stage,
            "left": stage,
            "irregular": _TEXT,
            "data": {"type": "object"},
        },
    }


def _attributes(event: type[e.LogEvent]) -> dict[str, Any]:
    lead = {"type": "string", "pattern": f"^({_UUID}|{_EXTERNAL_ID})$"}
    return {
        "specversion": {"const": SPEC_VERSION},
        "id": _TEXT,
        "source": _TEXT,
        "type": {"const": event.topic},
        "subject": lead if issubclass(event, e.LeadEvent) else _or_null(_TEXT),
        "time": _or_null(_MOMENT),
        "timebasis": _or_null({"enum": [basis.value for basis in TimeBasis]}),
        "datacontenttype": _or_null(
            {"type": "string", "pattern": r"^\s*(application/json|[^;]+\+json)\s*(;.*)?$"}
        ),
        "dataschema": _or_null({"type": "string", "pattern": r"^(.*[:/#.])?v?\d+$"}),
        "data_base64": {"type": "null"},
        **{name: _or_null(_TEXT) for name in ("actor", "correlationid", "causationid")},
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}
