"""Reads a mapping file; what is wrong with it is said with file, line and key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

from pydantic import BaseModel, ValidationError

from leadflow.errors import InvalidInput
from leadflow_commands.importing.checking import KeyPath, Problem, problems
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.importing.toml_places import place_of_key
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
    place = place_of_key(text, problem.path)
    key = ".".join(str(part) for part in _named(data, problem.path))
    where = f"{where}, {place}" if place else where
    sentence = f"{key}: {problem.sentence}" if key else problem.sentence
    return InvalidMapping(f"{where}: {sentence}", hint=problem.hint)


def _named(data: Mapping[str, Any], path: KeyPath) -> KeyPath:
    """A path that gives a rule by its name, where it has one, instead of its number."""
    path = tuple(path) if path[-1:] != ("topic",) else path[:-1]
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
