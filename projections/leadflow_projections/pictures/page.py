"""The funnel as one HTML page: chart, figures, definitions, and when it was read.

The page needs no network: the drawing library is in it. Without scripts, and in print, it
shows the same drawing as a still picture.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any

from leadflow_projections.metrics.selection import Basis
from leadflow_projections.metrics.wording import (
    BASIS_DEFINITIONS,
    DEFINITIONS,
    WITHIN_DEFINITION,
)
from leadflow_projections.pictures.funnel_chart import (
    funnel_chart,
    headline,
    percent,
    step_name,
    subtitle,
    vega_lite_version,
)
from leadflow_projections.pictures.theme import FAINT_INK, FONT, INK

if TYPE_CHECKING:
    from leadflow_projections.metrics.figures import Funnel, Group

_SNIPPET = "window.vegaEmbed = vegaEmbed;"
_COUNTS = ("reached", "entered", "went_on", "lost", "disqualified", "open", "leads")
_CONVERSIONS = ("step_conversion", "overall_conversion")


def funnel_page(funnel: Funnel) -> str:
    """The page as a text; what comes from the leads is escaped."""
    import vl_convert
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    # The page has the headline as its own; in the drawing it would stand twice.
    spec = funnel_chart(funnel).to_dict()
    spec.pop("title")
    source = files("leadflow_projections.pictures").joinpath("funnel.html.jinja")
    version = vega_lite_version()
    template = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        source.read_text(encoding="utf-8")
    )
    return template.render(
        headline=headline(funnel),
        subtitle=subtitle(funnel),
        columns=[_title(name) for name in (*_COUNTS, *_CONVERSIONS)],
        groups=_tables(funnel),
        definitions=_definitions(funnel),
        spec=spec,
        svg=Markup(vl_convert.vegalite_to_svg(spec, vl_version=version)),
        bundle=Markup(vl_convert.javascript_bundle(_SNIPPET, version)),
        ink=INK,
        faint_ink=FAINT_INK,
        font=Markup(FONT),
    )


def _title(name: str) -> str:
    return name.replace("_", " ")


def _tables(funnel: Funnel) -> list[dict[str, Any]]:
    """The figures of all, then of every group."""
    if funnel.selection.by is None:
        return [_table(None, funnel.whole)]
    groups = [_table(group.value or "(blank)", group) for group in funnel.groups]
    return [_table("all", funnel.whole), *groups]


def _table(name: str | None, group: Group) -> dict[str, Any]:
    rows = [
        {
            "step": step_name(step.stage),
            "cells": [f"{getattr(step, count):,}" for count in _COUNTS]
            + [percent(getattr(step, conversion)) for conversion in _CONVERSIONS],
        }
        for step in group.steps
    ]
    return {"name": name, "rows": rows}


def _definitions(funnel: Funnel) -> dict[str, str]:
    selection = funnel.selection
    said = dict(DEFINITIONS)
    if funnel.strict:
        said["reached"] = "Entered the step itself (strict)."
    if selection.bounded or selection.basis is Basis.PERIOD:
        said[selection.basis.value] = BASIS_DEFINITIONS[selection.basis]
    if selection.within is not None:
        said["within"] = WITHIN_DEFINITION
    if funnel.assumed_left_out:
        said["left out"] = f"{funnel.assumed_left_out:,} entries whose time is only assumed."
    return said
