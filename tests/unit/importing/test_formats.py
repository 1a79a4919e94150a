"""Formats of dates: read strictly, and the same on every machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow_commands.importing.formats import compiled

local = partial(datetime, tzinfo=None)


@pytest.mark.parametrize(
    ("form", "text", "moment"),
    [
        ("%Y-%m-%d", "2026-03-01", local(2026, 3, 1)),
        ("%d.%m.%Y %H:%M", "1.3.2026 9:05", local(2026, 3, 1, 9, 5)),
        ("%m/%d/%Y %I:%M %p", "03/01/2026 12:05 AM", local(2026, 3, 1, 0, 5)),
        ("%m/%d/%Y %I:%M %p", "03/01/2026 12:05 pm", local(2026, 3, 1, 12, 5)),
        ("%d %b %Y", "1 Mar 2026", local(2026, 3, 1)),
        ("%B %d, %Y", "march 1, 2026", local(2026, 3, 1)),
        ("%a, %d %b %Y", "Sun, 01 Mar 2026", local(2026, 3, 1)),
        ("%FT%T", "2026-03-01T09:30:01", local(2026, 3, 1, 9, 30, 1)),
        (
            "%Y-%m-%dT%H:%M:%S.%f%z",
            "2026-03-01T09:30:00.25+02:00",
            datetime(2026, 3, 1, 9, 30, 0, 250_000, timezone(timedelta(hours=2))),
        ),
        ("iso", "2026-03-01T09:30:00Z", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("unix", "1772357400", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
        ("unix_ms", "1772357400000", datetime(2026, 3, 1, 9, 30, tzinfo=UTC)),
    ],
)
def test_what_a_format_reads(form: str, text: str, moment: datetime) -> None:
    assert compiled(form, 68).read(text) == moment


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%d", "2026-02-30"),
        ("%Y-%m-%d", "2026-03-01 09:30"),
        ("%Y-%m-%d", "26-03-01"),
        ("%d.%m.%Y", "01.13.2026"),
        ("%a, %d %b %Y", "Mon, 01 Mar 2026"),  # that day was a Sunday
        ("%Y-%m-%d", "\u0662\u0660\u0662\u0666-03-01"),
        ("iso", "20260301"),
        ("iso", "2026-W09-1"),
        ("unix", "2026"),
    ],
)
def test_what_a_format_does_not_read(form: str, text: str) -> None:
    assert compiled(form, 68).read(text) is None


@pytest.mark.parametrize(("text", "year"), [("68", 2068), ("69", 1969), ("00", 2000)])
def test_two_digit_years_turn_at_the_pivot(text: str, year: int) -> None:
    read = compiled("%d.%m.%y", 68).read(f"01.03.{text}")

    assert read is not None
    assert read.year == year


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ("%Y-%m", "has no day"),
        ("%d.%m", "has no year"),
        ("%Y-%m-%d %Q", "%Q in"),
        ("%Y-%m-%d %I:%M", "no %p"),
        ("%Y-%m-%d %Y", "%Y twice"),
    ],
)
def test_formats_that_make_no_date(form: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        compiled(form, 68)


@given(st.datetimes(min_value=local(1900, 1, 1)))
def test_it_reads_what_strftime_writes(moment: datetime) -> None:
    form = "%Y-%m-%d %H:%M:%S.%f"

    assert compiled(form, 68).read(moment.strftime(form)) == moment


@given(st.text(max_size=30))
def test_any_other_text_is_no_date_and_no_error(text: str) -> None:
    for form in ("%Y-%m-%d", "%d %b %y", "iso", "unix", "unix_ms"):
        compiled(form, 68).read(text)
