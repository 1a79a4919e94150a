"""The texts of one row as a mapping reads them: blank or not, translated, converted.

Everything that does not depend on the row is settled once, when a mapping is bound to a
header; what is left is one function for each value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from leadflow.domain.values import currencies
from leadflow_commands.importing.mapping import Expression, MappingFile, Values
from leadflow_commands.money import digits

Row = Sequence[str]
TextOf = Callable[[Row], str | None]
"""The text of a cell without blanks around it; None where it means that nothing is known."""
ValueOf = Callable[[Row], Any]

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
TRUE: Final = frozenset({"true", "yes", "y", "t", "1", "x", "on", "ja", "j", "wahr"})
FALSE: Final = frozenset({"false", "no", "n", "f", "0", "off", "nein", "falsch"})


class Unreadable(ValueError):
    """A cell does not hold what the mapping says it holds."""


class Cells:
    """The columns of one file, by name."""

    def __init__(
        self, mapping: MappingFile, places: Mapping[str, int], personal: frozenset[str]
    ) -> None:
        self._mapping = mapping
        self._places = places
        self._personal = personal
        self._translations = {name: _Translation(values) for name, values in mapping.values.items()}

    def shown(self, column: str, text: str) -> str:
        """The cell for a message: with its text, unless that is personal."""
        if column in self._personal:
            return f"{column}: what stands there"
        return f"{column}: {text[:60]!r}"

    def text_of(self, column: str, values: str | None = None) -> TextOf:
        """What gives a column's text, translated by `[values.NAME]`."""
        plain = self._plain(column)
        if values is None:
            return plain
        translation, shown = self._translations[values], self.shown

        def text(row: Row) -> str | None:
            found = plain(row)
            if found is None:
                return None
            try:
                return translation(found) or None
            except Unreadable as error:
                raise Unreadable(f"{shown(column, found)} {error}") from None

        return text

    def _plain(self, column: str) -> TextOf:
        place, blank = self._places[column], self._mapping.blank.of(column)
        if self._mapping.blank.fold_case:

            def folded(row: Row) -> str | None:
                text = row[place].strip()
                return None if not text or text.casefold() in blank else text

            return folded

        def plain(row: Row) -> str | None:
            text = row[place].strip()
            return None if not text or text in blank else text

        return plain

    def value_of(self, given: Expression) -> ValueOf:
        """What gives a value for a row: None where its column is blank."""
        if given.value is not None:
            constant = given.value
            return lambda _: constant
        if given.columns:
            return self._joined(given)
        assert given.column is not None
        text_of, otherwise = self.text_of(given.column, given.values), given.otherwise
        convert = self._converted(given, given.column)
        strip = given.strip

        def value(row: Row) -> Any:
            text = text_of(row)
            if text is not None and strip:
                text = text.strip(strip).strip()
            return otherwise if not text else convert(text, row)

        return value

    def _joined(self, given: Expression) -> ValueOf:
        texts = [self.text_of(column, given.values) for column in given.columns]
        separator, otherwise, strip = given.separator, given.otherwise, given.strip

        def joined(row: Row) -> Any:
            parts = [part.strip(strip) if strip else part for of in texts if (part := of(row))]
            return separator.join(parts) or otherwise

        return joined

    def number_of(self, column: str, values: str | None = None) -> Callable[[Row], Decimal | None]:
        """What gives a column's number."""
        text_of = self.text_of(column, values)

        def number(row: Row) -> Decimal | None:
            text = text_of(row)
            return None if text is None else self._number(text, column)

        return number

    def yes_of(self, column: str, values: str | None = None) -> Callable[[Row], bool | None]:
        """What gives whether a column says yes."""
        text_of = self.text_of(column, values)

        def yes(row: Row) -> bool | None:
            text = text_of(row)
            return None if text is None else self._boolean(text, column)

        return yes

    def _converted(self, given: Expression, column: str) -> Callable[[str, Row], Any]:
        if given.kind == "boolean":
            return lambda text, _: self._boolean(text, column)
        if given.kind == "integer":
            return lambda text, _: self._integer(text, column, given.scale)
        if given.kind == "number":
            return lambda text, _: _plain_number(self._number(text, column))
        if given.kind == "money":
            currency_of = self._currency_of(given)
            return lambda text, row: self._money(text, column, currency_of(row))
        return lambda text, _: text

    def _boolean(self, text: str, column: str) -> bool:
        folded = text.casefold()
        if folded in TRUE:
            return True
        if folded in FALSE:
            return False
        raise Unreadable(f"{self.shown(column, text)} is neither yes nor no")

    def _number(self, text: str, column: str) -> Decimal:
        reading = self._mapping.reading
        plain = text
        if reading.thousands:
            plain = _without_thousands(plain, reading.thousands, reading.decimal)
        if reading.decimal == ",":
            plain = "" if "." in plain else plain.replace(",", ".")
        if not _NUMBER.fullmatch(plain):
            shown = self.shown(column, text)
            raise Unreadable(f"{shown} is no number with the decimal mark {reading.decimal!r}")
        return Decimal(plain)

    def _integer(self, text: str, column: str, scale: int) -> int:
        number = self._number(text, column).scaleb(scale)
        if number != number.to_integral_value():
            digits_said = f" at {scale} digits after the mark" if scale else ""
            raise Unreadable(f"{self.shown(column, text)} is no whole number{digits_said}")
        return int(number)

    def _money(self, text: str, column: str, currency: str) -> dict[str, Any]:
        minor = self._number(text, column).scaleb(digits(currency))
        if minor != minor.to_integral_value():
            raise Unreadable(f"{self.shown(column, text)} has more digits than {currency} has")
        return {"minor": int(minor), "currency": currency}

    def _currency_of(self, given: Expression) -> Callable[[Row], str]:
        if given.currency is not None:
            constant = given.currency
            return lambda _: constant
        column = given.currency_column
        assert column is not None
        text_of = self.text_of(column)

        def currency(row: Row) -> str:
            code = text_of(row)
            if code is None:
                raise Unreadable(f"{column}: blank, so the amount has no currency")
            if code.upper() not in currencies():
                raise Unreadable(f"{self.shown(column, code)} is no ISO 4217 currency")
            return code.upper()

        return currency


class _Translation:
    """A map of values, folded once."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._known = values.map
        if values.fold_case:
            self._known = {key.casefold(): value for key, value in values.map.items()}

    def __call__(self, text: str) -> str:
        if self._values.fold_case:
            text = text.casefold()
        found = self._known.get(text)
        if found is not None:
            return found
        if self._values.default is not None:
            return self._values.default
        if self._values.otherwise == "refuse":
            raise Unreadable("is not among the values that the mapping knows")
        return text


def _without_thousands(text: str, mark: str, decimal: str) -> str:
    """A number without its thousands marks; empty where these are not three digits apart."""
    text = re.sub(r"\s", " ", text) if mark == " " else text
    whole, found, fraction = text.partition(decimal)
    head, *groups = whole.split(mark)
    if any(len(group) != 3 for group in groups) or mark in fraction:
        return ""
    return "".join((head, *groups)) + found + fraction


def _plain_number(number: Decimal) -> int | str:
    """Whole numbers as such, others as exact text, since figures are never floats."""
    if number == number.to_integral_value():
        return int(number)
    return f"{number.normalize():f}"
