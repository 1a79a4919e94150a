"""What operators do with a twin: seal all of a log, and see what is sealed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.archive.logs import StoreLog, file_of
from leadflow_projections.archive.sealing import Sealed, seal, sealing
from leadflow_projections.archive.twin import Archive, Doubt, check_chain
from leadflow_projections.errors import ArchiveError, ArchiveForeign

if TYPE_CHECKING:
    from leadflow.persistence.store import Store

WAIT_SECONDS: Final = 3600.0


@dataclass(frozen=True, slots=True)
class TwinStatus:
    """What is sealed of a log, and what is not."""

    folder: str
    segments: int
    events: int
    sealed_to: int
    """The last position that is sealed with all before it."""
    size_bytes: int
    high_water_mark: int
    """The log's last position."""
    damaged: tuple[Doubt, ...]
    outdated: int
    """Segments of another release, which this one makes anew."""
    leftovers: tuple[str, ...]
    foreign: ArchiveForeign | None
    """Why the twin is refused, where it is of another log."""

    @property
    def tail(self) -> int:
        """The events that are read from the log, since no segment has them."""
        return max(0, self.high_water_mark - self.events)

    def as_data(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "segments": self.segments,
            "events": self.events,
            "sealed_to": self.sealed_to,
            "size_bytes": self.size_bytes,
            "high_water_mark": self.high_water_mark,
            "tail": self.tail,
            "damaged": [{"segment": each.name, "why": each.why} for each in self.damaged],
            "outdated": self.outdated,
            "leftovers": list(self.leftovers),
            "refused": None if self.foreign is None else self.foreign.message,
        }


def archive_of(store: Store) -> Archive:
    """The store's twin, whether or not anything is sealed.

    Raises:
        ArchiveError: when no folder is given for it.
    """
    if store.archive is None:
        raise ArchiveError(
            "no folder is given for the archive of this store",
            hint="Name one by --archive DIR, LEADFLOW_ARCHIVE, or `archive` in leadflow.toml.",
        )
    return Archive(store.archive)


def twin_status(store: Store) -> TwinStatus:
    """What is sealed of a store's log.

    Raises:
        ArchiveError: the store has no archive, or it cannot be read.
    """
    archive = archive_of(store)
    survey = archive.survey()
    foreign: ArchiveForeign | None = None
    try:
        check_chain(archive, survey.segments, StoreLog(store))
    except ArchiveForeign as error:
        foreign = error
    return TwinStatus(
        folder=str(archive.folder),
        segments=len(survey.segments),
        events=0 if foreign else sum(each.events for each in survey.segments),
        sealed_to=0 if foreign else survey.end,
        size_bytes=sum(each.size for each in survey.segments),
        high_water_mark=store.head().position,
        damaged=survey.doubts,
        outdated=len(survey.outdated),
        leftovers=survey.leftovers,
        foreign=foreign,
    )


def seal_log(
    store: Store, *, anew: bool = False, tell: Callable[[int], None] | None = None
) -> Sealed:
    """Seal all of a store's log; make again what was lost or altered.

    Another process that seals is waited for.

    Args:
        store: whose log is sealed.
        anew: throw away what is sealed first.
        tell: is told how many events were read.

    Raises:
        ArchiveForeign: the twin is of another log, and `anew` is not set.
        ArchiveError: it cannot be written.
    """
    archive, log = archive_of(store), StoreLog(store)
    with sealing(
        archive, log, like=file_of(store), wait=WAIT_SECONDS, anew=anew, thorough=True
    ) as sealer:
        return seal(sealer, log, log.end(), tell=tell)
