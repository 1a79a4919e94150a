"""Verifying a twin: every segment held against the log, event by event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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

_Digest = tuple[int, int, int]
_NOTHING: Final[_Digest] = (0, 0, 0)


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
    with open_engine() as engine:
        comparison = _Comparison(store, archive, engine, tell)
        for run in _runs(survey.segments):
            differences += comparison.differences(run)
    return VerifiedTwin(
        segments=len(survey.segments) + len(survey.doubts) - len(differences),
        events=sum(segment.events for segment in survey.segments),
        differences=tuple(sorted(differences, key=lambda each: each.first)),
    )


def _runs(segments: Sequence[Manifest]) -> Iterator[list[Manifest]]:
    """Segments that follow each other without a gap: their events are read in one go."""
    run: list[Manifest] = []
    for segment in segments:
        if run and run[-1].last + 1 != segment.first:
            yield run
            run = []
        run.append(segment)
    if run:
        yield run


class _Comparison:
    def __init__(
        self,
        store: Store,
        archive: Archive,
        engine: DuckDBPyConnection,
        tell: Callable[[int], None] | None,
    ) -> None:
        self._store = store
        self._archive = archive
        self._engine = engine
        self._tell = tell
        self._compared = 0

    def differences(self, run: Sequence[Manifest]) -> Iterator[Doubt]:
        """What is wrong with segments that follow each other."""
        in_log = self._in_log(run)
        for segment in run:
            why = self._difference(segment, in_log[segment.first])
            if why is not None:
                yield Doubt(segment.first, segment.name, why)

    def _difference(self, segment: Manifest, in_log: _Digest | str) -> str | None:
        """What is wrong with a segment; None where it holds exactly what the log has."""
        try:
            check_content(self._archive.folder, segment)
        except Doubtful as why:
            return str(why)
        if isinstance(in_log, str):
            return in_log
        file = literal(str(self._archive.path(segment)))
        sealed = _digest(self._engine, f"FROM read_parquet({file})")
        return None if sealed == in_log else "it does not hold the events that the log has"

    def _in_log(self, run: Sequence[Manifest]) -> dict[int, _Digest | str]:
        """For each segment the digest of its events in the log, or why they cannot be read."""
        found: dict[int, _Digest | str] = {}
        after, upto = run[0].first - 1, run[-1].last
        while after < upto:
            try:
                for stretch, rows in self._rows(Stretch(after, upto)):
                    self._add(run, stretch, rows, found)
                    after = stretch.upto
            except LogCorrupt as error:
                bad = next(each for each in run if each.last >= max(error.position, after + 1))
                found[bad.first] = f"the log itself cannot be read there: {error.message}"
                after = bad.last
        return found

    def _rows(self, stretch: Stretch) -> Iterator[tuple[Stretch, pa.Table]]:
        after = stretch.after
        with (
            StoreLog(self._store).open(*stretch) as batches,
            ahead(halves(self._archive, batches, after)) as chunks,
        ):
            for rows in chunks:
                yield Stretch(after, after + rows.num_rows), rows
                after += rows.num_rows
                self._compared += rows.num_rows
                if self._tell is not None:
                    self._tell(self._compared)

    def _add(
        self,
        run: Sequence[Manifest],
        stretch: Stretch,
        rows: pa.Table,
        found: dict[int, _Digest | str],
    ) -> None:
        self._engine.register("rows", rows)
        for segment in run:
            if segment.last > stretch.after and segment.first <= stretch.upto:
                events = f"position BETWEEN {segment.first} AND {segment.last}"
                select = f"SELECT * FROM ({write_select('rows')}) WHERE {events}"
                before = found.get(segment.first, _NOTHING)
                assert not isinstance(before, str)
                found[segment.first] = _sum(before, _digest(self._engine, select))
        self._engine.unregister("rows")


def _digest(engine: DuckDBPyConnection, select: str) -> _Digest:
    """A digest of rows that does not depend on their order, and adds up."""
    ((count, total, parity),) = engine.execute(
        "SELECT count(*), coalesce(sum(CAST(h AS HUGEINT)), 0), coalesce(bit_xor(h), 0) "
        f"FROM (SELECT hash(r) AS h FROM ({select}) AS r)"
    ).fetchall()
    return int(count), int(total), int(parity)


def _sum(one: _Digest, other: _Digest) -> _Digest:
    return one[0] + other[0], one[1] + other[1], one[2] ^ other[2]
