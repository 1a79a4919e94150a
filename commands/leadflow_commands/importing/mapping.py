"""What a mapping file may say: how a file is read, and which facts its rows are.

A mapping is data: one TOML file for each kind of file that comes in. Here is its shape;
`checking.py` says what must hold between its parts, `mapping_file.py` reads one, and
`compiling.py` binds it to a file's header.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, cast
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from leadflow.domain.values import Currency, TimeBasis

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,62}")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text!r} is no name; use letters, digits, `_`, `-` and `.`")
    return text


def _encoding(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"there is no encoding {name!r}; usual are utf-8 and cp1252") from None


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError(f"there is no time zone {name!r}; write one like Europe/Berlin") from None
    return name


Name = Annotated[str, AfterValidator(_name)]
Zone = Annotated[str, AfterValidator(_zone)]
Character = Annotated[str, StringConstraints(min_length=1, max_length=1)]
Column = Annotated[str, StringConstraints(min_length=1)]
"""A column's name, as the header has it."""


class Part(BaseModel):
    """Base of a mapping's parts: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reading(Part):
    """How the file's bytes become rows of texts."""

    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"
    """A byte order mark is taken off where there is one."""
    delimiter: Character = ","
    quote: Character = '"'
    decimal: Literal[".", ","] = "."


class Identity(Part):
    """Which lead a row speaks of: `SYSTEM:ID`, the id from one or several columns."""

    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    unknown: Literal["accept", "refuse"] = "accept"
    """What to do with a row whose lead the log does not know: refuse it where the rows
    add to leads that another file brings."""
    aliases: dict[Name, Column] = Field(default_factory=dict)
    """Further ids of the lead: system = column."""


class Blank(Part):
    """Which texts mean that nothing is known; 0 never does."""

    markers: tuple[str, ...] = ("",)
    by_column: dict[Column, tuple[str, ...]] = Field(default_factory=dict)
    """Further markers that hold for one column alone."""


class Values(Part):
    """Translates a column's texts."""

    map: dict[str, str]
    fold_case: bool = False
    otherwise: Literal["keep", "refuse"] = "keep"
    """What to do with a text that the map does not have."""
    default: str | None = None
    """What every other text becomes; wins over `otherwise`."""


class Expression(Part):
    """A value: from a column (none, where that is blank), or written here."""

    column: Column | None = None
    value: bool | int | str | None = None
    kind: Literal["text", "integer", "boolean", "money"] = Field(default="text", alias="as")
    values: Name | None = None
    """The map in `[values.NAME]` that translates the column's text first."""
    currency: Currency | None = None
    currency_column: Column | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError('write "COLUMN", { column = "COLUMN", … } or { value = … }')
        currencies = (self.currency is not None) + (self.currency_column is not None)
        if self.kind == "money" and (currencies != 1 or self.column is None):
            raise ValueError("money needs a column, and either currency or currency_column")
        if self.kind != "money" and currencies:
            raise ValueError('a currency is only for as = "money"')
        return self


class Time(Part):
    """Where a moment comes from: the first of the columns that is not blank."""

    columns: tuple[Column, ...] = ()
    formats: Annotated[tuple[str, ...], Field(min_length=1)] = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
    """As strptime writes them, tried in order. A format without an hour is a day."""
    zone: Zone = "UTC"
    basis: TimeBasis | None = None
    """Else exact or day, as the format says."""
    otherwise: Name | None = None
    """The time to take where all the columns are blank; it is then an assumed one."""
    constant: datetime | None = None
    """The moment to take where nothing else is known; always an assumed one."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not self.columns and self.constant is None:
            raise ValueError("a time needs columns, or a constant")
        if self.constant is not None and self.constant.tzinfo is None:
            raise ValueError("the constant needs a time zone, such as 2020-01-01T00:00:00Z")
        if self.constant is not None and self.otherwise is not None:
            raise ValueError("give otherwise or constant, not both")
        return self


_EXPRESSION_KEYS: Final = {field.alias or name for name, field in Expression.model_fields.items()}
TABLES: Final = ("personal", "fields", "dimensions", "utm")
"""Fields of events that hold several values, so that a table within the data fills them."""


def _flat(written: Any) -> Any:
    """The data with dotted paths for keys, and a bare text read as a column."""
    if not isinstance(written, dict):
        return written
    flat: dict[str, Any] = {}
    for field, value in cast("dict[str, Any]", written).items():
        inner = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if inner and (field in TABLES or not inner.keys() & _EXPRESSION_KEYS):
            flat.update((f"{field}.{name}", _expression(part)) for name, part in inner.items())
        else:
            flat[field] = _expression(value)
    return flat


def _expression(written: Any) -> Any:
    return {"column": written} if isinstance(written, str) else written


class Rule(Part):
    """One fact that a row gives rise to."""

    name: Name
    """Part of the fact's id: under a changed name it is another fact."""
    event: str
    time: Name
    actor: Column | None = None
    known_after_outcome: bool = False
    """The enriched fields became known with the outcome: recorded, never scored."""
    data: Annotated[dict[str, Expression], BeforeValidator(_flat)] = Field(default_factory=dict)
    """The event's own fields; those in a table within under `TABLE.NAME`."""


class MappingFile(Part):
    """A whole mapping."""

    name: Name
    system: Name
    """The system that the records come from; part of the leads' ids."""
    description: str = ""
    reading: Reading = Reading()
    id: Identity
    blank: Blank = Blank()
    personal: tuple[Column, ...] = ()
    """Columns that hold personal data: they may fill `personal` and nothing else."""
    not_personal: tuple[Column, ...] = ()
    """Columns that are not personal, whatever they are called."""
    values: dict[Name, Values] = Field(default_factory=dict)
    times: dict[Name, Time]
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]

    def is_personal(self, column: str) -> bool:
        """Whether a column's values may appear nowhere but in the personal part."""
        if column in self.personal:
            return True
        words = re.split(r"[\s_.\-]+", column.casefold())
        return column not in self.not_personal and not PERSONAL_WORDS.isdisjoint(words)

    def columns(self) -> Iterator[tuple[str, str]]:
        """Every column that is named, with the place that names it."""
        yield from ((column, "id") for column in self.id.columns)
        yield from ((column, "id.aliases") for column in self.id.aliases.values())
        yield from ((column, "blank.by_column") for column in self.blank.by_column)
        yield from ((column, "personal") for column in self.personal)
        for name, time in self.times.items():
            yield from ((column, f"times.{name}") for column in time.columns)
        for rule in self.rules:
            if rule.actor is not None:
                yield rule.actor, f"rule {rule.name}, actor"
            for path, given in rule.data.items():
                for column in (given.column, given.currency_column):
                    if column is not None:
                        yield column, f"rule {rule.name}, {path}"


PERSONAL_WORDS: Final = frozenset(
    {"name", "firstname", "lastname", "surname", "fullname", "email", "mail"}
    | {"phone", "mobile", "telephone", "fax", "address", "street"}
    | {"notes", "note", "comment", "comments", "remarks"}
)
"""A column with one of these words in its name is personal unless the mapping denies it."""
