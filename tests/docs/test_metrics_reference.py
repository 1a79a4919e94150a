"""The reference of the metrics says what every figure is."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import pytest

from leadflow_projections.metrics.cycles import FIELDS
from leadflow_projections.metrics.durations import DurationFigures
from leadflow_projections.metrics.figures import StepFigures
from leadflow_projections.metrics.measuring import ENDS
from tests.docs.pages import DOCS, Page

PAGE: Final = Page(DOCS / "reference" / "metrics.md")
_HOW: Final = {"name", "value", "behind", "stage", "assumed"}
"""What says which figure it is, and no figure; `assumed` is written `assumed_left_out`."""


@pytest.mark.parametrize("figures", [StepFigures, DurationFigures])
def test_every_figure_is_defined(figures: type[StepFigures] | type[DurationFigures]) -> None:
    named = {field.name for field in fields(figures)} - _HOW
    assert named <= set(PAGE.inline_code())


def test_every_duration_and_every_field_is_named() -> None:
    assert {*ENDS, *FIELDS, "assumed_left_out"} <= set(PAGE.inline_code())
