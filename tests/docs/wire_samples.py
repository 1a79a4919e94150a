"""Sample messages: what the inbox takes, and what it does not."""

from __future__ import annotations

from typing import Any, Final

LEAD: Final = "shop:4711"
OTHER: Final = "9c1f5f0a-6d0e-5c3b-8d57-0d4a3c5f2b11"
MONEY: Final = {"minor": 199900, "currency": "EUR"}

_DATA: Final[dict[str, dict[str, Any]]] = {
    "lead.captured": {
        "personal": {
            "name": "Ada Example",
            "email": "ada@example.org",
            "phone": "+4930123456",
        },
        "channel": "web",
        "source": "paid_search",
        "campaign": "spring",
        "interest": "trial",
        "sales_type": "net",
        "external_ids": ["crm:17"],
        "consents": [{"channel": "email", "purpose": "marketing", "text_version": "2026-01"}],
    },
    "lead.enriched": {
        "fields": {"employees": {"value": 120, "origin": "register", "confidence": 90}},
        "dimensions": {"industry": "retail"},
    },
    "lead.engaged": {"kind": "trial_requested", "asset": "pricing page"},
    "lead.scored": {"points": 15, "reason": "fits the model", "dimension": "fit"},
    "lead.qualified": {"tier": "MQL", "target": True, "criteria": "budget confirmed"},
    "lead.disqualified": {"reason": "non_target"},
    "lead.nurtured": {"programme": "spring mails", "content": "mail 2", "channel": "email"},
    "lead.became_sales_ready": {"trigger": "score", "score": 72},
    "lead.claimed": {"owner": "grace", "lease_until": "2026-03-02T12:00:00Z"},
    "lead.released": {"owner": "grace", "reason": "on leave"},
    "lead.handed_over": {"to_owner": "grace"},
    "lead.accepted": {"by": "grace"},
    "lead.returned": {"by": "grace", "reason": "too early"},
    "lead.contacted": {"channel": "phone", "direction": "outbound", "outcome": "conversation"},
    "lead.offer_made": {"offer_id": "A-1", "amount": MONEY},
    "lead.offer_accepted": {"offer_id": "A-1"},
    "lead.offer_declined": {"offer_id": "A-1", "reason": "price"},
    "lead.purchased": {"order_id": "R-1", "amount": MONEY, "product": "team"},
    "lead.refunded": {"order_id": "R-1", "amount": {"minor": 5000, "currency": "EUR"}},
    "lead.lost": {"reason": "competitor", "competitor": "another"},
    "lead.reopened": {"reason": "new budget"},
    "lead.consent_given": {"channel": "email", "purpose": "marketing", "text_version": "2026-01"},
    "lead.consent_withdrawn": {"channel": "email", "purpose": "marketing"},
    "lead.merged": {"other": OTHER, "survivor": True},
    "lead.unmerged": {"other": OTHER, "survivor": True},
    "lead.erased": {"request_id": "DSR-2026-17"},
    "spend.recorded": {
        "source": "paid_search",
        "period": {"first": "2026-01-01", "last": "2026-01-31"},
        "kind": "media",
        "amount": MONEY,
    },
}


def _message(topic: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    message = {
        "specversion": "1.0",
        "id": f"sample-{topic}",
        "source": "shop/web",
        "type": topic,
        "subject": LEAD,
        "time": "2026-03-01T09:30:00Z",
        "datacontenttype": "application/json",
        "data": fields,
    }
    if not topic.startswith("lead."):
        del message["subject"]
    return {name: value for name, value in (message | more).items() if value is not _LEFT_OUT}


_LEFT_OUT: Final = object()
_VISIT: Final = {"kind": "visit"}

VALID: Final[dict[str, dict[str, Any]]] = {
    **{topic: _message(topic, data) for topic, data in _DATA.items()},
    "policy.activated": _message("policy.activated", {"policy": {}, "policy_hash": "any"}),
    "no-time": _message("lead.engaged", _VISIT, id="no-time", time=_LEFT_OUT),
    "no-data": _message("lead.released", {}, id="no-data", data=_LEFT_OUT),
    "subject-is-a-uuid": _message("lead.engaged", _VISIT, id="uuid", subject=OTHER),
    "own-kind-of-engagement": _message("lead.engaged", {"kind": "x-fair"}, id="own-kind"),
    "known-to-the-day": _message("lead.engaged", _VISIT, id="day", timebasis="day"),
    "version-named": _message(
        "lead.engaged", _VISIT, id="version", dataschema="urn:leadflow:lead.engaged:1"
    ),
    "unknown-attribute": _message("lead.engaged", _VISIT, id="attribute", traceparent="00-1-2-01"),
    "who-and-why": _message(
        "lead.engaged", _VISIT, id="who", actor="grace", correlationid="c-1", causationid="m-9"
    ),
}
"""Documents that the inbox takes, by name; a type's own name holds one with its fields."""

INVALID: Final[dict[str, tuple[str, Any]]] = {
    "no-object": ("a CloudEvents document is a JSON object", ["lead.engaged"]),
    "no-specversion": ("specversion", _message("lead.engaged", _VISIT, specversion=_LEFT_OUT)),
    "other-specversion": ("specversion", _message("lead.engaged", _VISIT, specversion="0.3")),
    "no-id": ("id", _message("lead.engaged", _VISIT, id=_LEFT_OUT)),
    "blank-source": ("source", _message("lead.engaged", _VISIT, source="  ")),
    "unknown-type": ("type", _message("lead.engagd", _VISIT)),
    "no-subject": ("subject", _message("lead.engaged", _VISIT, subject=_LEFT_OUT)),
    "subject-names-no-lead": ("subject", _message("lead.engaged", _VISIT, subject="4711")),
    "time-without-zone": ("time", _message("lead.engaged", _VISIT, time="2026-03-01T09:30:00")),
    "unknown-timebasis": ("timebasis", _message("lead.engaged", _VISIT, timebasis="roughly")),
    "data-is-no-object": ("data", _message("lead.engaged", {}, data="visit")),
    "data-is-no-json": (
        "datacontenttype",
        _message("lead.engaged", _VISIT, datacontenttype="a/xml"),
    ),
    "binary-data": ("data_base64", _message("lead.engaged", _VISIT, data_base64="e30=")),
    "schema-without-version": ("dataschema", _message("lead.engaged", _VISIT, dataschema="urn:x")),
    "field-is-missing": ("data.kind", _message("lead.engaged", {})),
    "field-is-misspelt": ("data.knd", _message("lead.engaged", {"kind": "visit", "knd": "x"})),
    "number-as-text": ("data.count", _message("lead.engaged", {"kind": "visit", "count": "3"})),
    "number-with-fraction": (
        "data.count",
        _message("lead.engaged", {"kind": "visit", "count": 1.6}),
    ),
    "unknown-kind": ("data.kind", _message("lead.engaged", {"kind": "yawned"})),
    "stamp-of-the-log": ("data.cycle", _message("lead.engaged", {"kind": "visit", "cycle": 7})),
    "envelope-in-data": (
        "data.occurred_at",
        _message("lead.engaged", {"kind": "visit", "occurred_at": "2026-03-01T09:30:00Z"}),
    ),
    "money-without-currency": (
        "data.amount.currency",
        _message("lead.purchased", {"order_id": "R-1", "amount": {"minor": 100}}),
    ),
    "unknown-channel": ("data.channel", _message("lead.consent_given", {"channel": "pigeon"})),
}
"""Documents that become dead letters: where the reason begins, and the document."""

VISIT_BYTES: Final = '{"kind":"visit"}'
HEADERS: Final = {
    "ce_specversion": "1.0",
    "ce_id": "sample-binary",
    "ce_source": "shop/web",
    "ce_type": "lead.engaged",
    "ce_subject": LEAD,
    "ce_time": "2026-03-01T09:30:00Z",
    "content-type": "application/json",
}
KAFKA: Final[list[dict[str, Any]]] = [
    {
        "name": "structured mode",
        "headers": {"content-type": "application/cloudevents+json; charset=UTF-8"},
        "key": LEAD,
        "value": _message("lead.engaged", _VISIT, id="sample-structured"),
        "accepted": True,
    },
    {
        "name": "binary mode",
        "headers": HEADERS,
        "key": LEAD,
        "value": _VISIT,
        "accepted": True,
    },
    {
        "name": "binary mode without data",
        "headers": {**HEADERS, "ce_id": "sample-no-data", "ce_type": "lead.released"},
        "key": LEAD,
        "value": None,
        "accepted": True,
    },
    {
        "name": "no header at all: the value is the document",
        "headers": {},
        "key": LEAD,
        "value": _message("lead.engaged", _VISIT, id="sample-plain"),
        "accepted": True,
    },
    {
        "name": "a tombstone",
        "headers": {},
        "key": LEAD,
        "value": None,
        "accepted": False,
        "reason": "value",
    },
    {
        "name": "another format of CloudEvents",
        "headers": {"content-type": "application/cloudevents+protobuf"},
        "key": LEAD,
        "value": {},
        "accepted": False,
        "reason": "content-type",
    },
    {
        "name": "several events in one message",
        "headers": {"content-type": "application/cloudevents-batch+json"},
        "key": LEAD,
        "value": [],
        "accepted": False,
        "reason": "content-type",
    },
    {
        "name": "binary mode without a type",
        "headers": {name: value for name, value in HEADERS.items() if name != "ce_type"},
        "key": LEAD,
        "value": _VISIT,
        "accepted": False,
        "reason": "type",
    },
]
"""Messages with their headers; `value` as JSON, null for a message without one."""
