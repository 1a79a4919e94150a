"""Verifying a twin: every segment held against the log, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leadflow.errors import LogCorrupt
from leadflow_projections.ahead import ahead
from leadflow_projections.archive.columns import write_select
from leadflow_projections.archive.logs import StoreLog
from leadflow_projections.archive.manifest import Doubtful, Manifest, check_content
from leadflow_projections.archive.sealing import halves
from leadflow_projections.archive.twin import Archive, Doubt, Stretch, check_chain
from leadflow_projections.engine import open_engine
from leadflow_projections.errors import ArchiveError
from leadflow_projections.event_sql import literal

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store

_NOTHING: Final = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class VerifiedTwin:
    """What was held against the log."""

    segments: int
    """Those that hold what the log has."""
    events: int
    differences: tuple[Doubt, ...]
    """The segments that do not."""


def verify_twin(
    store: Store, archive: Archive, *, tell: Callable[[int], None] | None = None
) -> VerifiedTwin:
    """Compare every segment with the log: its place in the chain, its bytes, its events.

    `tell` is told how many events have been compared.

    Raises:
        ArchiveForeign: the twin is of another log, or ahead of it.
        ArchiveError: there is none, or it cannot be read.
    """
    survey = archive.survey()
    if not survey.segments and not survey.doubts:
        raise ArchiveError(
            f"nothing is sealed in {archive.folder}",
            hint="`leadflow archive seal` seals the log.",
        )
    check_chain(archive, survey.segments, StoreLog(store))
    differences = list(survey.doubts)
    events = 0
    with open_engine() as engine:
        for segment in survey.segments:
            why = _difference(store, archive, segment, engine)
            if why is not None:
                differences.append(Doubt(segment.first, segment.name, why))
            events += segment.events
            if tell is not None:
                tell(events)
    return VerifiedTwin(
        segments=len(survey.segments) + len(survey.doubts) - len(differences),
        events=events,
        differences=tuple(sorted(differences, key=lambda each: each.first)),
    )


def _difference(
    store: Store, archive: Archive, segment: Manifest, engine: DuckDBPyConnection
) -> str | None:
    """What is wrong with a segment; None where it holds exactly what the log has."""
    try:
        check_content(archive.folder, segment)
    except Doubtful as why:
        return str(why)
    file = literal(str(archive.path(segment)))
    sealed = _digest(engine, f"FROM read_parquet({file})")
    try:
        in_log = _NOTHING
        for rows in _rows(store, archive, Stretch(segment.first - 1, segment.last)):
            engine.register("rows", rows)
            in_log = _sum(in_log, _digest(engine, write_select("rows")))
            engine.unregister("rows")
    except LogCorrupt as error:
        return f"the log itself cannot be read there: {error.message}"
    return None if sealed == in_log else "it does not hold the events that the log has"


def _rows(store: Store, archive: Archive, stretch: Stretch) -> Iterator[pa.Table]:
    with (
        StoreLog(store).open(*stretch) as batches,
        ahead(halves(archive, batches, stretch.after)) as rows,
    ):
        yield from rows


def _digest(engine: DuckDBPyConnection, select: str) -> tuple[int, int, int]:
    """A digest of rows that does not depend on their order, and adds up."""
    ((count, total, parity),) = engine.execute(
        "SELECT count(*), coalesce(sum(CAST(h AS HUGEINT)), 0), coalesce(bit_xor(h), 0) "
        f"FROM (SELECT hash(r) AS h FROM ({select}) AS r)"
    ).fetchall()
    return int(count), int(total), int(parity)


def _sum(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] ^ other[2]
