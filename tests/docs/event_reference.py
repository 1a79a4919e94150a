"""docs/reference/events.md, made from the models of the events."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from inspect import cleandoc, getsource
from itertools import pairwise
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from pydantic import BaseModel

from leadflow.domain import events as e
from leadflow.domain.stages import DESTINATION
from leadflow.domain.values import (
    ENGAGEMENTS,
    Consent,
    EngagementKind,
    ExternalIdText,
    FieldValue,
    Money,
    Personal,
    SalesTypeField,
)
from leadflow_commands.event_help import PERSONAL_HELP, help_for
from leadflow_commands.verbs import VERBS

INTRODUCTION: Final = """
# Events
<!-- Written by `python -m tests.docs`; do not edit. -->

Every event of the log, with its fields, as `leadflow/domain/events.py` defines them. What
each does to a lead's stage stands in [the lifecycle](lifecycle.md), how one is written as a
JSON line in [the wire format](wire.md).

An event has three parts. Its **own fields** are what a sender gives. The **envelope** says
who, when and why. The **stamps** are what depends on the lead's past: the log writes them
when the event is recorded, and a sender's are refused. Unknown is absent, never 0 or an
empty text. A field that an event does not have is refused.
"""

_VALUES: Final[dict[type[BaseModel], str]] = {
    Personal: "personal data",
    Consent: "consent",
    FieldValue: "fact",
    Money: "money",
    e.SpendPeriod: "days",
}

_MEANING: Final = {
    "personal": "Personal data; encrypted, and gone once the lead is erased.",
    "consents": "Consents given with it.",
    "external_ids": "Further ids of the lead in other systems.",
    "fields": "Facts about the lead, by name.",
    "known_after_outcome": "Names of fields known only once the outcome was; never scored.",
    "utm": "The utm parameters, by name.",
    "kind": f"What the lead did: {', '.join(ENGAGEMENTS)}, or `x-NAME` for a kind of your own.",
    "landing_page": "The page it came to; its query is moved to the personal data.",
    "other": "The other lead.",
    "left_visit": "Which visit of that stage it had been.",
    "cycle": "Which run through the funnel it belongs to, from 1.",
    "originator_id": "Whose event it is: the lead's id.",
    "originator_version": "Which of the lead's events it is, from 1.",
    "event_id": "The event's own id.",
    "time_basis": "How well `occurred_at` is known.",
    "actor": "Who did it: a person, or `policy` for what the policy answered.",
    "correlation_id": "Id of the whole that it belongs to, in your systems.",
    "causation_id": "What caused it: an event's id, or a command's.",
    "rule": "The policy's rule that gave them; absent for points given by hand.",
    "survivor": "Whether this lead is the one that had gone on.",
    "score": "The lead's score at that moment.",
    "policy": "The whole policy.",
    "policy_hash": "What it says, as 16 hexadecimal digits.",
    "period": "The days that the money was spent for.",
    "first": "The first day.",
    "last": "The last day.",
    "minor": "The amount in minor units: cents, sen, …",
    "currency": "The ISO 4217 code.",
    "purpose": "What the channel may be used for.",
    "text_version": "The version of the text agreed to.",
    "evidence": "What proves it, such as a form's id.",
    "value": "The value.",
    "origin": "Where it comes from.",
    "confidence": "How sure it is, in per cent.",
}
"""Where neither the model nor the command line says it for a field of an event."""

_OF_EVENT: Final[dict[type[BaseModel], dict[str, str]]] = {
    e.ConsentGiven: {"channel": "The way to reach the person."},
    e.ConsentWithdrawn: {"channel": "The way to reach the person."},
    Consent: {"channel": "The way to reach the person."},
    e.OfferMade: {"amount": "What was offered."},
    e.Purchased: {"amount": "What was paid."},
    e.Refunded: {"amount": "What went back, of what was paid for the order."},
    e.Accepted: {"by": "Who took it on."},
    e.Returned: {"by": "Who gave it back."},
    e.Contacted: {"by": "Who called or wrote.", "channel": "The way to reach the person."},
    e.SpendRecorded: {
        "source": "The marketing source.",
        "kind": "What the money went into.",
        "campaign": "The campaign, where it was for one.",
        "sales_type": "The sales type, where it was for one.",
        "amount": "What was spent; negative to correct.",
    },
}
"""Meanings that one event or value has of its own."""

_OF_EVENT[Personal] = {
    **PERSONAL_HELP,
    "notes": "A note in free words.",
    "other": "Further personal data, by name.",
}


def event_reference() -> str:
    """The whole page."""
    parts = [INTRODUCTION.strip(), *_common(), *map(_event, e.LOG_EVENTS), *_values()]
    return "\n\n".join(parts) + "\n"


def _common() -> Iterator[str]:
    stamps = [n for n in e.LeadEvent.model_fields if n in e.STAMPS]
    yield "## Envelope: every event\n\n" + _table(e.LogEvent, list(e.LogEvent.model_fields))
    yield (
        "## Stamps: every event of a lead\n\n"
        + _table(e.LeadEvent, stamps)
        + "\n\n`phase` and `confirms` of `lead.engaged` are stamps too. Every event of a lead may "
        "carry `personal` ([personal data](#personal-data)) beside its own fields."
    )


def _event(event: type[e.LogEvent]) -> str:
    said = [cleandoc(event.__doc__ or "")]
    entered = DESTINATION.get(event.topic)
    if entered is not None:
        said.append(f"Enters *{entered.value}* where the table of stages lets it.")
    said.append(_recorded_by(event))
    stamps = [n for n in event.model_fields if n in e.STAMPS - set(e.LeadEvent.model_fields)]
    own = [n for n in e.own_fields(event) if n != "personal"]
    text = f"## `{event.topic}`\n\n" + " ".join(said)
    if event.schema_version > 1:
        text += f" Schema version {event.schema_version}."
    if own or stamps:
        text += "\n\n" + _table(event, [*own, *stamps])
    return text


def _recorded_by(event: type[e.LogEvent]) -> str:
    verb = next((verb for verb in VERBS if verb.event is event), None)
    if verb is not None:
        return f"Recorded by `leads.{verb.method}(…)`, `leadflow lead {verb.name}`."
    others: dict[type[e.LogEvent], str] = {
        e.Merged: "Recorded by `leads.merge(…)`, `leadflow lead merge`.",
        e.Unmerged: "Recorded by `leads.unmerge(…)`, `leadflow lead unmerge`.",
        e.Erased: "Recorded by `leads.erase(…)`, `leadflow lead erase`.",
        e.PolicyActivated: "Recorded by `leads.activate_policy(…)`, `leadflow policy activate`; "
        "its stream is the policy's own.",
        e.SpendRecorded: "Recorded by `leads.record_spend(…)`; each source has a stream of its "
        "own.",
    }
    return others[event]


def _values() -> Iterator[str]:
    yield "## Values"
    for value, name in _VALUES.items():
        table = _table(value, list(value.model_fields))
        yield f"### {name.capitalize()}\n\n{cleandoc(value.__doc__ or '')}\n\n{table}"


def _table(model: type[BaseModel], names: list[str]) -> str:
    hints = get_type_hints(model, include_extras=True)
    rows = ["| field | type | meaning |", "| --- | --- | --- |"]
    for name in names:
        field = model.model_fields[name]
        must = ", required" if field.is_required() else ""
        meaning = _sentence(_meaning(model, name))
        if field.default and not field.is_required() and isinstance(field.default, (int, str)):
            meaning += f" Without it `{field.default}`."
        rows.append(f"| `{name}` | {_type(hints[name])}{must} | {meaning} |")
    return "\n".join(rows)


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text[0].upper() + text[1:] + ("" if text[-1] in ".…" else ".")


def _meaning(model: type[BaseModel], name: str) -> str:
    text = _OF_EVENT.get(model, {}).get(name) or _said_in_the_model(model, name)
    text = text or _MEANING.get(name, "")
    if not text and issubclass(model, e.LeadEvent):
        text = help_for(model, name).replace(" Repeatable.", "")
    assert text, f"nothing says what {model.__name__}.{name} means"
    return text.removeprefix("Stamp: ")


def _said_in_the_model(model: type[BaseModel], name: str) -> str:
    """The text below a field in the source of its class or of one of its bases."""
    for base in model.__mro__:
        if not base.__module__.startswith("leadflow."):
            continue
        body = ast.parse(getsource(base)).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in pairwise(body.body):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and field.target.id == name
                and isinstance(text, ast.Expr)
                and isinstance(text.value, ast.Constant)
            ):
                return cleandoc(str(text.value.value))
    return ""


_NAMED: Final[tuple[tuple[Any, str], ...]] = (
    (EngagementKind, "text"),
    (ExternalIdText, "text, `SYSTEM:ID`"),
    (SalesTypeField, "`spear`, `seed`, `net`"),
)


def _type(hint: Any) -> str:
    named = next((name for known, name in _NAMED if known == hint), None)
    if named is not None:
        return named
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        kinds = [_type(part) for part in arguments if part is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is dict:
        return f"{_type(arguments[1])} by name" if arguments[1] is not Any else "document"
    return f"list of {_type(arguments[0])}" if origin is tuple else _plain_type(hint)


def _plain_type(kind: Any) -> str:
    if kind in _VALUES:
        name = _VALUES[kind]
        return f"[{name}](#{name.replace(' ', '-')})"
    if issubclass(kind, Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    names = {str: "text", int: "integer", bool: "true or false", UUID: "UUID", datetime: "moment"}
    return names[kind]
