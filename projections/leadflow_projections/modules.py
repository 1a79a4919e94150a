"""Projections of a user's own: found in a module, a file, or by an installed entry point."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Final

from leadflow_projections.algebra import Projection
from leadflow_projections.checking import check
from leadflow_projections.errors import InvalidProjection

ENTRY_POINTS: Final = "leadflow.projections"
"""The group by which an installed package offers projections: NAME = "module:ATTRIBUTE"."""


def from_module(place: str) -> list[Projection]:
    """Every projection that a module defines at its top level.

    Args:
        place: a module's name such as `shop.projections`, or the path of a file, `calls.py`.

    Raises:
        InvalidProjection: when there is no such module, it cannot be imported, or a
            projection in it cannot be folded.
    """
    module = _file(Path(place)) if place.endswith(".py") else _module(place)
    found = [value for value in vars(module).values() if isinstance(value, Projection)]
    if not found:
        raise InvalidProjection(
            f"{place} defines no projection",
            hint="assign a Projection to a name at the module's top level; see "
            "docs/how-to/write-a-projection.md",
        )
    for projection in found:
        check(projection, place)
    return found


def installed() -> list[Projection]:
    """The projections that installed packages offer.

    Raises:
        InvalidProjection: when one cannot be loaded.
    """
    return [_offered(point) for point in entry_points(group=ENTRY_POINTS)]


def _offered(point: EntryPoint) -> Projection:
    where = f"the entry point {point.name} of {point.dist.name if point.dist else 'a package'}"
    try:
        offered: object = point.load()
    except Exception as error:
        raise _unusable(where, error) from error
    if not isinstance(offered, Projection):
        raise InvalidProjection(f"{where}, {point.value}, is no Projection")
    check(offered, where)
    return offered


def together(sources: Iterable[tuple[str, Sequence[Projection]]]) -> dict[str, Projection]:
    """All projections by name.

    Args:
        sources: where projections come from, in words, with those.

    Raises:
        InvalidProjection: when two share a name, or a table's name.
    """
    found: dict[str, Projection] = {}
    tables: dict[str, str] = {}
    for where, projections in sources:
        for projection in projections:
            if found.get(projection.name, projection) != projection:
                raise InvalidProjection(
                    f"{where}: there is another projection {projection.name}",
                    hint="give it a name of its own",
                )
            found[projection.name] = projection
            for table in projection.tables:
                owner = tables.setdefault(table.name, projection.name)
                if owner != projection.name:
                    raise InvalidProjection(
                        f"{where}: {projection.name} and {owner} both have a table {table.name}",
                        hint="give it a name of its own",
                    )
    return found


def _module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:  # as `python -m` has it: the user's own module lies where he stands
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise InvalidProjection(
                f"there is no module {name}",
                hint="name an importable module, or the path of a file that ends in .py",
            ) from error
        raise _unusable(name, error) from error
    except Exception as error:
        raise _unusable(name, error) from error


def _file(path: Path) -> ModuleType:
    place = path.resolve()
    spec = spec_from_file_location(f"leadflow_module_{place.stem}", place)
    if not place.is_file() or spec is None or spec.loader is None:
        raise InvalidProjection(f"there is no file {path}")
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # so that dataclasses and pickles in it find their module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise _unusable(str(path), error) from error
    return module


def _unusable(where: str, error: Exception) -> InvalidProjection:
    """What is wrong with a user's module, with the line of it that failed."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).name == Path(where).name
        or frame.filename.endswith(f"{where.replace('.', '/')}.py")
    ]
    line = lines[-1] if lines else getattr(error, "lineno", None)
    place = f"{where}, line {line}" if line else where
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return InvalidProjection(f"{place}: {type(error).__name__}: {said}")
