"""Builds with all their rows, as they are at one moment, in the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from leadflow_projections.builds import Build, Checkpoint
from leadflow_projections.checkpoint_tables import CHECKPOINTS, PARKED
from leadflow_projections.errors import BuildMissing
from leadflow_projections.reaches import Reach, reach_of
from leadflow_projections.stored_rows import Kind, Wanted, at_rest_columns, take_snapshot

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.following import Followed

_KEY: Mapping[str, Kind] = {"projection": "text", "version": "integer", "build": "integer"}
_CHECKPOINTS = Wanted(
    "snapshot_checkpoints",
    CHECKPOINTS,
    {**_KEY, "bucket": "integer", "position": "integer", "folded": "integer"},
)
_PARKED = Wanted(
    "snapshot_parked",
    PARKED,
    {**_KEY, "stream": "text", "first_position": "integer", "events": "integer"},
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One build as it was at the moment of the snapshot."""

    build: Build
    """With its checkpoints as they were then, without who held them."""
    parked: Mapping[str, int]
    """The streams that were parked, with the position from which on."""

    @property
    def reach(self) -> Reach:
        return reach_of(self.build)


def snapshot(
    store: Store,
    engine: DuckDBPyConnection,
    builds: Sequence[Followed],
    further: Sequence[Wanted] = (),
) -> list[Snapshot]:
    """Take builds with their rows into the engine; `further` rows too, of the same moment.

    The rows at rest of a build's table lie in an engine's table of the stored table's name.

    Raises:
        BuildMissing: one of them was dropped meanwhile.
        StoreError: they cannot be read.
    """
    tables = [
        Wanted(each.stored(table), each.stored(table), at_rest_columns(table))
        for each in builds
        for table in each.projection.tables
    ]
    take_snapshot(store, engine, [_CHECKPOINTS, _PARKED, *tables, *further])
    return [of_then(engine, each.build) for each in builds]


def of_then(engine: DuckDBPyConnection, build: Build) -> Snapshot:
    marks = _rows_of(engine, _CHECKPOINTS, build)
    if not marks:
        raise BuildMissing(
            f"build {build.version}.{build.build} of {build.projection} was dropped meanwhile",
            hint="`leadflow projections status` shows the builds there are.",
        )
    checkpoints = tuple(Checkpoint(*mark) for mark in sorted(marks))
    parked = _rows_of(engine, _PARKED, build)
    then = replace(
        build,
        checkpoints=checkpoints,
        parked=sum(events for *_, events in parked),
        parked_leads=len(parked),
    )
    return Snapshot(then, {stream: first for stream, first, _ in parked})


def _rows_of(engine: DuckDBPyConnection, wanted: Wanted, build: Build) -> list[Any]:
    columns = ", ".join(name for name in wanted.columns if name not in _KEY)
    return engine.execute(
        f"SELECT {columns} FROM {wanted.into} WHERE projection = ? AND version = ? AND build = ?",
        build.key,
    ).fetchall()
