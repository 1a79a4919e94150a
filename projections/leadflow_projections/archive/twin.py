"""A twin's folder as its readers see it: which segments are good, and which are doubted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from leadflow.persistence.store import NO_HASH
from leadflow_projections.archive.manifest import (
    Doubtful,
    Manifest,
    check_file,
    manifest_name,
    read_manifest,
)
from leadflow_projections.errors import ArchiveDamaged, ArchiveError, ArchiveForeign

SEGMENT_EVENTS: Final = 122_880
"""The events of a full segment: the log's positions are divided evenly, only the last is short.

Large enough that a log of a thousand million events has eight thousand files, small enough
to be held in memory while it is written.
"""

TEMPORARY: Final = ".sealing"
"""How the name of a file ends that is being written."""
LOCK: Final = "sealing.lock"


class Stretch(NamedTuple):
    """Positions that no segment holds: after one, up to and with another."""

    after: int
    upto: int


@dataclass(frozen=True, slots=True)
class Doubt:
    """A segment that cannot be read for what it should be."""

    first: int
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Survey:
    """What lies in a twin's folder."""

    segments: tuple[Manifest, ...] = ()
    """The good ones, by position; none overlaps another."""
    doubts: tuple[Doubt, ...] = ()
    leftovers: tuple[str, ...] = ()
    """Files that no segment needs: of a crash, or of segments that were replaced."""
    outdated: tuple[Manifest, ...] = ()
    """Segments with the columns of another release."""

    @property
    def end(self) -> int:
        """The last position that is sealed with all before it."""
        end = 0
        for segment in self.segments:
            if segment.first != end + 1:
                break
            end = segment.last
        return end

    @property
    def last(self) -> int:
        """The last position of any segment."""
        return self.segments[-1].last if self.segments else 0

    def missing(self, after: int, upto: int) -> Iterator[Stretch]:
        """The positions of a range that no segment holds, in order."""
        for segment in self.segments:
            if segment.first - 1 > after:
                yield Stretch(after, min(segment.first - 1, upto))
            after = max(after, segment.last)
            if after >= upto:
                return
        if after < upto:
            yield Stretch(after, upto)

    def within(self, after: int, upto: int) -> list[Manifest]:
        """The segments that hold any position of a range."""
        return [each for each in self.segments if each.last > after and each.first <= upto]


class Chain(Protocol):
    """The log, as far as a twin is held against it."""

    def end(self) -> int:
        """The position of the log's last event."""
        ...

    def hashes(self, positions: Sequence[int]) -> Mapping[int, str]:
        """The log's hash at each of these positions that it has, in hexadecimal."""
        ...


@dataclass(frozen=True)
class Archive:
    """A folder with segments. Opening reads nothing; every reading looks at it anew."""

    folder: Path
    segment_events: int = field(default_factory=lambda: SEGMENT_EVENTS)

    def line_above(self, after: int) -> int:
        """The last position of the segment that the event after a position belongs to."""
        return (after // self.segment_events + 1) * self.segment_events

    @property
    def exists(self) -> bool:
        """Whether there is such a folder."""
        return self.folder.is_dir()

    def survey(self) -> Survey:
        """Read every manifest, and look at the size and footer of every segment's file.

        Raises:
            ArchiveError: when the folder cannot be read.
        """
        names = self._names()
        found: list[Manifest] = []
        outdated: list[Manifest] = []
        doubts: list[Doubt] = []
        needed = {LOCK}
        for name in sorted(name for name in names if name.endswith(".json")):
            first = _first_of(name)
            if first is None:
                continue
            needed.add(name)
            try:
                manifest = read_manifest(self.folder / name)
                needed.add(manifest.file)
                check_file(self.folder, manifest)
            except FileNotFoundError:
                continue  # replaced or removed since the folder was listed
            except (Doubtful, OSError) as why:
                doubts.append(Doubt(first, self._shown(first, names), str(why)))
                continue
            (found if manifest.is_ours else outdated).append(manifest)
        segments = _without_overlaps(found)
        doubts += self._gaps(
            segments, {doubt.first for doubt in doubts} | {m.first for m in outdated}
        )
        return Survey(
            tuple(segments),
            tuple(sorted(doubts, key=lambda doubt: doubt.first)),
            tuple(sorted(name for name in names if _is_ours(name) and name not in needed)),
            tuple(outdated),
        )

    def check_whole(self, survey: Survey) -> None:
        """See that the twin can be read without its log.

        Raises:
            ArchiveError: when nothing is sealed, or by another release.
            ArchiveDamaged: when a segment is missing or not what was sealed.
        """
        if survey.doubts:
            doubt = survey.doubts[0]
            raise ArchiveDamaged(
                f"segment {doubt.name} of the archive {self.folder} is damaged: {doubt.why}",
                hint="Copy the archive again from where it is kept.",
            )
        if survey.outdated:
            raise ArchiveError(
                f"the archive {self.folder} was sealed by another release of leadflow",
                hint="Read it by that release, or run `leadflow archive seal` where its log is.",
            )
        if not survey.segments:
            where = "is empty" if self.exists else "does not exist"
            raise ArchiveError(
                f"nothing is sealed in {self.folder}: the folder {where}",
                hint="Name the folder that `leadflow archive status` shows, or a copy of it.",
            )

    def current(self, segment: Manifest) -> Manifest | None:
        """The segment as its manifest has it now; None where there is none that can be read."""
        try:
            return read_manifest(self.folder / manifest_name(segment.first))
        except (Doubtful, OSError):
            return None

    def path(self, segment: Manifest) -> Path:
        """The segment's Parquet file."""
        return self.folder / segment.file

    def _names(self) -> list[str]:
        try:
            return [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ArchiveError(
                f"the archive {self.folder} cannot be read: {error.strerror}",
                hint="Let this user read the folder, or name another by --archive.",
            ) from None

    def _shown(self, first: int, names: Iterable[str]) -> str:
        """A doubted segment's name: by its positions, as far as its files' names tell them."""
        prefix = f"{first:012d}-"
        for name in sorted(names):
            if name.startswith(prefix) and name.endswith(".parquet"):
                return f"{first}-{int(name[len(prefix) : len(prefix) + 12])}"
        later = [other for other in map(_first_of, names) if other is not None and other > first]
        return f"{first}-{min([self.line_above(first - 1), *(other - 1 for other in later)])}"

    def _gaps(self, segments: Sequence[Manifest], told: set[int]) -> Iterator[Doubt]:
        """The segments of which nothing is left, though there are later ones."""
        after = 0
        for segment in segments:
            while after + 1 < segment.first:
                if after + 1 not in told:
                    last = min(self.line_above(after), segment.first - 1)
                    yield Doubt(after + 1, f"{after + 1}-{last}", "it is missing")
                after = self.line_above(after)
            after = segment.last


def check_chain(archive: Archive, segments: Sequence[Manifest], log: Chain) -> None:
    """See that segments are of this log.

    Raises:
        ArchiveForeign: when the twin is ahead of the log, or was sealed from another one.
    """
    if not segments:
        return
    end, last = log.end(), segments[-1].last
    if last > end:
        raise ArchiveForeign(
            f"the archive {archive.folder} goes up to position {last}, and the log only to {end}: "
            "it is of another log, or the log was put back from a backup",
            hint=_ANEW,
        )
    ends = {segment.last: segment.last_hash for segment in segments}
    ends |= {segment.first - 1: segment.previous_hash for segment in segments}
    known = {0: NO_HASH.hex(), **log.hashes([position for position in ends if position])}
    for position in sorted(ends):
        if known.get(position) != ends[position]:
            raise ArchiveForeign(
                f"the archive {archive.folder} is of another log: at position {position} this "
                "one has another hash",
                hint=_ANEW,
            )


_ANEW: Final = "`leadflow archive seal --anew` throws it away and seals this log."


def _first_of(name: str) -> int | None:
    """Where a segment begins, if the name is one of a manifest."""
    stem = name.removesuffix(".json")
    return int(stem) if len(stem) == 12 and stem.isdigit() else None


def _is_ours(name: str) -> bool:
    """Whether a file's name is one that sealing gives."""
    return name.endswith((".parquet", TEMPORARY)) and name[:12].isdigit()


def _without_overlaps(found: Sequence[Manifest]) -> list[Manifest]:
    kept: list[Manifest] = []
    for manifest in sorted(found, key=lambda each: each.first):
        if not kept or manifest.first > kept[-1].last:
            kept.append(manifest)
    return kept
