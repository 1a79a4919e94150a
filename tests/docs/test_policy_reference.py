"""The policy's reference names every key of the model, and what it is when left out."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import time
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leadflow.domain.policy import Criterion, Policy, Range, Rule
from tests.docs.pages import DOCS

PAGE: Final = DOCS / "reference" / "policy.md"
_LISTS: Final[dict[str, type[BaseModel]]] = {"target": Criterion, "rules": Rule}
_UNLIMITED: Final = {"half_life_days": "never halved"}


def sections() -> dict[str, dict[str, str]]:
    """For each heading the keys below it, with what they are when left out."""
    parts = re.split(r"^## (.+)$", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {
        title.strip("`"): dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", body, re.MULTILINE))
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def left_out(name: str, field: FieldInfo) -> str:
    """What the page must say of a key that is left out."""
    if field.is_required():
        return "required"
    default: Any = field.get_default(call_default_factory=True)
    if default is None:
        return _UNLIMITED.get(name, "no limit")
    if isinstance(default, time):
        return default.strftime("%H:%M")
    if isinstance(default, Collection) and not isinstance(default, str):
        return ", ".join(default) or "none"
    return str(float(default)) if field.annotation is float else str(default)


def keys_of(model: type[BaseModel], without: Collection[str] = ()) -> dict[str, str]:
    return {
        name: left_out(name, field)
        for name, field in model.model_fields.items()
        if name not in without
    }


def test_every_key_stands_in_its_section() -> None:
    parts: dict[str, type[BaseModel]] = {
        name: field.annotation
        for name, field in Policy.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    expected = {
        "Top level": keys_of(Policy, without=[*parts, *_LISTS]),
        **{f"[{name}]": keys_of(model) for name, model in parts.items()},
        **{f"[[{name}]]": keys_of(model) for name, model in _LISTS.items()},
        "Conditions": keys_of(Range),
    }
    assert sections() == expected
