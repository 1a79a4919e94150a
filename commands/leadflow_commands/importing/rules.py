"""The rules of a mapping: which fact a row gives rise to, and when.

A rule says an event, its time and its fields; `also` adds further events of the same
case. Of the rules that name one `group`, only the first whose `when` holds counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Self, cast

from pydantic import BeforeValidator, Field, model_validator

from leadflow.domain.values import Currency
from leadflow_commands.importing.parts import Column, Columns, Labelled, Name, NameTemplate, Part

NO_EVENT: Final = "none"
"""The event of a rule for a state that means no event yet."""
TABLES: Final = ("personal", "fields", "dimensions", "utm")
"""Fields of events that hold several values, so that a table within the data fills them."""


def _text(written: Any) -> Any:
    return str(written) if isinstance(written, int) and not isinstance(written, bool) else written


Cell = Annotated[str, BeforeValidator(_text)]
"""A cell's text; a number may be written without quotes."""


class Condition(Part):
    """What must hold of a row: tests of one column, all of them; or conditions together.

    A test other than `blank` never holds for a column that is blank.
    """

    column: Column | None = None
    """The column to test; each of the tests given here has to hold."""
    values: Name | None = None
    """The map in `[values.NAME]` that translates the column's text first."""
    fold_case: bool = False
    """Whether `equals` and `one_of` take no notice of case."""
    equals: Cell | None = None
    """The text it is."""
    one_of: tuple[Cell, ...] | None = None
    """The texts of which it is one."""
    blank: bool | None = None
    """Whether it is blank."""
    yes: bool | None = None
    """Whether the column says yes (true, yes, y, t, 1, x) or no (false, no, n, f, 0)."""
    above: Decimal | None = None
    """The number that it is greater than."""
    at_least: Decimal | None = None
    """The number that it reaches or passes."""
    below: Decimal | None = None
    """The number that it is less than."""
    at_most: Decimal | None = None
    """The number that it does not pass."""
    all_of: tuple[Condition, ...] | None = Field(default=None, alias="and")
    """Conditions that all have to hold."""
    any_of: tuple[Condition, ...] | None = Field(default=None, alias="or")
    """Conditions of which one has to hold."""
    negated: Condition | None = Field(default=None, alias="not")
    """A condition that must not hold."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = (self.column, self.all_of, self.any_of, self.negated)
        if sum(kind is not None for kind in kinds) != 1:
            raise ValueError("write one of column, and, or, not")
        tests = [getattr(self, name) is not None for name in TESTS]
        if self.column is not None and not any(tests):
            raise ValueError(f"a column needs a test: {', '.join(TESTS)}")
        if self.column is None and (any(tests) or self.values is not None or self.fold_case):
            raise ValueError("a test needs a column")
        if self.all_of == () or self.any_of == ():
            raise ValueError("and, or need at least one condition")
        return self

    def parts(self) -> Iterator[Condition]:
        """The conditions of single columns in it."""
        if self.column is not None:
            yield self
        for part in (*(self.all_of or ()), *(self.any_of or ())):
            yield from part.parts()
        if self.negated is not None:
            yield from self.negated.parts()


TESTS: Final = ("equals", "one_of", "blank", "yes", "above", "at_least", "below", "at_most")


class Expression(Part):
    """A value: from one or several columns (none, where they are blank), or written here."""

    column: Column | None = None
    """The column it comes from."""
    columns: Columns = ()
    """Several columns, joined by `separator`; blank ones are left out."""
    separator: str = " "
    """What stands between several columns."""
    value: bool | int | str | None = None
    """The value itself, the same for every row."""
    kind: Literal["text", "integer", "number", "boolean", "money"] = Field(
        default="text", alias="as"
    )
    """`number` keeps what is not whole as an exact decimal text, such as 2.5."""
    values: Name | None = None
    """The map in `[values.NAME]` that translates the column's text first."""
    strip: str = ""
    """Characters to take off the ends of the text, such as a currency's sign."""
    scale: Annotated[int, Field(ge=0, le=9)] = 0
    """With `integer`: count in units of ten to the power of minus this; 2.5 at 2 is 250."""
    otherwise: bool | int | str | None = None
    """What to take where the column is blank."""
    currency: Currency | None = None
    """With `money`: the ISO code of all amounts."""
    currency_column: Column | None = None
    """With `money`: the column that names each amount's currency."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.column is not None, bool(self.columns), self.value is not None)
        if sum(sources) != 1:
            raise ValueError(
                'write "COLUMN", { column = "COLUMN", … }, { columns = […] } or { value = … }'
            )
        currencies = (self.currency is not None) + (self.currency_column is not None)
        if self.kind == "money" and (currencies != 1 or self.column is None):
            raise ValueError("money needs a column, and either currency or currency_column")
        if self.kind != "money" and currencies:
            raise ValueError('a currency is only for as = "money"')
        if self.kind != "integer" and self.scale:
            raise ValueError('scale is only for as = "integer"')
        if self.columns and self.kind != "text":
            raise ValueError("several columns make a text")
        if self.value is not None and (self.otherwise is not None or self.kind != "text"):
            raise ValueError("a value written here stands for itself")
        return self

    def sources(self) -> Iterator[Column]:
        """The columns that the value itself is made of."""
        if self.column is not None:
            yield self.column
        yield from self.columns


_INNER: Final = (*TABLES, "personal.other")
_EXPRESSION_KEYS: Final = {field.alias or name for name, field in Expression.model_fields.items()}


def _flat(written: Any) -> Any:
    """The data with dotted paths for keys, and a bare text read as a column."""
    if not isinstance(written, dict):
        return written
    return dict(_flattened(cast("dict[str, Any]", written), ""))


def _flattened(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for field, value in table.items():
        path = before + field
        inner = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
        if inner and (path in _INNER or not inner.keys() & _EXPRESSION_KEYS):
            yield from _flattened(inner, f"{path}.")
        else:
            yield path, _expression(value)


def _expression(written: Any) -> Any:
    return {"column": written} if isinstance(written, str) else written


def _event(written: Any) -> Any:
    return {"topic": written} if isinstance(written, str) else written


class EventSource(Part):
    """Which event it is: by its topic, or told by a column through a map of topics."""

    topic: str | None = None
    """The event's topic, or `none`; a bare text is one."""
    column: Column | None = None
    """The column that tells the event."""
    values: Name | None = None
    """The map in `[values.NAME]` from its texts to topics, or `none`."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        told = self.column is not None and self.values is not None
        if (self.topic is not None) == told:
            raise ValueError('write "lead.TYPE", "none" or { column = "COLUMN", values = "MAP" }')
        return self


class Each(Part):
    """Many columns into fields of the same kind: one template for all of them."""

    columns: Labelled
    """A list of columns, or a table of COLUMN = "LABEL"."""
    into: Literal["fields", "dimensions", "utm", "personal"] = "fields"
    """The table of the event that they fill."""
    name: str = "{slug}"
    """The field's name: `{column}`, `{slug}` (its name in small letters and `_`), `{label}`."""
    kind: Literal["text", "integer", "number", "boolean"] = Field(default="text", alias="as")
    """What each of them holds."""
    values: Name | None = None
    """The map in `[values.NAME]` that translates their texts first."""


class Said(Part):
    """One fact: its event, time and fields."""

    name: NameTemplate
    """Part of the fact's id: under a changed name it is another fact."""
    event: Annotated[EventSource, BeforeValidator(_event)]
    """Its topic, such as `lead.captured`; `none`; or a column that tells it."""
    time: Name | None = None
    """When it happened: one of `[times]`; needed unless the event is `none`."""
    actor: Column | None = None
    """The column that says who did it."""
    known_after_outcome: bool = False
    """The enriched fields became known with the outcome: recorded, never scored."""
    data: Annotated[dict[str, Expression], BeforeValidator(_flat)] = Field(default_factory=dict)
    """The event's own fields; those in a table within under `TABLE.NAME`."""
    each: tuple[Each, ...] = ()
    """Many columns at once as fields, dimensions, utm or personal data."""


class Rule(Said):
    """A fact that a row gives rise to, and when."""

    when: Condition | None = None
    """Without it, always."""
    group: Name | None = None
    """Of the rules of a group only the first whose `when` holds counts."""
    for_each: Labelled = Field(default_factory=dict)
    """A template: one rule for each of these columns, where `{column}`, `{slug}` and
    `{label}` stand for them."""
    files: tuple[Name, ...] = ()
    """The kinds of file in `[files]` that it reads; all of them where none is named."""
    also: tuple[Said, ...] = ()
    """Further facts of the same case, recorded after it."""

    def facts(self) -> tuple[Said, ...]:
        """All facts of the rule, in their order."""
        return (self, *self.also)
