"""What the parts of a mapping are made of: names, columns, and the base of its models."""

from __future__ import annotations

import codecs
import re
from typing import Annotated, Any, Final, cast
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,62}")
_PLACEHOLDER: Final = re.compile(r"\{(column|slug|label)\}")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name; use letters, digits, `_`, `-` and `.`")
    return text


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"there is no encoding {name!r}; usual are utf-8 and cp1252") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"there is no time zone {name!r}; write one like Europe/Berlin") from None
    return name


def _several(written: Any) -> Any:
    return (written,) if isinstance(written, str) else written


def _labelled(written: Any) -> Any:
    """A list of columns as a table in which each column is its own label."""
    if isinstance(written, list):
        listed = cast("list[object]", written)
        return {column: column for column in listed}
    return written


def _template(text: str) -> str:
    _name(_PLACEHOLDER.sub("x", text))
    return text


Name = Annotated[str, AfterValidator(_name)]
NameTemplate = Annotated[str, AfterValidator(_template)]
"""A name in which `{column}`, `{slug}` and `{label}` may stand for a column."""
Zone = Annotated[str, AfterValidator(_zone)]
Encoding = Annotated[str, AfterValidator(_encoding)]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
Column = Annotated[str, StringConstraints(min_length=1)]
"""A column's name as the header has it, or `#3` for the third one."""
Columns = Annotated[tuple[Column, ...], BeforeValidator(_several)]
Labelled = Annotated[dict[Column, str], BeforeValidator(_labelled)]
"""Columns, each with what `{label}` stands for; the column itself where they are only listed."""


class Part(BaseModel):
    """Base of a mapping's parts: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
