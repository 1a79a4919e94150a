"""What goes wrong with read models, beyond what every part of leadflow may report."""

from __future__ import annotations

from leadflow.errors import InvalidInput, StoreError


class UnknownProjection(InvalidInput):
    """No projection has this name."""

    code = "unknown_projection"


class InvalidProjection(InvalidInput):
    """A module with projections cannot be loaded, or one in it cannot be folded."""

    code = "invalid_projection"


class ProjectionMissing(StoreError):
    """The store has no read model of this projection yet."""

    code = "projection_missing"


class DefinitionChanged(StoreError):
    """The read model was made by another definition than this program's."""

    code = "definition_changed"


class BuildTaken(StoreError):
    """Another process works on this build of a read model."""

    code = "build_taken"

    def __init__(self, projection: str, build: int, host: str | None, pid: int | None) -> None:
        self.pid = pid
        """Of the process, where it is known; else somebody moved the build meanwhile."""
        who = f"process {pid} on {host}" if pid is not None else "another process"
        super().__init__(
            f"build {build} of {projection} is worked on by {who}",
            hint="`leadflow projections status` shows who runs what; when that process is gone, "
            "its work can be taken over at once on its own host, and after 15 s from another.",
        )


class ArchiveError(StoreError):
    """The columnar twin cannot be read or written where it should lie."""

    code = "archive_error"


class ArchiveForeign(ArchiveError):
    """The twin is of another log than the store's, or ahead of it."""

    code = "archive_foreign"


class ArchiveDamaged(ArchiveError):
    """A segment of the twin is not what was sealed."""

    code = "archive_damaged"


class ArchiveBusy(ArchiveError):
    """Another process seals this twin."""

    code = "archive_busy"


class BuildMissing(StoreError):
    """There is no such build of a read model, or none in the role that is asked for."""

    code = "build_missing"


class BuildCancelled(StoreError):
    """The build that this process was making was cancelled meanwhile."""

    code = "build_cancelled"
