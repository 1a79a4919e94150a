"""Promotion and rollback: views show another build, all of them in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.building import Progress, Telling, catch_up
from leadflow_projections.checkpoint_tables import lock_sharing
from leadflow_projections.checkpoints import (
    Build,
    Owner,
    all_builds,
    builds_at,
    check_free,
    claim,
    fence,
    live_build,
    release,
    set_role,
)
from leadflow_projections.dropping import find_builds
from leadflow_projections.errors import BuildMissing, DefinitionChanged
from leadflow_projections.following import Followed
from leadflow_projections.heartbeat import beating
from leadflow_projections.physical import drop_view, point_view
from leadflow_projections.sql import quoted
from leadflow_projections.views import view_select

if TYPE_CHECKING:
    from leadflow.persistence.store import Cursor, Store
    from leadflow_projections.algebra import Projection

_TRIES: Final = 20
"""How often a shadow is brought up to where the live build is meanwhile, before it takes over."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A build that the views show from now on."""

    projection: str
    version: int
    build: int
    position: int
    lag_events: int
    """Events of the log that are not in it yet."""
    replaced: str | None
    """Version and build of the one that was shown until now."""

    def as_data(self) -> dict[str, Any]:
        return {
            "projection": self.projection,
            "version": self.version,
            "build": self.build,
            "position": self.position,
            "lag_events": self.lag_events,
            "replaced": self.replaced,
        }


def ready_builds(store: Store, projections: Sequence[Projection], *, named: bool) -> list[Followed]:
    """The shadows of these projections that are ready to be promoted.

    Args:
        store: has them.
        projections: which, with this program's definitions.
        named: whether each of them was asked for, so that each must have one.

    Raises:
        BuildMissing: there is none, or it is not ready.
        DefinitionChanged: another definition than this program's made it.
    """
    builds = all_builds(store)
    found: list[Followed] = []
    for projection in projections:
        shadows = [b for b in builds if b.projection == projection.name and b.role == "shadow"]
        own = [b for b in shadows if b.fingerprint == projection.fingerprint]
        ready = [b for b in own if b.state == "ready"]
        if ready:
            found.append(Followed(ready[-1], projection))
        elif named or (shadows and not found):
            _refuse(projection, shadows, own)
    if not found:
        raise BuildMissing(
            "no new build is ready",
            hint="`leadflow projections rebuild` makes one of each projection.",
        )
    return found


def _refuse(projection: Projection, shadows: Sequence[Build], own: Sequence[Build]) -> None:
    name = projection.name
    if own:
        raise BuildMissing(
            f"build {own[-1].version}.{own[-1].build} of {name} is not ready, it is "
            f"{own[-1].state} at position {own[-1].position:,}",
            hint=f"`leadflow projections rebuild {name}` goes on with it.",
        )
    if shadows:
        raise DefinitionChanged(
            f"build {shadows[-1].version}.{shadows[-1].build} of {name} was made by another "
            f"definition ({shadows[-1].fingerprint}) than this program's version "
            f"{projection.version} ({projection.fingerprint})",
            hint="Promote it by the program that made it, or "
            f"`leadflow projections rebuild {name}` makes one by this.",
        )
    raise BuildMissing(
        f"{name} has no new build", hint=f"`leadflow projections rebuild {name}` makes one."
    )


def promote_builds(
    store: Store,
    followed: Sequence[Followed],
    *,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Shown]:
    """Bring ready shadows up to the log's end, and let the views show them, all or none.

    What was shown until now stays for a rollback. A failure leaves them ready.

    Raises:
        BuildTaken: somebody works on one of them.
        LogCorrupt: an event cannot be read; readers keep what they have.
    """
    from leadflow_projections.engine import open_engine

    owner = Owner.new()
    builds = claim(store, [each.build for each in followed], owner)
    held = [Followed(build, each.projection) for build, each in zip(builds, followed, strict=True)]
    try:
        with beating(store, owner), open_engine(threads=threads) as engine:
            telling = Telling(store, held, owner, progress)

            def bring_up() -> None:
                catch_up(store, engine, held, telling)

            bring_up()
            return show_builds(store, held, bring_up)
    except BaseException:
        release(store, builds, owner, state="ready")
        raise


def show_builds(
    store: Store, followed: Sequence[Followed], bring_up: Callable[[], None]
) -> list[Shown]:
    """Let the views show builds that this process holds, none of them behind the one before.

    Args:
        store: has them.
        followed: the builds.
        bring_up: brings them up to the log's end, which a live build may have overtaken.
    """
    for left in reversed(range(_TRIES)):
        with store.transaction(write=True) as cursor:
            if store.dialect == "postgresql":
                lock_sharing(cursor)
            present = builds_at(cursor, store.dialect)
            if not left or not any(_is_behind(each.build, present) for each in followed):
                for each in followed:
                    fence(cursor, store.dialect, each.build)
                return show(cursor, store.dialect, [each.build for each in followed], followed)
        bring_up()
    raise AssertionError("the last try always shows them")


def _is_behind(build: Build, present: Sequence[Build]) -> bool:
    live = live_build(present, build.projection)
    return live is not None and build.position < live.position


def roll_back(
    store: Store,
    names: Collection[str],
    projections: Sequence[Projection],
    number: tuple[int, int] | None = None,
) -> list[Shown]:
    """Let the views show previous builds again, at once, as far behind as they may be.

    Args:
        store: has them.
        names: of projections; none means all that have a previous build.
        projections: that this program has.
        number: version and build; else the one that was kept with the log for longest.

    Raises:
        BuildMissing: a projection has no previous build.
        BuildTaken: somebody works on one of them.
    """
    found: dict[str, Build] = {}
    for build in find_builds(store, "previous", names, number):
        before = found.get(build.projection)
        if before is None or _last_kept(build) > _last_kept(before):
            found[build.projection] = build
    if not found:
        raise BuildMissing(
            "no projection has a previous build",
            hint="`leadflow projections rebuild` makes new ones from the log.",
        )
    chosen = list(found.values())
    known = {projection.name: projection for projection in projections}
    followed = [Followed(b, known[b.projection]) for b in chosen if b.projection in known]
    now = store.now()
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            lock_sharing(cursor)
        for build in builds_at(cursor, store.dialect):
            if build.key in {each.key for each in chosen}:
                check_free(build, now)
        return show(cursor, store.dialect, chosen, followed)


def _last_kept(build: Build) -> tuple[int, int, int]:
    return build.moved_at or 0, build.version, build.build


def show(
    cursor: Cursor, dialect: str, builds: Sequence[Build], followed: Sequence[Followed]
) -> list[Shown]:
    """Within a transaction: make these builds live, and those that were so previous."""
    present = builds_at(cursor, dialect)
    cursor.execute("SELECT position FROM log_head")
    (end,) = cursor.fetchone()
    shown: list[Shown] = []
    for build in builds:
        replaced = live_build(present, build.projection)
        if replaced is not None:
            set_role(cursor, dialect, replaced, "previous")
            for name in replaced.view_names - build.view_names:
                drop_view(cursor, name)
        set_role(cursor, dialect, build, "live")
        for name, select in _views(build, followed, dialect).items():
            point_view(cursor, dialect, name, select)
        former = None if replaced is None else f"{replaced.version}.{replaced.build}"
        lag = max(0, int(end) - build.position)
        shown.append(Shown(*build.key, build.position, lag, former))
    return shown


def _views(build: Build, followed: Sequence[Followed], dialect: str) -> dict[str, str]:
    if build.views:
        return build.views
    for each in followed:
        if each.build.key == build.key and each.projection.fingerprint == build.fingerprint:
            return {
                table.name: view_select(table, quoted(each.stored(table)), dialect)
                for table in each.projection.tables
            }
    raise DefinitionChanged(
        f"build {build.version}.{build.build} of {build.projection} was made by an older leadflow, "
        "and by another definition than this program's",
        hint=f"`leadflow projections rebuild {build.projection}` makes one by this program's.",
    )
