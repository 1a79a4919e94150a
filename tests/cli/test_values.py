"""Moments, durations, amounts and choices as they are typed and shown."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadflow_commands.choices import Among, PairType
from leadflow_commands.contacts import normal_email, normal_phone
from leadflow_commands.moments import DURATION, duration, iso, parse_moment, when
from leadflow_commands.money import parse_money, show_money
from leadflow_commands.output import as_json
from leadflow_commands.suggestions import did_you_mean

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_bare_date_is_the_whole_day_in_the_zone() -> None:
    day = parse_moment("2026-03-01")
    assert day.is_day
    assert day.first(UTC) == datetime(2026, 3, 1, tzinfo=UTC)
    assert day.last(UTC) == datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC)
    assert day.first(BERLIN) == datetime(2026, 2, 28, 23, tzinfo=UTC)


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    day = parse_moment("2026-03-29")
    assert day.last(BERLIN) - day.first(BERLIN) == timedelta(hours=23) - timedelta(microseconds=1)


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_an_instant_is_itself_in_every_zone(naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC)
    moment = parse_moment(str(iso(instant)))
    assert moment.first(BERLIN) == moment.last(UTC) == instant


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "2026-02-30", "20260301T99"])
def test_what_is_no_moment_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write 2026-03-01 or"):
        parse_moment(text)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone; write 2026-03-01T10:00Z"):
        parse_moment("2026-03-01T10:00")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 90 * 86_400), ("4h", 14_400), ("30min", 1_800), ("45s", 45)]
)
def test_durations_as_typed(text: str, seconds: int) -> None:
    assert DURATION.convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "90", "d", "90 fortnights", "-1d", "1.5h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter):
        DURATION.convert(text, None, None)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, ""),
        (0, "0 s"),
        (59, "59 s"),
        (720, "12 min"),
        (3_600, "1h"),
        (5_400, "1h 30min"),
        (273_600, "3d 4h"),
        (-86_400, "-1d"),
    ],
)
def test_durations_as_shown(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_times_are_shown_in_the_zone() -> None:
    moment = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    assert when(moment, BERLIN) == "2026-07-02 00:30"
    assert when(None, BERLIN) == ""


@pytest.mark.parametrize(
    ("text", "minor", "currency"),
    [
        ("1999.00 EUR", 199_900, "EUR"),
        ("1999.00EUR", 199_900, "EUR"),
        ("1999 eur", 199_900, "EUR"),
        ("0.07USD", 7, "USD"),
        ("5000 JPY", 5_000, "JPY"),
        ("1.234 KWD", 1_234, "KWD"),
        ("-5.50 EUR", -550, "EUR"),
        ("-0.50 EUR", -50, "EUR"),
        ("10.10 JPY", None, "JPY 0 digits"),
        ("10.00 JPY", 10, "JPY"),
    ],
)
def test_amounts_in_the_currencys_own_minor_units(
    text: str, minor: int | None, currency: str
) -> None:
    if minor is None:
        with pytest.raises(ValueError, match="has 0 digits after the point"):
            parse_money(text)
    else:
        assert parse_money(text) == {"minor": minor, "currency": currency}


@pytest.mark.parametrize("text", ["", "EUR", "1,999.00 EUR", "1.999,00 EUR", "1e3 EUR", "10"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match=r"write 1999\.00 EUR"):
        parse_money(text)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_amounts_are_shown_as_they_are_read(minor: int, currency: str) -> None:
    shown = show_money(minor, currency).replace(",", "")
    assert parse_money(shown) == {"minor": minor, "currency": currency}


def test_choices_forgive_case_and_dashes() -> None:
    stages = Among(["sales_ready", "MQL"], what="stage")
    assert stages.convert("Sales-Ready", None, None) == "sales_ready"
    assert stages.convert("mql", None, None) == "MQL"
    with pytest.raises(click.BadParameter, match="unknown stage 'sales'; did you mean sales_ready"):
        stages.convert("sales", None, None)


def test_pairs() -> None:
    fields = PairType(["source", "campaign"])
    assert fields.convert("source=a=b", None, None) == ("source", "a=b")
    with pytest.raises(click.BadParameter, match="did you mean source"):
        fields.convert("sorce=x", None, None)
    with pytest.raises(click.BadParameter, match="no NAME=VALUE"):
        fields.convert("source", None, None)


def test_contact_details_take_one_form() -> None:
    assert normal_email(" Ada@EXAMPLE.org ") == "Ada@example.org"
    assert normal_phone("+49 (30) 123456") == "+4930123456"
    assert normal_phone("030 123456", "DE") == "+4930123456"
    with pytest.raises(ValueError, match="no e-mail address"):
        normal_email("ada at example.org")
    with pytest.raises(ValueError, match=r"write it with \+"):
        normal_phone("030 123456")
    for number in ("+49 1", "+49 30 12345678901234"):
        with pytest.raises(ValueError, match="digits for a phone number"):
            normal_phone(number)


def test_suggestions() -> None:
    assert did_you_mean("nurtured", ["nurturing", "lost"]) == "did you mean nurturing?"
    assert did_you_mean("zzz", ["a", "b"]) == "known are a, b"


def test_json_has_instants_in_utc_and_no_nan() -> None:
    assert as_json({"at": datetime(2026, 1, 1, tzinfo=UTC), "x": float("nan")}, indent=False) == (
        '{"at":"2026-01-01T00:00:00Z","x":null}'
    )
