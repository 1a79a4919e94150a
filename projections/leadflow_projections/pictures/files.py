"""Writing a picture into a file; its ending says which kind."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from leadflow.errors import InvalidInput
from leadflow_projections.pictures.funnel_chart import funnel_chart, vega_lite_version
from leadflow_projections.pictures.page import funnel_page

if TYPE_CHECKING:
    from pathlib import Path

    from leadflow_projections.metrics.figures import Funnel

KINDS: Final = (".html", ".png", ".svg")
PNG_SCALE: Final = 2
"""Pixels of the PNG for each of the drawing, so that it is sharp on dense screens."""


def draw_funnel(funnel: Funnel, path: Path) -> None:
    """Draw a funnel into a file: `.html`, `.png` or `.svg`. The file appears when it is whole.

    Raises:
        InvalidInput: when the file's name ends in something else.
        OSError: when it cannot be written.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise InvalidInput(f"{path.name} names no picture", hint=f"end it with {', '.join(KINDS)}")
    content = funnel_page(funnel).encode() if kind == ".html" else render(funnel, kind)
    _write(path, content)


def render(funnel: Funnel, kind: str) -> bytes:
    """The picture as `.png` or `.svg`."""
    import vl_convert

    spec, version = funnel_chart(funnel).to_dict(), vega_lite_version()
    if kind == ".svg":
        return vl_convert.vegalite_to_svg(spec, vl_version=version).encode()
    return vl_convert.vegalite_to_png(spec, vl_version=version, scale=PNG_SCALE)


def _write(path: Path, content: bytes) -> None:
    """Write beside the file, then put it in its place in one step."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
