"""Command-line options made from an event's model: names, types, choices and help.

A field added to an event in `leadflow.domain.events` is an option here at once.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import click

from leadflow.domain.events import Captured, Engaged, Enriched, LeadEvent, own_fields
from leadflow.domain.values import (
    ENGAGEMENTS,
    Consent,
    ContactChannel,
    EngagementKind,
    FieldValue,
    Money,
    Personal,
    SalesTypeField,
)
from leadflow_commands.choices import Among, PairType
from leadflow_commands.contacts import normal_email, normal_phone
from leadflow_commands.event_help import PERSONAL_HELP, help_for
from leadflow_commands.moments import MOMENT, GivenMoment
from leadflow_commands.money import MONEY
from leadflow_commands.session import Session

_SINGULAR: Final = {
    "fields": "field",
    "dimensions": "dimension",
    "external_ids": "external-id",
    "consents": "consent",
}
"""Fields that hold several values and are given one at a time."""

_POLICY_FIELDS: Final = {"rule", "policy", "cause"}
"""Fields of an event that only the policy's own answers carry."""

_MANY: Final = 8
"""More choices than these stand in the help, not beside the option's name."""

_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")


@dataclass(frozen=True, slots=True)
class _Shape:
    """How values of a field are given: a click type, once or repeatedly, or as a switch."""

    type: click.ParamType[Any] | None
    multiple: bool = False
    switch: bool = False


def options_of(event: type[LeadEvent], verb: Callable[..., Any]) -> list[click.Parameter]:
    """The options of a verb of the facade that records this event.

    The verb's signature says which fields it takes and which it must have; the event's
    model says what they are.
    """
    hints = get_type_hints(event, include_extras=True)
    options: list[click.Parameter] = []
    for name, parameter in inspect.signature(verb).parameters.items():
        if name == "personal":
            options += _personal_options(event)
        elif name in event.model_fields and name not in _POLICY_FIELDS:
            required = parameter.default is inspect.Parameter.empty
            options.append(_option(event, name, hints[name], required=required))
    if event is Enriched:
        options += [
            click.Option(["--origin"], help="Where the facts come from."),
            click.Option(
                ["--confidence"],
                type=click.IntRange(0, 100),
                help="How sure they are, in per cent.",
            ),
        ]
    return options


def _option(event: type[LeadEvent], name: str, hint: Any, *, required: bool) -> click.Option:
    shape = _shape(hint)
    flag = f"--{_SINGULAR.get(name, name).replace('_', '-')}"
    help_text = help_for(event, name)
    if isinstance(shape.type, Among) and len(shape.type.choices) > _MANY:
        help_text = f"{help_text} One of {', '.join(shape.type.choices)}."
    return click.Option(
        [f"{flag}/--no-{flag[2:]}" if shape.switch else flag, name],
        type=shape.type,
        required=required,
        multiple=shape.multiple,
        default=None,
        help=help_text,
    )


def _personal_options(event: type[LeadEvent]) -> list[click.Parameter]:
    """All of it where contact details are the matter; elsewhere just a note."""
    full = event in (Captured, Enriched, Engaged)
    return [
        click.Option(
            [
                "--personal" if name == "other" else f"--{name.replace('_', '-')}",
                f"personal_{name}",
            ],
            type=PairType(what="personal field") if name == "other" else None,
            multiple=name == "other",
            help=PERSONAL_HELP.get(name),
        )
        for name in Personal.model_fields
        if full or name == "notes"
    ]


def _shape(hint: Any) -> _Shape:
    hint = _without_none(hint)
    if hint == EngagementKind:
        return _Shape(Among(ENGAGEMENTS, what="kind", own_prefix="x-"))
    if hint == SalesTypeField:
        return _Shape(Among(("spear", "seed", "net", "sales"), what="sales type"))
    metadata: tuple[Any, ...] = ()
    if get_origin(hint) is Annotated:
        hint, *rest = get_args(hint)
        metadata = tuple(rest)
    origin = get_origin(hint)
    if origin is tuple:
        inner = get_args(hint)[0]
        return _Shape(CONSENT if inner is Consent else None, multiple=True)
    if origin is dict:
        return _Shape(PairType(), multiple=True)
    if origin is Literal:
        return _Shape(Among([str(value) for value in get_args(hint)]))
    return _scalar_shape(hint, metadata)


def _scalar_shape(kind: Any, metadata: tuple[Any, ...]) -> _Shape:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _Shape(Among([str(member.value) for member in kind], what=_words(kind.__name__)))
    scalars: dict[Any, _Shape] = {
        bool: _Shape(None, switch=True),
        int: _Shape(_int_type(metadata)),
        datetime: _Shape(MOMENT),
        Money: _Shape(MONEY),
        UUID: _Shape(click.UUID),
    }
    return scalars.get(kind, _Shape(None))


def _int_type(metadata: tuple[Any, ...]) -> click.ParamType[int]:
    bounds: dict[str, int] = {}
    for entry in metadata:
        for part in getattr(entry, "metadata", [entry]):
            for name in ("ge", "le"):
                if getattr(part, name, None) is not None:
                    bounds[name] = getattr(part, name)
    if not bounds:
        return click.INT
    return click.IntRange(min=bounds.get("ge"), max=bounds.get("le"))


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        parts = [part for part in get_args(hint) if part is not type(None)]
        if len(parts) == 1:
            return parts[0]
    return hint


def _words(class_name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", class_name).lower()


class ConsentType(click.ParamType[dict[str, str]]):
    """Reads CHANNEL, CHANNEL:PURPOSE or CHANNEL:PURPOSE:TEXT_VERSION."""

    name = "consent"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, str]:
        if isinstance(value, dict):
            return value  # pyright: ignore[reportUnknownVariableType]
        channel, *rest = str(value).split(":", 2)
        consent = {"channel": _CHANNEL.convert(channel, param, ctx)}
        consent |= {
            name: text
            for name, text in zip(("purpose", "text_version"), rest, strict=False)
            if text
        }
        return consent


_CHANNEL: Final = Among([channel.value for channel in ContactChannel], what="channel")
CONSENT: Final = ConsentType()


def fields_from(
    event: type[LeadEvent], given: Mapping[str, Any], session: Session
) -> dict[str, Any]:
    """What the options say, as the fields that a command takes; what was not given is absent."""
    fields: dict[str, Any] = {}
    for name in own_fields(event):
        value = given.get(name)
        if value is None or value == ():
            continue
        if isinstance(value, GivenMoment):
            value = value.last(session.zone)
        elif name == "fields":
            value = _facts(value, given)
        elif name in ("utm", "dimensions"):
            value = dict(value)
        fields[name] = value
    personal = _personal(given, session)
    if personal:
        fields["personal"] = personal
    return fields


def _facts(pairs: tuple[tuple[str, str], ...], given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: FieldValue(
            value=_value(text), origin=given.get("origin"), confidence=given.get("confidence")
        )
        for name, text in pairs
    }


def _value(text: str) -> bool | int | str:
    """true and false, whole numbers without leading zeros, else the text as it stands."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if _INTEGER.fullmatch(text) else text


def _personal(given: Mapping[str, Any], session: Session) -> dict[str, Any]:
    personal = {
        name.removeprefix("personal_"): value
        for name, value in given.items()
        if name.startswith("personal_") and value not in (None, ())
    }
    if "other" in personal:
        personal["other"] = dict(personal["other"])
    _normalise(personal, "email", normal_email)
    _normalise(personal, "phone", lambda text: normal_phone(text, session.settings.phone_region))
    return personal


def _normalise(personal: dict[str, Any], name: str, normal: Callable[[str], str]) -> None:
    if name not in personal:
        return
    try:
        personal[name] = normal(personal[name])
    except ValueError as problem:
        raise click.BadParameter(str(problem), param_hint=f"--{name}") from None
