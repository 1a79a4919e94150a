"""Reading segments into a fold: checked byte for byte, only the columns that are wanted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leadflow_projections.ahead import ahead
from leadflow_projections.archive.columns import read_select
from leadflow_projections.archive.manifest import Doubtful, Manifest, check_content
from leadflow_projections.archive.twin import Archive, Stretch
from leadflow_projections.event_sql import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow_projections.taking import Type

_TRIES: Final = 5
TOGETHER: Final = 12
"""Segments given at once: each statement takes its time to be planned."""
_CHECKERS: Final = 2


@dataclass(frozen=True, slots=True)
class Part:
    """Events of one segment or several: the statement that gives them."""

    events: int
    position: int
    """Of the last of them."""
    select: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """A segment that is not what was sealed, where events of it were wanted."""

    stretch: Stretch
    segment: Manifest
    why: str


class SegmentReader:
    """Gives the events of segments as a fold takes them."""

    def __init__(
        self, archive: Archive, fields: Mapping[str, Type], connection: DuckDBPyConnection
    ) -> None:
        """Read these fields, into this engine."""
        self._archive = archive
        self._fields = fields
        self._connection = connection

    @property
    def gives_all(self) -> bool:
        """Whether the twin's columns can give every field as it is wanted."""
        return read_select(self._fields, "segment") is not None

    def parts(self, segments: Sequence[Manifest], wanted: Stretch) -> Iterator[Part | Damaged]:
        """What the segments have of a range, each checked while those before it are folded."""
        with ahead(self._checked(segments, wanted)) as checked:
            yield from checked

    def part(self, segments: Sequence[Manifest], wanted: Stretch) -> Part:
        """What good segments have of a range."""
        files = ", ".join(literal(str(self._archive.path(segment))) for segment in segments)
        rows = f"read_parquet([{files}])"
        stretches = [_within(segment, wanted) for segment in segments]
        bounds: list[str] = []
        if any(segment.first <= wanted.after for segment in segments):
            bounds.append(f"position > {wanted.after}")
        if any(segment.last > wanted.upto for segment in segments):
            bounds.append(f"position <= {wanted.upto}")
        if bounds:
            rows += f" WHERE {' AND '.join(bounds)}"
        select = read_select(self._fields, rows)
        assert select is not None
        events = sum(upto - after for after, upto in stretches)
        return Part(events, max(stretch.upto for stretch in stretches), select)

    def known_by(self, moment: int, segments: Sequence[Manifest], upto: int) -> int:
        """The last position that the log had learnt of by a moment (µs); `upto` where all are."""
        for segment in segments:
            if segment.recorded_from > moment:
                return min(upto, segment.first - 1)
            if segment.recorded_to > moment:
                return min(upto, self._known_within(segment, moment))
        return upto

    def _known_within(self, segment: Manifest, moment: int) -> int:
        try:
            segment = self._good(segment, segment.last)
        except Doubtful:
            return segment.last  # whoever reads it from the log compares each event
        file = literal(str(self._archive.path(segment)))
        with closing(self._connection.cursor()) as cursor:
            ((position,),) = cursor.execute(
                f"SELECT max(position) FROM read_parquet({file}) "
                f"WHERE epoch_us(recorded_at) <= {moment}"
            ).fetchall()
        return int(position)

    def _checked(self, segments: Sequence[Manifest], wanted: Stretch) -> Iterator[Part | Damaged]:
        def look(segment: Manifest) -> Manifest | Damaged:
            stretch = _within(segment, wanted)
            try:
                return self._good(segment, stretch.upto)
            except Doubtful as why:
                return Damaged(stretch, segment, str(why))

        with ThreadPoolExecutor(_CHECKERS) as checkers:
            for begin in range(0, len(segments), TOGETHER):
                looked_at = list(checkers.map(look, segments[begin : begin + TOGETHER]))
                good = [each for each in looked_at if isinstance(each, Manifest)]
                if good:
                    # What replaced a segment meanwhile may hold more than was asked for.
                    last = segments[begin : begin + TOGETHER][-1].last
                    yield self.part(good, Stretch(wanted.after, min(wanted.upto, last)))
                yield from (each for each in looked_at if isinstance(each, Damaged))

    def _good(self, segment: Manifest, needed: int) -> Manifest:
        """The segment, or what replaced it meanwhile, once its content was seen to be whole.

        Raises:
            Doubtful: when it is not what was sealed.
        """
        for _ in range(_TRIES):
            try:
                check_content(self._archive.folder, segment)
                return segment
            except Doubtful:
                now = self._archive.current(segment)
                if now is None or now == segment or now.last < needed or not now.is_ours:
                    raise
                segment = now
        raise Doubtful("it is replaced again and again")


def _within(segment: Manifest, wanted: Stretch) -> Stretch:
    return Stretch(max(segment.first - 1, wanted.after), min(segment.last, wanted.upto))
