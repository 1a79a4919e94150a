"""A scoring policy as TOML text, as `leadflow policy activate` takes it back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def policy_toml(data: Mapping[str, Any]) -> str:
    """The policy's data as TOML: single values, then parts, then rules."""
    return "\n".join(_table(data, ())) + "\n"


def _table(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for name, value in data.items():
        if not _is_table(value) and not _is_tables(value):
            yield f"{_key(name)} = {_value(value)}"
    for name, value in data.items():
        title = ".".join(_key(part) for part in (*path, name))
        if _is_table(value):
            yield from ("", f"[{title}]")
            yield from _table(value, (*path, name))
        elif _is_tables(value):
            for entry in value:
                yield from ("", f"[[{title}]]")
                yield from (f"{_key(key)} = {_value(part)}" for key, part in entry.items())


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and any(map(_is_table, cast("list[object]", value)))


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _value(name)


def _value(value: object) -> str:
    """TOML's basic strings, whole numbers and truth values are written as JSON's are."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return "{ " + ", ".join(f"{_key(name)} = {_value(part)}" for name, part in pairs) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_value, cast("list[object]", value))) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
