"""The projections that leadflow ships, by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from leadflow_projections.algebra import Projection
from leadflow_projections.conversion import CONVERSION
from leadflow_projections.errors import UnknownProjection
from leadflow_projections.sales_queue import SALES_QUEUE
from leadflow_projections.stage_board import STAGE_BOARD

SHIPPED: Final[Mapping[str, Projection]] = {
    projection.name: projection for projection in (STAGE_BOARD, SALES_QUEUE, CONVERSION)
}


def named(names: Sequence[str] | None) -> list[Projection]:
    """The projections of these names; None means all.

    Raises:
        UnknownProjection: with what was probably meant.
    """
    if names is None:
        return list(SHIPPED.values())
    for name in names:
        if name not in SHIPPED:
            near = difflib.get_close_matches(name, SHIPPED, 1)
            meant = f"did you mean {near[0]}?" if near else f"there are {', '.join(SHIPPED)}"
            raise UnknownProjection(f"there is no projection {name!r}", hint=meant)
    return [SHIPPED[name] for name in dict.fromkeys(names)]
