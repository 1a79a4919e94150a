"""Reads a mapping file; what is wrong with it is said with file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from leadflow.errors import InvalidInput
from leadflow_commands.importing.checking import KeyPath, Problem, problems
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.suggestions import did_you_mean

SHIPPED: Final = ("olist_leads", "olist_deals")
"""The mappings that come with leadflow."""


class InvalidMapping(InvalidInput):
    """A mapping file is no TOML, says something unknown, or contradicts itself."""

    code = "invalid_mapping"


def load_mapping(path: Path) -> MappingFile:
    """Read and check a mapping file.

    Raises:
        InvalidMapping: naming the file and, where it can be told, line and key.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidMapping(f"{path} is no UTF-8 text: {error.reason}") from error
    except OSError as error:
        raise InvalidMapping(f"{path}: {error.strerror}") from error
    return parse_mapping(text, str(path))


def shipped_mapping(name: str) -> MappingFile:
    """One of the mappings that come with leadflow, by its name in `SHIPPED`."""
    text = files("leadflow_commands.importing.shipped").joinpath(f"{name}.toml").read_text("utf-8")
    return parse_mapping(text, f"{name}.toml")


def parse_mapping(text: str, where: str) -> MappingFile:
    """Check a mapping given as TOML text; `where` names it in errors.

    Raises:
        InvalidMapping: naming the first thing that is wrong, with its line.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidMapping(f"{where} is no TOML: {error}") from error
    try:
        mapping = MappingFile.model_validate(data)
    except ValidationError as error:
        raise _invalid(text, where, data, _first(error)) from error
    for problem in problems(mapping):
        raise _invalid(text, where, data, problem)
    return mapping


def _invalid(text: str, where: str, data: Mapping[str, Any], problem: Problem) -> InvalidMapping:
    line = line_of(text, problem.path)
    key = ".".join(str(part) for part in _named(data, problem.path))
    place = f"{where}, line {line}" if line else where
    sentence = f"{key}: {problem.sentence}" if key else problem.sentence
    return InvalidMapping(f"{place}: {sentence}", hint=problem.hint)


def _named(data: Mapping[str, Any], path: KeyPath) -> KeyPath:
    """A path that gives a rule by its name, where it has one, instead of its number."""
    if len(path) < 2 or path[0] != "rules" or not isinstance(path[1], int):
        return path
    rule = data["rules"][path[1]]
    name = cast("dict[str, Any]", rule).get("name") if isinstance(rule, dict) else None
    return (f"rule {name}" if isinstance(name, str) else f"rule {path[1] + 1}", *path[2:])


def _first(error: ValidationError) -> Problem:
    """What pydantic first found wrong, and what may have been meant."""
    errors = error.errors(include_url=False, include_context=False)
    # A key that is not known is the reason, where another is missing besides.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    parts = (str(part).split(".") if isinstance(part, str) else [part] for part in first["loc"])
    path: KeyPath = tuple(part for some in parts for part in some)
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        reason = "is missing"
    if first["type"] == "extra_forbidden":
        return Problem(path, "is not known", _meant(path))
    return Problem(path, reason)


def _meant(path: KeyPath) -> str | None:
    """What an unknown key was meant to be: the keys that its table knows."""
    model: Any = MappingFile
    for key in path[:-1]:
        if isinstance(model, type) and issubclass(model, BaseModel) and key in model.model_fields:
            model = _part_of(model.model_fields[str(key)].annotation)
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        return None
    return did_you_mean(
        str(path[-1]), [field.alias or name for name, field in model.model_fields.items()]
    )


def _part_of(annotation: Any) -> Any:
    """The model inside an annotation such as `dict[Name, Time]` or `tuple[Rule, ...]`."""
    if isinstance(annotation, type):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        part = _part_of(inner)
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


_TABLE: Final = re.compile(r"\s*\[(?P<array>\[)?\s*(?P<name>[^\[\]]+?)\s*\]{1,2}\s*(#.*)?")
_KEY: Final = re.compile(r"\s*(?P<name>[A-Za-z0-9_\-.\"' ]+?)\s*=")


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line that sets a key of a TOML text, or the nearest part of it that has one.

    tomllib tells no lines, so they are looked for again: by table headers and by keys
    that stand at a line's beginning, which is how people write TOML.
    """
    wanted = tuple(path)
    best: tuple[int, int] | None = None
    for number, key in _keys(text):
        if wanted[: len(key)] == key and (best is None or len(key) > best[0]):
            best = len(key), number
    return best[1] if best else None


def _keys(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    table: tuple[str | int, ...] = ()
    counts: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if (header := _TABLE.fullmatch(line)) is not None:
            table = _resolve(_split(header["name"]), counts)
            if header["array"]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield number, table
        elif (key := _KEY.match(line)) is not None:
            yield number, (*table, *_split(key["name"]))


def _resolve(
    names: Sequence[str], counts: Mapping[tuple[str | int, ...], int]
) -> tuple[str | int, ...]:
    """A table's path, with the number of the array element that each part stands in."""
    path: tuple[str | int, ...] = ()
    for name in names[:-1]:
        path = (*path, name)
        path = (*path, counts[path]) if path in counts else path
    return (*path, names[-1])


def _split(dotted: str) -> tuple[str, ...]:
    parts = cast("list[str]", re.findall(r"\"[^\"]*\"|'[^']*'|[^.\s]+", dotted))
    return tuple(part.strip("\"'") for part in parts)
