"""The projections that this program has, by name: those shipped, and a user's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final

from leadflow_projections.algebra import Projection
from leadflow_projections.conversion import CONVERSION
from leadflow_projections.errors import UnknownProjection
from leadflow_projections.sales_queue import SALES_QUEUE
from leadflow_projections.stage_board import STAGE_BOARD

SHIPPED: Final[Mapping[str, Projection]] = {
    projection.name: projection for projection in (STAGE_BOARD, SALES_QUEUE, CONVERSION)
}
_own: Final[dict[str, Sequence[Projection]]] = {}
"""The projections of a user's modules, by where they come from."""


def use(modules: Iterable[str]) -> None:
    """Have the projections of these modules beside the shipped and installed ones.

    The modules of an earlier call are had no more; none named leaves the others alone.

    Raises:
        InvalidProjection: see `modules.from_module`; what was had before stays.
    """
    found: dict[str, Sequence[Projection]] = {}
    for place in dict.fromkeys(modules):
        from leadflow_projections.modules import from_module

        found[place] = from_module(place)
        _together(found)
    _own.clear()
    _own.update(found)


def known() -> Mapping[str, Projection]:
    """Every projection of the program by name: shipped, installed, and of the modules in use.

    Raises:
        InvalidProjection: when one that is installed cannot be used.
    """
    return _together(_own)


def named(names: Sequence[str] | None) -> list[Projection]:
    """The projections of these names; None means all.

    Raises:
        UnknownProjection: with what was probably meant.
        InvalidProjection: when they cannot be folded in one pass.
    """
    found = known()
    for name in names or ():
        if name not in found:
            near = difflib.get_close_matches(name, found, 1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(found)}"
            raise UnknownProjection(
                f"there is no projection {name!r}",
                hint=f"{meant} (a module of your own is named by --module)",
            )
    chosen = (
        list(found.values()) if names is None else [found[name] for name in dict.fromkeys(names)]
    )
    if not SHIPPED.keys() >= {projection.name for projection in chosen}:
        from leadflow_projections.checking import check_together

        check_together(chosen)
    return chosen


def _together(own: Mapping[str, Sequence[Projection]]) -> Mapping[str, Projection]:
    installed = _installed()
    if not own and not installed:
        return SHIPPED
    from leadflow_projections.modules import together

    shipped = ("leadflow", [*SHIPPED.values()])
    return together([shipped, ("an installed package", installed), *own.items()])


@cache
def _installed() -> Sequence[Projection]:
    from leadflow_projections.modules import installed

    return installed()
