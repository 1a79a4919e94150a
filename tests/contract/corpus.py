"""Events of every class with every field anything that its model allows."""

from __future__ import annotations

import types
from datetime import datetime
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from annotated_types import Ge, Le
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leadflow.domain.events import BY_TOPIC, LogEvent
from leadflow.domain.values import ENGAGEMENTS
from leadflow.persistence.codec import to_moment

# Lone surrogates are no text that JSON, or a database, can hold.
_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
# 1900 to 2200, to the microsecond
_moments = st.integers(-2_208_988_800_000_000, 7_258_118_400_000_000).map(to_moment)
_json: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)

# Where a validator asks for more than the annotation says.
_BY_NAME: dict[str, st.SearchStrategy[Any]] = {
    "kind": st.sampled_from([*ENGAGEMENTS, "x-tasting"]),
    "currency": st.sampled_from(["EUR", "JPY", "KWD", "BRL"]),
    "external_ids": st.lists(st.just("shop:4711") | st.just("crm:a:b c"), max_size=2).map(tuple),
    "landing_page": _texts.map(lambda text: text.replace("?", "") or "/"),
}
_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: _texts,
    bool: st.booleans(),
    int: st.integers(-(2**53), 2**53),
    UUID: st.uuids(),
    datetime: _moments,
    types.NoneType: st.none(),
    Any: _json,
}


def events(topic: str) -> st.SearchStrategy[LogEvent]:
    """Events of one class, without a place in the log."""
    event_class = BY_TOPIC[topic]
    fields = _fields(event_class) | {
        "originator_version": st.integers(1, 1000),
        "position": st.none(),
        "recorded_at": st.none(),
    }
    if topic == "spend.recorded":
        fields["kind"] = st.sampled_from(["media", "sales", "other"])
    elif topic == "policy.activated":
        fields["policy"] = st.dictionaries(_texts, _json, max_size=4)
    return st.fixed_dictionaries(fields).map(event_class.model_validate)


def _fields(model: type[BaseModel]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: _field(name, field) for name, field in model.model_fields.items()}


def _field(name: str, field: FieldInfo) -> st.SearchStrategy[Any]:
    given = _BY_NAME.get(name)
    if given is not None:
        return given if field.is_required() or name != "landing_page" else st.none() | given
    low = next((int(m.ge) for m in field.metadata if isinstance(m, Ge)), None)  # type: ignore[call-overload]
    high = next((int(m.le) for m in field.metadata if isinstance(m, Le)), None)  # type: ignore[call-overload]
    if low is not None or high is not None:
        bounded = st.integers(low, high if high is not None else 2**31)
        return bounded if field.is_required() else st.just(field.get_default()) | bounded
    return _type(field.annotation)


def _type(annotation: Any) -> st.SearchStrategy[Any]:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    arguments = get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0])
    if arguments:
        return _composed(get_origin(annotation), arguments)
    if issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    assert issubclass(annotation, BaseModel), annotation
    return st.fixed_dictionaries(_fields(annotation)).map(annotation.model_validate)


def _composed(origin: Any, arguments: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_type(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(_type(arguments[0]), _type(arguments[1]), max_size=3)
    assert origin in (Union, types.UnionType), origin
    return st.one_of([_type(argument) for argument in arguments])
