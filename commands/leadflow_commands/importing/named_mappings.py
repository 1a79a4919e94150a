"""The mappings that come with leadflow, by name, each with a small made file that it reads."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.importing.mapping_file import InvalidMapping, load_mapping, parse_mapping
from leadflow_commands.suggestions import did_you_mean

_FOLDER = files("leadflow_commands.importing.shipped")


def shipped_names() -> list[str]:
    """All of them, in the order of their names."""
    return sorted(
        file.name.removesuffix(".toml") for file in _FOLDER.iterdir() if file.name.endswith(".toml")
    )


def shipped_text(name: str) -> str:
    """The TOML text of a shipped mapping, with its comments.

    Raises:
        InvalidMapping: when none has this name.
    """
    return _FOLDER.joinpath(f"{_known(name)}.toml").read_text("utf-8")


def shipped_example(name: str) -> str | None:
    """The small made CSV file beside a shipped mapping, where it has one.

    Raises:
        InvalidMapping: when no mapping has this name.
    """
    file = _FOLDER.joinpath(f"{_known(name)}.csv")
    return file.read_text("utf-8") if file.is_file() else None


def find_mapping(named: str) -> MappingFile:
    """The mapping in a file, or the shipped one of that name; a file wins.

    Raises:
        InvalidMapping: naming what is wrong with it, or that there is none.
    """
    path = Path(named)
    if path.exists() or named.endswith(".toml") or path.name != named:
        return load_mapping(path)
    return parse_mapping(shipped_text(named), f"{named}.toml")


def _known(name: str) -> str:
    known = shipped_names()
    found = next((k for k in known if k.replace("_", "-") == name.replace("_", "-")), None)
    if found is None:
        raise InvalidMapping(
            f"there is no mapping {name!r}: no such file, and none that comes with leadflow",
            hint=f"{did_you_mean(name, known)} `leadflow import mappings` lists them",
        )
    return found
