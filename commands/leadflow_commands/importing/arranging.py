"""The files of an import, each with the mapping of its kind, and those to be looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from leadflow.errors import InvalidInput
from leadflow_commands.importing.lookups import Lookup, read_lookup
from leadflow_commands.importing.mapping import MappingFile
from leadflow_commands.importing.reading import opened, opened_table
from leadflow_commands.importing.table_rows import Source


@dataclass(frozen=True, slots=True)
class _Given:
    """A file, and its kind where the mapping tells kinds apart."""

    path: Path
    kind: str | None


def arranged(files: Sequence[str], mapping: MappingFile, stack: ExitStack) -> list[Source]:
    """Open the files, and bind to each the mapping of its kind.

    Each of `files` is a path, or KIND=PATH. They come in the order in which the mapping
    names their kinds, since what adds to leads has to follow what brings them.

    Raises:
        InvalidInput: when the kind of a file cannot be told, or one to look up is missing.
        UnreadableFile: when a file is not whole, or lacks a column that is named.
    """
    given = [_given(file, mapping) for file in files]
    order = list(mapping.files)
    given.sort(key=lambda g: order.index(g.kind) if g.kind is not None else len(order))
    looked_up = _looked_up(given, mapping, stack)
    sources: list[Source] = []
    for one in given:
        if one.kind is None or not mapping.files[one.kind].key:
            bound = mapping.of_kind(one.kind)
            lookups = {kind: looked_up[kind] for kind in bound.joins}
            table = stack.enter_context(opened(one.path, bound))
            sources.append(Source(table, bound, lookups))
    if not sources:
        raise InvalidInput("all files given are only looked up; give one whose rows are leads")
    return sources


def _given(file: str, mapping: MappingFile) -> _Given:
    kind, equals, rest = file.partition("=")
    if equals and kind in mapping.files:
        return _Given(Path(rest), kind)
    path = Path(file)
    if not mapping.files:
        return _Given(path, None)
    fitting = [n for n, k in mapping.files.items() if k.match and fnmatch(path.name, k.match)]
    if len(fitting) == 1:
        return _Given(path, fitting[0])
    read = [name for name, kind in mapping.files.items() if not kind.key]
    if not fitting and not read:
        return _Given(path, None)
    said = f"fits {' and '.join(fitting)}" if fitting else "fits none of the kinds"
    ways = " or ".join(f"{name}={file}" for name in fitting or mapping.files)
    raise InvalidInput(
        f"{file}: by its name it {said} in [files] of the mapping {mapping.name}",
        hint=f"say which it is: {ways}",
    )


def _looked_up(
    given: Sequence[_Given], mapping: MappingFile, stack: ExitStack
) -> Mapping[str, Lookup]:
    """The files that others are joined with, held by their keys."""
    wanted: dict[str, dict[str, None]] = {}
    for one in given:
        if one.kind is None or not mapping.files[one.kind].key:
            bound = mapping.of_kind(one.kind)
            for kind in bound.joins:
                wanted.setdefault(kind, {})
            for kind, column, _ in bound.joined():
                wanted[kind][column] = None
    found: dict[str, Lookup] = {}
    for kind, columns in wanted.items():
        paths = [one.path for one in given if one.kind == kind]
        if len(paths) != 1:
            raise InvalidInput(
                f"the mapping {mapping.name} looks rows up in the file {kind}, and "
                f"{'none' if not paths else 'more than one'} was given",
                hint=f"give one as {kind}=FILE",
            )
        known = mapping.files[kind]
        table = stack.enter_context(opened_table(paths[0], known.reading or mapping.reading))
        missing = known.missing == "refuse"
        found[kind] = read_lookup(table, known.key, tuple(columns), refuse_missing=missing)
    return found
