"""Texts and lists of columns as TOML writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from leadflow_commands.importing.profiling import Column


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def listed(columns: Iterable[Column]) -> str:
    """The names of columns as a TOML list."""
    return f"[{', '.join(quoted(column.name) for column in columns)}]"
