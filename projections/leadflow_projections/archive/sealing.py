"""Sealing: what of the log is in no good segment is written as segments.

The log is divided evenly, so that what was lost is made again as it was, and only the last
segment can be short: it is replaced by a longer one when there is more to seal.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from leadflow.errors import LogCorrupt
from leadflow.persistence.store import NO_HASH
from leadflow_projections.ahead import ahead
from leadflow_projections.archive.logs import SealableLog
from leadflow_projections.archive.manifest import (
    Doubtful,
    Manifest,
    check_content,
)
from leadflow_projections.archive.twin import LOCK, Archive, Stretch, Survey, check_chain
from leadflow_projections.archive.writing import make_folder, write_segment
from leadflow_projections.engine import open_engine
from leadflow_projections.errors import ArchiveBusy, ArchiveDamaged, ArchiveError
from leadflow_projections.judging import trusted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection


@dataclass
class Sealed:
    """What a sealing did."""

    segments: list[Manifest] = field(default_factory=list[Manifest])
    """The segments that it wrote."""
    events: int = 0
    """The events that it read from the log for them."""
    end: int = 0
    """Up to which position all is sealed now."""
    skipped: list[LogCorrupt] = field(default_factory=list[LogCorrupt])
    """Why segments were left out: the first of their events that cannot be read."""


class Sealer:
    """Writes the segments of stretches of the log; holds the twin's lock meanwhile.

    Made by `sealing`.
    """

    def __init__(
        self,
        archive: Archive,
        log: SealableLog,
        engine: Callable[[], DuckDBPyConnection],
        survey: Survey,
    ) -> None:
        self.archive = archive
        self._log = log
        self._engine = engine
        self._survey = survey
        self._mode = (archive.folder.stat().st_mode & 0o666) or 0o600

    @property
    def survey(self) -> Survey:
        """What is sealed, with what this one wrote."""
        return self._survey

    def write(self, rows: list[pa.Table], after: int) -> Manifest:
        """Write a segment of trusted rows, which come after a position.

        Where another segment holds the positions between the grid's line and `after`, it is
        replaced by the whole.

        Raises:
            ArchiveError: it cannot be written; readers see what they saw before.
        """
        base = next((s for s in self._survey.segments if s.last == after), None)
        if base is not None and after % self.archive.segment_events == 0:
            base = None  # it is full
        if base is not None:
            self._check(base)
        last = after + sum(part.num_rows for part in rows)
        first = after + 1 if base is None else base.first
        known = {0: NO_HASH.hex(), **self._log.hashes([p for p in (first - 1, last) if p])}
        with _in_our_words(self.archive.folder):
            manifest = write_segment(
                self.archive,
                self._engine(),
                rows=rows,
                base=base,
                hashes=(known[first - 1], known[last]),
                mode=self._mode,
            )
        self.forget(manifest.first)
        segments = sorted([*self._survey.segments, manifest], key=lambda each: each.first)
        self._survey = replace(self._survey, segments=tuple(segments))
        for former in self.archive.folder.glob(f"{manifest.first:012d}-*.parquet"):
            if former.name != manifest.file:
                former.unlink(missing_ok=True)
        return manifest

    def forget(self, first: int) -> None:
        """Take the segment that begins at a position for missing, so that it is made again."""
        kept = [each for each in self._survey.segments if each.first != first]
        self._survey = replace(self._survey, segments=tuple(kept))

    def _check(self, base: Manifest) -> None:
        try:
            check_content(self.archive.folder, base)
        except Doubtful as why:
            raise ArchiveDamaged(
                f"segment {base.name} of the archive {self.archive.folder} cannot be made "
                f"longer: {why}",
                hint="`leadflow archive seal` makes it again.",
            ) from None


@contextmanager
def sealing(
    archive: Archive,
    log: SealableLog,
    *,
    threads: int | None = None,
    like: Path | None = None,
    wait: float = 0.0,
    anew: bool = False,
    thorough: bool = False,
) -> Generator[Sealer]:
    """The right to seal a twin; what crashes and replacements left is removed.

    Args:
        archive: the twin.
        log: what is sealed.
        threads: how many decode and write; None means one per core.
        like: the file whose permissions the twin's get; None: only this user may read it.
        wait: seconds to wait for another process that seals.
        anew: throw away what there is first.
        thorough: read what is sealed, and make again what is not what was sealed.

    Raises:
        ArchiveBusy: another process seals it.
        ArchiveForeign: the twin is of another log.
        ArchiveError: the folder cannot be written.
    """
    with _in_our_words(archive.folder):
        make_folder(archive, like)
    with locked(archive, wait):
        if anew:
            _throw_away(archive)
        survey = archive.survey()
        if thorough:
            survey = _with_whole_content(archive, survey)
        check_chain(archive, survey.segments, log)
        with _in_our_words(archive.folder):
            _tidy(archive, survey)
        with ExitStack() as opened:
            # Loading the engine takes a while, and there may be nothing to write.
            engine = cache(lambda: opened.enter_context(open_engine(threads=threads)))
            yield Sealer(archive, log, engine, survey)


def seal(
    sealer: Sealer,
    log: SealableLog,
    upto: int,
    *,
    tell: Callable[[int], None] | None = None,
) -> Sealed:
    """Seal every event up to a position; `tell` is told how many have been read.

    A segment with an event that cannot be read is left out, and named at the end.

    Raises:
        ArchiveError: a segment cannot be written.
    """
    done = Sealed()
    for stretch in list(sealer.survey.missing(0, upto)):
        after = stretch.after
        while after < stretch.upto:
            try:
                _seal_stretch(sealer, log, Stretch(after, stretch.upto), done, tell)
                break
            except LogCorrupt as error:
                done.skipped.append(error)
                after = sealer.archive.line_above(max(after, error.position - 1))
    done.end = sealer.survey.end
    return done


def _seal_stretch(
    sealer: Sealer,
    log: SealableLog,
    stretch: Stretch,
    done: Sealed,
    tell: Callable[[int], None] | None,
) -> None:
    with (
        log.open(*stretch) as batches,
        ahead(halves(sealer.archive, batches, stretch.after)) as chunks,
    ):
        for piece in sealed(sealer, chunks, stretch):
            assert isinstance(piece, Manifest)
            done.segments.append(piece)
            done.events += piece.last - max(stretch.after, piece.first - 1)
            if tell is not None:
                tell(done.events)


def sealed(
    sealer: Sealer,
    chunks: Iterable[pa.Table],
    stretch: Stretch,
    *,
    failed: Callable[[ArchiveError], None] | None = None,
) -> Iterator[Manifest | pa.Table]:
    """Write segments of a stretch of the log; gives each when it is written.

    Args:
        sealer: what writes them.
        chunks: the stretch's events, as `halves` gives them.
        stretch: the positions.
        failed: is told why a segment cannot be written; then the chunks themselves are
            given, this one's and all that follow.

    Raises:
        ArchiveError: a segment cannot be written, and nobody is to be told.
        LogCorrupt: an event cannot be read.
    """
    after, gave_up = stretch.after, False
    rows: list[pa.Table] = []
    for chunk in chunks:
        if gave_up:
            yield chunk
            continue
        rows.append(chunk)
        del chunk  # what was written is to be kept in memory by nobody
        reached = after + sum(part.num_rows for part in rows)
        if reached in {sealer.archive.line_above(after), stretch.upto}:
            pieces: list[Manifest | pa.Table] = list(rows)
            try:
                pieces = [sealer.write(rows, after)]
            except ArchiveError as error:
                if failed is None:
                    raise
                failed(error)
                gave_up = True
            after, rows = reached, []
            yield from pieces


def halves(archive: Archive, batches: Iterable[pa.RecordBatch], after: int) -> Iterator[pa.Table]:
    """Consecutive log rows, judged, in chunks that end at the middle or the end of segments."""
    import pyarrow as pa

    half = max(1, archive.segment_events // 2)
    gathered: list[pa.RecordBatch] = []
    for batch in batches:
        rest = batch
        while rest.num_rows:
            held = sum(part.num_rows for part in gathered)
            middle = (after // half + 1) * half
            room = min(middle, archive.line_above(after)) - after - held
            gathered.append(rest.slice(0, room))
            if rest.num_rows >= room:
                after += held + room
                yield _judged(pa.Table.from_batches(gathered), gathered)
            rest = rest.slice(room)
    if gathered:
        yield _judged(pa.Table.from_batches(gathered), gathered)


def _judged(rows: pa.Table, gathered: list[pa.RecordBatch]) -> pa.Table:
    gathered.clear()
    return trusted(rows)


@contextmanager
def locked(archive: Archive, wait: float = 0.0) -> Generator[None]:
    """The lock of whoever writes into the folder; a process that ends gives it back.

    Raises:
        ArchiveBusy: another process has it, for longer than `wait` seconds.
    """
    with _in_our_words(archive.folder):
        opened = os.open(archive.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _take(opened, archive, time.monotonic() + wait)
        os.truncate(opened, 0)
        os.pwrite(opened, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(opened)


def _take(opened: int, archive: Archive, until: float) -> None:
    while True:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= until:
                who = os.pread(opened, 20, 0).decode(errors="replace").strip()
                raise ArchiveBusy(
                    f"process {who or 'of another user'} seals the archive {archive.folder} now",
                    hint="`leadflow archive status` shows how far it is.",
                ) from None
        time.sleep(0.05)


def _with_whole_content(archive: Archive, survey: Survey) -> Survey:
    """The survey without the segments whose content is not what was sealed."""
    whole: list[Manifest] = []
    for segment in survey.segments:
        with suppress(Doubtful):
            check_content(archive.folder, segment)
            whole.append(segment)
    return replace(survey, segments=tuple(whole))


def _tidy(archive: Archive, survey: Survey) -> None:
    """Remove what nobody needs; under the lock, so nobody is writing it."""
    for name in survey.leftovers:
        (archive.folder / name).unlink(missing_ok=True)


def _throw_away(archive: Archive) -> None:
    survey = archive.survey()
    with _in_our_words(archive.folder):
        for path in sorted(archive.folder.glob("[0-9]*.json")):
            path.unlink(missing_ok=True)
        for segment in (*survey.segments, *survey.outdated):
            archive.path(segment).unlink(missing_ok=True)
        _tidy(archive, archive.survey())


@contextmanager
def _in_our_words(folder: Path) -> Generator[None]:
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        why = str(error).splitlines()[0]
    except OSError as error:
        why = error.strerror or str(error)
    else:
        return
    raise ArchiveError(
        f"the archive {folder} cannot be written: {why}",
        hint="See that its folder can be written and its disk has room; "
        "then run `leadflow archive seal`.",
    )
