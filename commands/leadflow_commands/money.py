"""Amounts on the command line: whole currency units there, minor units in an event."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import click

from leadflow_commands.suggestions import did_you_mean

_AMOUNT = re.compile(r"(-?\d{1,15})(?:\.(\d{1,4}))?\s*([A-Za-z]{3})")


class MoneyType(click.ParamType[dict[str, Any]]):
    """Reads `1999.00 EUR` or `1999.00EUR`; the digits after the point are the currency's."""

    name = "amount"
    takes_currency = True

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        if isinstance(value, dict):
            return value  # pyright: ignore[reportUnknownVariableType]
        try:
            return parse_money(value)
        except ValueError as problem:
            self.fail(str(problem), param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:  # noqa: ARG002
        return "AMOUNT CURRENCY"


MONEY: Final = MoneyType()


def digits(currency: str) -> int:
    """How many digits the currency has after the point: EUR 2, JPY 0, KWD 3."""
    from babel.numbers import get_currency_precision

    return get_currency_precision(currency)


def parse_money(text: str) -> dict[str, Any]:
    """An amount as an event holds it: minor units and currency.

    Raises:
        ValueError: saying how to write it, or that the currency has fewer digits.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no amount; write 1999.00 EUR, without separators")
    whole, part, code = match[1], match[2] or "", match[3].upper()
    from leadflow.domain.values import currencies

    if code not in currencies():
        raise ValueError(f"unknown currency {code!r}; {did_you_mean(code, sorted(currencies()))}")
    places = digits(code)
    if len(part.rstrip("0")) > places:
        raise ValueError(f"{code} has {places} digits after the point, and {text!r} has more")
    minor = int(Decimal(f"{whole}.{part or 0}").scaleb(places))
    return {"minor": minor, "currency": code}


def show_money(minor: int, currency: str) -> str:
    """An amount for people: `1,999.00 EUR`."""
    places = digits(currency)
    return f"{Decimal(minor).scaleb(-places):,.{places}f} {currency}"


def show_revenue(revenue: dict[str, int] | None) -> str:
    """Amounts of several currencies, never added up."""
    return ", ".join(show_money(minor, code) for code, minor in sorted((revenue or {}).items()))
