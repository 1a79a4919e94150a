"""The tables of docs/reference/mapping.md, made from the models that read a mapping.

python -m tests.docs.mapping_reference  # writes them into the page
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from leadflow_commands.importing import mapping, rules

PAGE: Final = Path(__file__).parents[2] / "docs/reference/mapping.md"
PARTS: Final[dict[str, type[BaseModel]]] = {
    "mapping": mapping.MappingFile,
    "reading": mapping.Reading,
    "id": mapping.Identity,
    "blank": mapping.Blank,
    "values": mapping.Values,
    "times": mapping.Time,
    "groups": mapping.Group,
    "files": mapping.FileKind,
    "rule": rules.Rule,
    "when": rules.Condition,
    "data": rules.Expression,
    "event": rules.EventSource,
    "each": rules.Each,
}
_BLOCK: Final = re.compile(r"(<!-- keys of (?P<part>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(page: str) -> str:
    """The page with its tables as the models have them."""
    return _BLOCK.sub(lambda m: f"{m[1]}{table(PARTS[m['part']])}{m[3]}", page)


def table(model: type[BaseModel]) -> str:
    """A model's keys: default and meaning."""
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    said = {name: text for base in reversed(model.__mro__) for name, text in _said(base)}
    for name, field in model.model_fields.items():
        default = (
            "required"
            if field.is_required()
            else _default(field.get_default(call_default_factory=True))
        )
        meaning = " ".join(said.get(name, "").split()).replace("|", "\\|")
        lines.append(f"| `{field.alias or name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _default(value: Any) -> str:
    if value is None or value in ((), {}, ""):
        return ""
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(repr(part) for part in value)}]`".replace("'", '"')
    return (
        f"`{value!r}`" if not isinstance(value, str) else f'`"{value}"`'.replace('`"""`', "`'\"'`")
    )


def _said(model: type) -> Iterator[tuple[str, str]]:
    """The texts below a class's fields."""
    if not issubclass(model, BaseModel) or model is BaseModel:
        return
    (body,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(body, ast.ClassDef)
    for field, text in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, str(text.value.value)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text("utf-8")), "utf-8")
