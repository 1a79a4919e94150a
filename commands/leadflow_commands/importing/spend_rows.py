"""From a row of a spend file to what was spent: on what, when, how much."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Literal

from leadflow.domain.values import SalesType, currencies
from leadflow_commands.importing.columns import place_of
from leadflow_commands.importing.errors import UnreadableFile
from leadflow_commands.importing.periods import ISO_DATE, Period, read_days, read_period
from leadflow_commands.importing.reading import Row, Table
from leadflow_commands.money import digits
from leadflow_commands.suggestions import did_you_mean

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "source": ("source", "utm source", "channel", "platform"),
    "campaign": ("campaign", "campaign name", "utm campaign"),
    "sales_type": ("sales type",),
    "period": ("period", "month", "week", "quarter", "date", "day"),
    "first": ("first", "from", "start", "start date", "period start", "reporting starts"),
    "last": ("last", "to", "until", "end", "end date", "period end", "reporting ends"),
    "kind": ("kind", "cost type"),
    "amount": ("amount", "cost", "costs", "spend", "amount spent"),
    "currency": ("currency", "currency code"),
    "id": (),
}
"""What a spend has, and the headers it is looked for under; case, `_` and `-` do not count."""

Kind = Literal["media", "sales", "other"]
_KINDS: Final[Mapping[str, Kind]] = {"media": "media", "sales": "sales", "other": "other"}
_SALES_TYPES: Final = {**{kind.value: kind for kind in SalesType}, "sales": SalesType.SPEAR}
_WITH_CURRENCY: Final = re.compile(r"(.*?)\s*[(\[]([A-Za-z]{3})[)\]]")
_NUMBER: Final = re.compile(r"[+-]?\d{1,15}(\.\d{1,6})?")


@dataclass(frozen=True, slots=True)
class SpendKey:
    """What amounts are added up for."""

    source: str
    campaign: str | None
    sales_type: SalesType | None
    first: str
    last: str
    """The days of its period as ISO dates, both included."""
    kind: Kind
    currency: str

    def __str__(self) -> str:
        parts = (self.source, self.campaign, self.sales_type, self.first, self.last, self.kind)
        return "\n".join((*("" if part is None else part for part in parts), self.currency))


@dataclass(frozen=True, slots=True)
class Spend:
    """What one row says."""

    line: int
    key: SpendKey
    minor: int
    id: str | None
    """The booking's own id, where the file has such a column."""


@dataclass(frozen=True, slots=True)
class SpendForm:
    """How a file writes spends, beside what its header tells."""

    columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field = the column it stands in, for those with a name of their own."""
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    """Field = what it is where its column is not there or blank."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the file calls a source = what its leads have as their source."""
    date_format: str = ISO_DATE
    thousands: str = ""


class SpendRefused(ValueError):
    """A row is no spend; `key` is what it is for, where that could be read."""

    def __init__(self, reason: str, key: SpendKey | None = None) -> None:
        super().__init__(reason)
        self.key = key


class SpendReader:
    """Reads the rows of one file."""

    def __init__(self, table: Table, form: SpendForm) -> None:
        self._form = form
        self._decimal = table.reading.decimal
        self._width = len(table.header)
        self._header = table.header
        self._values = {"kind": "media", **form.values}
        self._places = self._found(table)
        self._row: Sequence[str] = ()

    def read(self, row: Row) -> Spend:
        """What a row says.

        Raises:
            SpendRefused: with the reason, naming the column.
        """
        if len(row.cells) != self._width:
            raise SpendRefused(f"{len(row.cells)} fields where the header has {self._width}")
        self._row = row.cells
        currency, period = self._currency(), self._period()
        key = SpendKey(
            source=self._source(),
            campaign=self._text("campaign"),
            sales_type=self._sales_type(),
            first=period.first.isoformat(),
            last=period.last.isoformat(),
            kind=self._kind(),
            currency=currency,
        )
        try:
            minor = self._minor(currency)
            booking = self._needed("id") if "id" in self._places else None
        except SpendRefused as error:
            raise SpendRefused(str(error), key) from error
        return Spend(row.line, key, minor, booking)

    def _found(self, table: Table) -> dict[str, int]:
        places: dict[str, int] = {}
        normal = [_normal(column) for column in table.header]
        for name, usual in COLUMNS.items():
            if name in self._form.columns:
                places[name] = self._named(name, table)
                continue
            found = [normal.index(alias) for alias in usual if alias in normal]
            if found:
                places[name] = found[0]
        if "amount" in places and (
            told := _WITH_CURRENCY.fullmatch(table.header[places["amount"]])
        ):
            self._values.setdefault("currency", told[2])
        self._check(places, table)
        return places

    def _named(self, name: str, table: Table) -> int:
        column = self._form.columns[name]
        place = place_of(column, table.header)
        if place is None:
            raise UnreadableFile(
                f"{table.name}, line 1: there is no column {column!r}, which is to be the {name}",
                hint=did_you_mean(column, table.header),
            )
        return place

    def _check(self, places: Mapping[str, int], table: Table) -> None:
        known = places.keys() | self._values.keys()
        if not {"first", "last"} <= known and "period" not in known:
            missing = "period"
        else:
            missing = next((n for n in ("source", "amount", "currency") if n not in known), "")
        if missing:
            raise UnreadableFile(
                f"{table.name}, line 1: no column is the {missing} (looked for "
                f"{', '.join(COLUMNS[missing])})",
                hint=f"say which by --column {missing}=HEADER, or what it is by "
                f"--set {missing}=VALUE; the header has {', '.join(table.header[:12])}",
            )

    def _text(self, name: str) -> str | None:
        place = self._places.get(name)
        text = self._row[place].strip() if place is not None else ""
        return text or self._values.get(name)

    def _needed(self, name: str) -> str:
        text = self._text(name)
        if text is None:
            raise SpendRefused(f"{self._column(name)}: blank, and a spend needs its {name}")
        return text

    def _column(self, name: str) -> str:
        place = self._places.get(name)
        return self._header[place] if place is not None else name

    def _source(self) -> str:
        text = self._needed("source")
        return self._form.renamed.get(text, text)

    def _sales_type(self) -> SalesType | None:
        text = self._text("sales_type")
        if text is None:
            return None
        if text.casefold() not in _SALES_TYPES:
            hint = did_you_mean(text, _SALES_TYPES)
            raise SpendRefused(f"{self._column('sales_type')}: {text!r} is no sales type; {hint}")
        return _SALES_TYPES[text.casefold()]

    def _kind(self) -> Kind:
        text = self._needed("kind")
        if text.casefold() not in _KINDS:
            raise SpendRefused(f"{self._column('kind')}: {text!r} is not media, sales or other")
        return _KINDS[text.casefold()]

    def _period(self) -> Period:
        form = self._form.date_format
        name = "period"
        try:
            if "first" in self._places and "last" in self._places:
                name = "first"
                return read_days(self._needed("first"), self._needed("last"), form)
            return read_period(self._needed("period"), form)
        except SpendRefused:
            raise
        except ValueError as error:
            raise SpendRefused(f"{self._column(name)}: {error}") from error

    def _currency(self) -> str:
        code = self._needed("currency").upper()
        if code not in currencies():
            raise SpendRefused(f"{self._column('currency')}: {code!r} is no ISO 4217 currency")
        return code

    def _minor(self, currency: str) -> int:
        text = self._needed("amount")
        column = self._column("amount")
        plain = _without_thousands(text, self._form.thousands, self._decimal)
        if self._decimal == ",":
            plain = "" if "." in plain else plain.replace(",", ".")
        if not _NUMBER.fullmatch(plain):
            raise SpendRefused(
                f"{column}: {text!r} is no number with the decimal mark {self._decimal!r}"
            )
        minor = Decimal(plain).scaleb(digits(currency))
        if minor != minor.to_integral_value():
            raise SpendRefused(f"{column}: {text!r} has more digits than {currency} has")
        if abs(minor) > 10**15:
            raise SpendRefused(f"{column}: {text!r} is more than any amount")
        return int(minor)


def _without_thousands(text: str, mark: str, decimal: str) -> str:
    """The number without its marks, where they are three digits apart; else as it is.

    `12.50` must not become 1250 because the thousands are said to be parted by points.
    """
    whole, found, fraction = text.partition(decimal)
    grouped = re.fullmatch(rf"[+-]?\d{{1,3}}({re.escape(mark)}\d{{3}})+", whole) if mark else None
    return whole.replace(mark, "") + found + fraction if grouped else text


def _normal(column: str) -> str:
    """A header as it is looked for: `Amount_Spent (EUR)` is `amount spent`."""
    told = _WITH_CURRENCY.fullmatch(column)
    name = told[1] if told else column
    return " ".join(re.split(r"[\s_\-]+", name.casefold().strip()))
