"""Which builds are compared: those that are ready with those that are live, and with the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from leadflow_projections.checkpoints import Build, all_builds, live_build
from leadflow_projections.errors import BuildMissing, DefinitionChanged, ProjectionMissing
from leadflow_projections.following import Followed
from leadflow_projections.promoting import ready_builds
from leadflow_projections.registry import named

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection
    from leadflow_projections.differing import Diff
    from leadflow_projections.sourcing import Origin
    from leadflow_projections.verifying import Verified


def diff_ready(
    store: Store,
    names: Sequence[str] | None = None,
    *,
    origin: Origin = "auto",
    threads: int | None = None,
    tell: Callable[[int], None] | None = None,
) -> Diff:
    """What promoting the ready builds of these projections would change; None means all.

    Raises:
        BuildMissing: nothing is ready, or nothing is live to compare it with.
        DefinitionChanged: another definition than this program's made what is ready.
        LogCorrupt: an event is missing or cannot be read.
    """
    from leadflow_projections.differing import diff_builds
    from leadflow_projections.sides import Pair

    ready = ready_builds(store, named(names), named=names is not None)
    builds = all_builds(store)
    pairs: list[Pair] = []
    for each in ready:
        live = live_build(builds, each.projection.name)
        if live is None:
            raise BuildMissing(
                f"{each.projection.name} has no live build to compare with",
                hint=f"`leadflow projections promote {each.projection.name}` shows the new one.",
            )
        pairs.append(Pair(live, each))
    return diff_builds(store, pairs, origin=origin, threads=threads, tell=tell)


def verify_whole(
    store: Store,
    names: Sequence[str] | None = None,
    number: tuple[int, int] | None = None,
    *,
    origin: Origin = "auto",
    threads: int | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> list[Verified]:
    """Compare every row of these projections' live builds with the log, folded afresh.

    Args:
        store: has them.
        names: which; None means all.
        number: version and build of another than the live one.
        origin: where events are read from, see `sourcing.open_events`.
        threads: how many the engine may use; None means one per core.
        tell: is told the events folded so far, and how many they will be.

    Raises:
        ProjectionMissing, BuildMissing: there is no such build.
        DefinitionChanged: another definition than this program's made it.
        LogCorrupt: an event is missing or cannot be read.
    """
    from leadflow_projections.verifying import verify_builds

    builds = builds_of_ours(store, named(names), number)
    return verify_builds(store, builds, origin=origin, threads=threads, tell=tell)


def verify_sample(
    store: Store,
    names: Sequence[str] | None,
    sample: str,
    number: tuple[int, int] | None = None,
    *,
    threads: int | None = None,
) -> list[Verified]:
    """The same for some leads only: `sample` is a number of them, or a share such as `5%`.

    Raises:
        InvalidInput: a projection's rows are not of leads.
    """
    from leadflow_projections.sampling import verify_leads

    builds = builds_of_ours(store, named(names), number)
    return [verify_leads(store, each, sample, threads=threads) for each in builds]


def builds_of_ours(
    store: Store, projections: Sequence[Projection], number: tuple[int, int] | None
) -> list[Followed]:
    """The live builds, or those of a number, which this program's definitions must have made."""
    builds = all_builds(store)
    return [_of_ours(builds, projection, number) for projection in projections]


def _of_ours(
    builds: Sequence[Build], projection: Projection, number: tuple[int, int] | None
) -> Followed:
    name = projection.name
    if number is None:
        build = live_build(builds, name)
        if build is None:
            raise ProjectionMissing(
                f"the store has no read model of {name} yet",
                hint=f"`leadflow projections run --once {name}` makes it.",
            )
    else:
        found = [b for b in builds if b.projection == name and b.key[1:] == number]
        if not found:
            raise BuildMissing(
                f"{name} has no build {number[0]}.{number[1]}",
                hint="`leadflow projections status` shows the builds there are.",
            )
        [build] = found
    if build.fingerprint != projection.fingerprint:
        raise DefinitionChanged(
            f"build {build.version}.{build.build} of {name} was made by another definition "
            f"({build.fingerprint}) than this program's version {projection.version} "
            f"({projection.fingerprint})",
            hint=f"`leadflow projections rebuild {name}` builds it by this one.",
        )
    return Followed(build, projection)
