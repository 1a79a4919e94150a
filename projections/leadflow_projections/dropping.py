"""Getting rid of builds that no view shows: shadows that are not wanted, and former ones."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from leadflow_projections.checkpoint_tables import lock_sharing
from leadflow_projections.checkpoints import all_builds, check_free, forget
from leadflow_projections.errors import BuildMissing
from leadflow_projections.physical import create_table, drop_table, empty_slice
from leadflow_projections.spools import forget_spools

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_projections.builds import Build, Role
    from leadflow_projections.following import Followed

_SLICE_ROWS: Final = 2_000


def find_builds(
    store: Store, role: Role, names: Collection[str], number: tuple[int, int] | None = None
) -> list[Build]:
    """The builds of a role, of these projections; none named means all.

    Args:
        store: has them.
        role: live, shadow or previous.
        names: of projections, whether this program has them or not.
        number: version and build, where only one is meant.

    Raises:
        BuildMissing: a projection that is named has none.
    """
    found = [
        build
        for build in all_builds(store)
        if build.role == role
        and (not names or build.projection in names)
        and (number is None or build.key[1:] == number)
    ]
    for name in names:
        if name not in {build.projection for build in found}:
            which = "" if number is None else f" {number[0]}.{number[1]}"
            kind = {"live": "live", "shadow": "new", "previous": "previous"}[role]
            raise BuildMissing(
                f"{name} has no {kind} build{which}",
                hint="`leadflow projections status` shows the builds there are.",
            )
    return found


def cancel_builds(store: Store, names: Collection[str] = ()) -> list[Build]:
    """Throw away new builds, ready or not; whoever works on one notices and stops.

    Raises:
        BuildMissing: a projection that is named has none.
    """
    found = find_builds(store, "shadow", names)
    for build in found:
        drop_build(store, build)
    return found


def drop_builds(store: Store, builds: Sequence[Build]) -> None:
    """Throw away builds that were live once.

    Raises:
        BuildTaken: somebody works on one of them; none was dropped.
    """
    now = store.now()
    for build in builds:
        check_free(build, now)
    for build in builds:
        drop_build(store, build)


def drop_build(store: Store, build: Build) -> None:
    """Remove a build that no view shows, with its tables.

    It is forgotten first: who makes it learns of that at once, and its tables are in nobody's
    way if this process ends before they are gone; `drop_leftovers` finds them.
    """
    with store.transaction(write=True) as cursor:
        if store.dialect == "postgresql":
            lock_sharing(cursor)
        forget(cursor, store.dialect, build)
    forget_spools(store, build)
    for name in build.table_names:
        _drop(store, name)


def drop_leftovers(store: Store, names: Collection[str]) -> None:
    """Remove tables `<name>__VERSION_BUILD` that are no build's: a killed `drop` left them."""
    kept = {name for build in all_builds(store) for name in build.table_names}
    for name in names:
        for table in _tables_like(store, name):
            if table not in kept:
                _drop(store, table)


def make_empty(store: Store, each: Followed) -> None:
    """Give a build empty tables, whatever a killed process has written into them."""
    for table in each.projection.tables:
        name = each.stored(table)
        _drop(store, name)
        with store.transaction(write=True) as cursor:
            create_table(cursor, store.dialect, table, name)


def _drop(store: Store, name: str) -> None:
    more = True
    while more:
        with store.transaction(write=True) as cursor:
            more = empty_slice(cursor, store.dialect, name, _SLICE_ROWS)
    with store.transaction(write=True) as cursor:
        drop_table(cursor, name)


def _tables_like(store: Store, name: str) -> list[str]:
    import re

    statement = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
    }[store.dialect]
    with store.transaction(write=False) as cursor:
        cursor.execute(statement)
        tables: list[str] = [row[0] for row in cursor.fetchall()]
    return [table for table in tables if re.fullmatch(rf"{re.escape(name)}__\d+_\d+", table)]
