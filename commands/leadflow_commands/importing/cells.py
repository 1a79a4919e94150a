"""The texts of one row as a mapping reads them: blank or not, translated, converted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from leadflow.domain.values import currencies
from leadflow_commands.importing.mapping import Expression, MappingFile, Values
from leadflow_commands.money import digits

_NUMBER: Final = re.compile(r"[+-]?\d{1,18}(\.\d{1,18})?")
_TRUE: Final = frozenset({"true", "yes", "y", "t", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "f", "0"})


class Unreadable(ValueError):
    """A cell does not hold what the mapping says it holds."""


class Cells:
    """A row's cells by column name."""

    def __init__(self, mapping: MappingFile, header: Sequence[str]) -> None:
        self._mapping = mapping
        self._places = {column: place for place, column in enumerate(header)}
        self._blank = {
            column: frozenset((*mapping.blank.markers, *mapping.blank.by_column.get(column, ())))
            for column in header
        }
        self._row: Sequence[str] = ()

    def take(self, row: Sequence[str]) -> None:
        """Look at this row from now on."""
        self._row = row

    def text(self, column: str) -> str | None:
        """The column's text without blanks around it; None where it means nothing known."""
        text = self._row[self._places[column]].strip()
        return None if not text or text in self._blank[column] else text

    def value(self, expression: Expression) -> Any:
        """What an expression gives for this row; None where its column is blank.

        Raises:
            Unreadable: naming the column, and its text where that is not personal.
        """
        if expression.column is None:
            return expression.value
        text = self.text(expression.column)
        if text is None:
            return None
        if expression.values is not None:
            values = self._mapping.values[expression.values]
            text = _translated(text, values, self._shown(expression.column, text))
        return self._converted(expression, text)

    def _converted(self, expression: Expression, text: str) -> Any:
        if expression.kind == "text":
            return text
        assert expression.column is not None
        shown = self._shown(expression.column, text)
        if expression.kind == "boolean":
            return _boolean(text, shown)
        number = self._number(text, shown)
        if expression.kind == "money":
            return _money(number, self._currency(expression), shown)
        if number != number.to_integral_value():
            raise Unreadable(f"{shown} is no whole number")
        return int(number)

    def _number(self, text: str, shown: str) -> Decimal:
        mark = self._mapping.reading.decimal
        plain = text.replace(",", ".") if mark == "," and "." not in text else text
        if not _NUMBER.fullmatch(plain):
            raise Unreadable(f"{shown} is no number with the decimal mark {mark!r}")
        try:
            return Decimal(plain)
        except InvalidOperation:
            raise Unreadable(f"{shown} is no number") from None

    def _currency(self, expression: Expression) -> str:
        if expression.currency is not None:
            return expression.currency
        column = expression.currency_column
        assert column is not None
        code = self.text(column)
        if code is None:
            raise Unreadable(f"{column}: blank, so the amount has no currency")
        if code.upper() not in currencies():
            raise Unreadable(f"{self._shown(column, code)} is no ISO 4217 currency")
        return code.upper()

    def _shown(self, column: str, text: str) -> str:
        """The cell for a message: with its text, unless that is personal."""
        if self._mapping.is_personal(column):
            return f"{column}: what stands there"
        return f"{column}: {text[:60]!r}"


def _translated(text: str, values: Values, shown: str) -> str:
    known: Mapping[str, str] = values.map
    if values.fold_case:
        text = text.casefold()
        known = {key.casefold(): value for key, value in known.items()}
    if text in known:
        return known[text]
    if values.default is not None:
        return values.default
    if values.otherwise == "refuse":
        raise Unreadable(f"{shown} is not among the values that the mapping knows")
    return text


def _boolean(text: str, shown: str) -> bool:
    folded = text.casefold()
    if folded in _TRUE:
        return True
    if folded in _FALSE:
        return False
    raise Unreadable(f"{shown} is neither yes nor no")


def _money(amount: Decimal, currency: str, shown: str) -> dict[str, Any]:
    minor = amount.scaleb(digits(currency))
    if minor != minor.to_integral_value():
        raise Unreadable(f"{shown} has more digits than {currency} has")
    return {"minor": int(minor), "currency": currency}
