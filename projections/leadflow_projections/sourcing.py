"""Where a fold gets the log's events from: the twin's segments, then the tail of the log.

One place for rebuilds, comparisons and every reading of the past. The log is the only
truth: what the twin lacks, and what is doubted in it, is read from the log.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Literal

from leadflow_projections.ahead import ahead
from leadflow_projections.archive.logs import StoreLog, file_of
from leadflow_projections.archive.manifest import Manifest
from leadflow_projections.archive.reading import Damaged, Part, SegmentReader
from leadflow_projections.archive.sealing import Sealer, halves, sealed, sealing
from leadflow_projections.archive.twin import Archive, Stretch, Survey, check_chain
from leadflow_projections.engine import with_fewer_threads
from leadflow_projections.errors import ArchiveDamaged, ArchiveError, ArchiveForeign
from leadflow_projections.folding import trusted_chunks
from leadflow_projections.log_reader import open_log

if TYPE_CHECKING:
    import pyarrow as pa

    from leadflow.persistence.store import Store
    from leadflow_projections.folding import Fold

Origin = Literal["auto", "log", "archive"]
"""auto: the twin's segments where they are good, else the log. log: the log alone.
archive: segments, then the tail; that a segment is not good is an error."""
ORIGINS: Final[tuple[Origin, ...]] = ("auto", "log", "archive")

_LOGGER: Final = logging.getLogger(__name__)

_Log = AbstractContextManager["Iterator[pa.RecordBatch]"]


class Events:
    """Events that wait to be folded; see `open_events`."""

    def __init__(
        self,
        store: Store | None,
        wanted: Stretch,
        *,
        archive: Archive | None = None,
        survey: Survey | None = None,
        strict: bool = False,
        begun: tuple[Stretch, Iterator[pa.RecordBatch]] | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._archive = archive
        self._survey = survey or Survey()
        self._strict = strict
        self._begun = begun
        self._sealer = sealer

    def fold_into(
        self,
        fold: Fold,
        *,
        known_at: int | None = None,
        tell: Callable[[int], None] | None = None,
        max_rate: float | None = None,
    ) -> None:
        """Fold all of them.

        Args:
            fold: what takes them.
            known_at: only those that the log had learnt of by then (µs since the epoch).
            tell: is told after each part how many events the fold has taken.
            max_rate: events per second that are not exceeded, in the mean.

        Raises:
            LogCorrupt: an event is missing or cannot be read.
            ArchiveDamaged: a segment is not what was sealed, and nothing else may be read.
        """
        after_each = _after_each(fold, tell, max_rate)
        reader = self._reader(fold)
        if reader is None:
            self._fold_log(fold, self._wanted, known_at, after_each)
            return
        segments = self._survey.within(*self._wanted)
        upto = self._wanted.upto
        if known_at is not None:
            upto = reader.known_by(known_at, segments, upto)
        wanted = Stretch(self._wanted.after, upto)
        left = list(self._survey.missing(*wanted))
        for part in reader.parts(self._survey.within(*wanted), wanted):
            if isinstance(part, Part):
                _fold_part(fold, part, after_each)
            else:
                self._say(part)
                left.append(part.stretch)
        for stretch in sorted(left):
            self._fold_log(fold, stretch, known_at, after_each, reader)

    def _reader(self, fold: Fold) -> SegmentReader | None:
        """What reads segments for this fold; None where only the log will do."""
        if self._archive is None:
            return None
        if not fold.needs_events:
            reader = SegmentReader(self._archive, fold.fields, fold.connection)
            if reader.gives_all:
                return reader
        if self._store is None:
            raise ArchiveError(
                f"the archive {self._archive.folder} does not hold all that is asked for",
                hint="Ask the store itself, by --store.",
            )
        return None

    def _say(self, damaged: Damaged) -> None:
        """Say that a segment is not good.

        Raises:
            ArchiveDamaged: where nothing is to be read in its stead.
        """
        assert self._archive is not None
        said = _damage(self._archive, damaged.segment.name, damaged.why)
        if self._strict:
            raise ArchiveDamaged(said, hint=_hint(self._store))
        _LOGGER.warning("%s. Its events are read from the log.", said)
        if self._sealer is not None:
            self._sealer.forget(damaged.segment.first)

    def _fold_log(
        self,
        fold: Fold,
        stretch: Stretch,
        known_at: int | None,
        after_each: Callable[[int], None],
        reader: SegmentReader | None = None,
    ) -> None:
        with self._log(stretch) as batches:
            if self._sealer is None or reader is None or known_at is not None:
                fold.add_all(trusted_chunks(batches, known_at), tell=after_each)
                return
            with (
                with_fewer_threads(fold.connection),
                ahead(halves(self._sealer.archive, batches, stretch.after)) as chunks,
                ahead(sealed(self._sealer, chunks, stretch, failed=_not_sealed)) as pieces,
            ):
                for piece in pieces:
                    if isinstance(piece, Manifest):
                        _fold_part(fold, reader.part([piece], stretch), after_each)
                    else:
                        fold.add(piece)
                        after_each(fold.events)

    def _log(self, stretch: Stretch) -> _Log:
        if self._begun is not None and self._begun[0] == stretch:
            return nullcontext(self._begun[1])
        assert self._store is not None
        return open_log(self._store, after=stretch.after, upto=stretch.upto)


@contextmanager
def open_events(
    log: Store | Archive,
    *,
    origin: Origin = "auto",
    after: int = 0,
    upto: int | None = None,
    seal: bool = False,
) -> Generator[Events]:
    """The events after a position, up to and with another; reading begins at once.

    Args:
        log: the store; or a twin alone, whose every segment must be good.
        origin: where the store's events are read from.
        after: the position before the first.
        upto: the last position; None means the log's, or the twin's, as it ends now.
        seal: seal what has to be read from the log, where its twin can be written.

    Raises:
        ArchiveForeign: the twin is of another log, and it was asked for.
        ArchiveDamaged: a twin alone is not whole.
    """
    if isinstance(log, Archive):
        yield _of_twin_alone(log, after, upto)
        return
    end = log.head().position
    wanted = Stretch(after, end if upto is None else min(end, upto))
    archive = None if origin == "log" or log.archive is None else Archive(log.archive)
    survey = Survey() if archive is None else _good_survey(log, archive, strict=origin == "archive")
    if survey is None:
        archive, survey = None, Survey()
    with ExitStack() as opened:
        begun = None
        missing = next(survey.missing(*wanted), None)
        if missing is not None:
            begun = (
                missing,
                opened.enter_context(open_log(log, after=missing.after, upto=missing.upto)),
            )
        sealer = None
        if seal and archive is not None and origin == "auto":
            sealer = _sealer(log, archive, opened)
        yield Events(
            log,
            wanted,
            archive=archive,
            survey=survey,
            strict=origin == "archive",
            begun=begun,
            sealer=sealer,
        )


def fold_range(
    fold: Fold,
    log: Store | Archive,
    *,
    origin: Origin = "auto",
    after: int = 0,
    upto: int | None = None,
    known_at: int | None = None,
    tell: Callable[[int], None] | None = None,
    max_rate: float | None = None,
    seal: bool = False,
) -> None:
    """Fold the events of a range; the arguments are those of `open_events` and `fold_into`."""
    with open_events(log, origin=origin, after=after, upto=upto, seal=seal) as events:
        events.fold_into(fold, known_at=known_at, tell=tell, max_rate=max_rate)


def _of_twin_alone(archive: Archive, after: int, upto: int | None) -> Events:
    survey = archive.survey()
    end = survey.last
    wanted = Stretch(after, end if upto is None else min(end, upto))
    archive.check_whole(survey)
    return Events(None, wanted, archive=archive, survey=survey, strict=True)


def _good_survey(store: Store, archive: Archive, *, strict: bool) -> Survey | None:
    """What the twin has of this log; None where it is of another one."""
    survey = archive.survey()
    try:
        check_chain(archive, survey.segments, StoreLog(store))
    except ArchiveForeign as error:
        if strict:
            raise
        _LOGGER.warning("%s. The log is read instead. %s", error.message, error.hint)
        return None
    for doubt in survey.doubts:
        said = _damage(archive, doubt.name, doubt.why)
        if strict:
            raise ArchiveDamaged(said, hint=_hint(store))
        _LOGGER.warning("%s. Its events are read from the log.", said)
    return survey


def _sealer(store: Store, archive: Archive, opened: ExitStack) -> Sealer | None:
    """The right to seal; None where somebody else has it, or the twin cannot be written."""
    try:
        return opened.enter_context(
            sealing(archive, StoreLog(store), threads=1, like=file_of(store))
        )
    except ArchiveError as error:
        _LOGGER.info("%s; nothing is sealed", error.message)
        return None


def _not_sealed(error: ArchiveError) -> None:
    _LOGGER.warning("%s. %s", error.message, error.hint)


def _damage(archive: Archive, name: str, why: str) -> str:
    return f"segment {name} of the archive {archive.folder} is damaged: {why}"


def _hint(store: Store | None) -> str:
    if store is None:
        return "Copy the archive again from where it is kept."
    return "`leadflow archive seal` makes it again."


def _fold_part(fold: Fold, part: Part, after_each: Callable[[int], None]) -> None:
    fold.add_decoded(part.select, events=part.events, position=part.position)
    after_each(fold.events)


def _after_each(
    fold: Fold, tell: Callable[[int], None] | None, max_rate: float | None
) -> Callable[[int], None]:
    """What is done after each part: the rate is kept, and somebody is told."""
    begun, before = time.monotonic(), fold.events

    def after_each(events: int) -> None:
        if max_rate is not None:
            time.sleep(max(0.0, begun + (events - before) / max_rate - time.monotonic()))
        if tell is not None:
            tell(events)

    return after_each
