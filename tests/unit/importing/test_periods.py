"""Periods of spend: what exports write, and what is no period."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow_commands.importing.periods import Period, read_days, read_period


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-02", "2026-02-01", "2026-02-28"),
        ("2028-02", "2028-02-01", "2028-02-29"),
        ("2026-Q4", "2026-10-01", "2026-12-31"),
        ("2026q1", "2026-01-01", "2026-03-31"),
        ("2026-W01", "2025-12-29", "2026-01-04"),
        ("2026", "2026-01-01", "2026-12-31"),
        ("2026-03-05", "2026-03-05", "2026-03-05"),
        ("2026-03-01/2026-03-31", "2026-03-01", "2026-03-31"),
        ("2026-03-01 - 2026-03-15", "2026-03-01", "2026-03-15"),
        ("2026-03-01..2026-03-15", "2026-03-01", "2026-03-15"),
    ],
)
def test_what_exports_write(text: str, first: str, last: str) -> None:
    assert read_period(text) == Period(date.fromisoformat(first), date.fromisoformat(last))


@pytest.mark.parametrize(
    ("text", "form", "first", "last"),
    [
        ("05.03.2026", "%d.%m.%Y", "2026-03-05", "2026-03-05"),
        ("01.03.26 - 31.03.26", "%d.%m.%y", "2026-03-01", "2026-03-31"),
        ("03/2026", "%m/%Y", "2026-03-01", "2026-03-31"),
        ("2026-03", "%d.%m.%Y", "2026-03-01", "2026-03-31"),
    ],
)
def test_days_as_the_file_writes_them(text: str, form: str, first: str, last: str) -> None:
    wanted = Period(date.fromisoformat(first), date.fromisoformat(last))

    assert read_period(text, form) == wanted


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Total", "write 2026-03, 2026-Q1"),
        ("2026-13", "is no period: month must be in 1..12"),
        ("2026-W54", "is no period: Invalid week: 54"),
        ("2026-02-30", "write 2026-03"),
        ("03/04/2026", "'03' is no day of the form %Y-%m-%d"),
        ("2026-03-31/2026-03-01", "it ends on 2026-03-01, before it begins on 2026-03-31"),
        ("0000", "is no period"),
    ],
)
def test_what_is_no_period_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="no period") as caught:
        read_period(text)
    assert reason in str(caught.value)


def days(text: str) -> Period:
    return read_days(text, text)


@given(st.text(max_size=24), st.sampled_from([read_period, days]))
def test_any_text_is_a_period_or_a_reason(text: str, read: Callable[[str], Period]) -> None:
    reason, period = "", None
    try:
        period = read(text)
    except ValueError as error:
        reason = str(error)
    assert reason or (period is not None and period.first <= period.last)
