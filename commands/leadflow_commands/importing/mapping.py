"""What a mapping file may say: how files are read, and which facts their rows are.

A mapping is data: one TOML file for each kind of export that comes in. Here is its shape;
`checking.py` says what must hold between its parts, `mapping_file.py` reads one, and
`compiling.py` binds it to a file's header.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from leadflow.domain.values import TimeBasis
from leadflow_commands.importing.formats import compiled
from leadflow_commands.importing.parts import (
    Character,
    Column,
    Columns,
    Encoding,
    Name,
    Part,
    Zone,
)
from leadflow_commands.importing.personal import sounds_personal
from leadflow_commands.importing.rules import (
    NO_EVENT,
    TABLES,
    Condition,
    Each,
    EventSource,
    Expression,
    Rule,
    Said,
)
from leadflow_commands.importing.templates import written_out

__all__ = [
    "NO_EVENT",
    "TABLES",
    "Blank",
    "Condition",
    "Each",
    "EventSource",
    "Expression",
    "FileKind",
    "Group",
    "Identity",
    "MappingFile",
    "Reading",
    "Rule",
    "Said",
    "Time",
    "Values",
]


class Reading(Part):
    """How a file's bytes become rows of texts."""

    encoding: Encoding = "utf-8"
    """A byte order mark is taken off where there is one."""
    delimiter: Character = ","
    """What parts the fields; `"\\t"` is a tab."""
    quote: Character = '"'
    """What fields are quoted with; within a quoted field it is written twice."""
    decimal: Literal[".", ","] = "."
    """What numbers have before their fraction."""
    thousands: Literal["", ".", ",", "'", " "] = ""
    """What parts the thousands of numbers."""

    @model_validator(mode="after")
    def _marks_differ(self) -> Self:
        if self.thousands == self.decimal:
            raise ValueError(f"{self.decimal!r} cannot be the mark of decimals and of thousands")
        if self.delimiter == self.quote:
            raise ValueError(f"{self.quote!r} cannot part fields and quote them")
        return self


class Identity(Part):
    """Which lead a row speaks of: `SYSTEM:ID`, the id from one or several columns."""

    columns: Annotated[Columns, Field(min_length=1)]
    """The column that holds the id, or several that make it together."""
    unknown: Literal["accept", "refuse"] = "accept"
    """What to do with a row whose lead the log does not know: refuse it where the rows
    add to leads that another file brings."""
    repeated: Literal["refuse", "further"] = "refuse"
    """What to do with an id that a row before had: refuse it, or take it as a further row
    of that lead."""
    rows: Columns = ()
    """With further rows: what tells a lead's rows apart; their content, where it is empty."""
    aliases: dict[Name, Column] = Field(default_factory=dict)
    """Further ids of the lead: system = column."""

    @model_validator(mode="after")
    def _rows_repeat(self) -> Self:
        if self.rows and self.repeated != "further":
            raise ValueError('rows tells further rows apart; it needs repeated = "further"')
        return self


class Blank(Part):
    """Which texts mean that nothing is known; 0 never does."""

    markers: tuple[str, ...] = ("",)
    """Texts that mean so in every column, placeholders such as `Select` among them."""
    by_column: dict[Column, tuple[str, ...]] = Field(default_factory=dict)
    """Further markers that hold for one column alone."""
    fold_case: bool = False
    """Whether N/A is n/a."""

    def of(self, column: str) -> frozenset[str]:
        """The texts that mean nothing in a column, folded where case does not count."""
        markers = (*self.markers, *self.by_column.get(column, ()))
        return frozenset(marker.casefold() if self.fold_case else marker for marker in markers)


class Values(Part):
    """Translates a column's texts; one that becomes empty is blank."""

    map: dict[str, str]
    """What each text becomes."""
    fold_case: bool = False
    """Whether case does not count; texts that are kept are then in small letters."""
    otherwise: Literal["keep", "refuse"] = "keep"
    """What to do with a text that the map does not have."""
    default: str | None = None
    """What every other text becomes; wins over `otherwise`."""


class Time(Part):
    """Where a moment comes from: the first of the columns that is not blank."""

    columns: Columns = ()
    """Asked in this order."""
    formats: Annotated[tuple[str, ...], Field(min_length=1)] = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
    """As strptime writes them, or `iso`, `unix`, `unix_ms`. All are tried: a text that two
    of them read as different moments is ambiguous. A format without an hour is a day."""
    pivot: Annotated[int, Field(ge=0, le=99)] = 68
    """Two-digit years up to this one are of this century, the others of the last."""
    zone: Zone = "UTC"
    """Of times that name none themselves."""
    basis: TimeBasis | None = None
    """Else exact or day, as the format says."""
    otherwise: Name | None = None
    """The time to take where all the columns are blank; it is then an assumed one."""
    constant: datetime | date | None = None
    """The moment to take where nothing else is known; always an assumed one. A date, or a
    moment without a zone, is of this time's zone."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if not self.columns and self.constant is None:
            raise ValueError("a time needs columns, or a constant")
        if self.constant is not None and self.otherwise is not None:
            raise ValueError("give otherwise or constant, not both")
        return self

    @field_validator("formats")
    @classmethod
    def _formats_known(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for written in formats:
            compiled(written, 0)
        return formats


class Group(Part):
    """What holds for the rules of a group together."""

    otherwise: Literal["refuse", "none"] = "refuse"
    """What to do with a row for which no rule of the group holds: refuse it, or take it
    to mean no event."""


class FileKind(Part):
    """One of several kinds of file that a mapping reads; what it leaves out is as above."""

    match: str | None = None
    """Which files are of this kind, by name: `*deals*.csv`; `NAME=FILE` says so, too."""
    reading: Reading | None = None
    """How it is read, if not as the others."""
    id: Identity | None = None
    """Which lead its rows speak of, if other columns say so."""
    blank: Blank | None = None
    """What is blank in it, if not the same."""
    key: Columns = ()
    """The columns by which its rows are looked up from other files; such a file is not
    read row by row, and speaks of no leads itself."""
    joins: dict[Name, Columns] = Field(default_factory=dict)
    """KIND = the columns that hold its key: its columns are then `KIND.COLUMN` here."""
    missing: Literal["blank", "refuse"] = "blank"
    """With `key`: what to do with a row whose key is not in this file."""

    @model_validator(mode="after")
    def _looked_up_or_read(self) -> Self:
        if self.key and (self.joins or self.id):
            raise ValueError("a file with a key is looked up; it has no id and no joins")
        return self


class MappingFile(Part):
    """A whole mapping."""

    name: Name
    """What reports and errors call the mapping."""
    system: Name
    """The system that the records come from; part of the leads' ids."""
    description: str = ""
    """For people."""
    reading: Reading = Reading()
    """How a file's bytes become rows."""
    id: Identity
    """Which lead a row speaks of."""
    blank: Blank = Blank()
    """Which texts mean that nothing is known."""
    personal: Columns = ()
    """Columns that hold personal data: they may fill `personal` and nothing else."""
    not_personal: Columns = ()
    """Columns that are not personal, whatever they are called."""
    known_after_outcome: Columns = ()
    """Columns that are known only once the outcome is: recorded, never scored."""
    values: dict[Name, Values] = Field(default_factory=dict)
    """Maps of texts, by names that rules use."""
    times: dict[Name, Time] = Field(default_factory=dict)
    """Where moments come from, by names that rules use."""
    groups: dict[Name, Group] = Field(default_factory=dict)
    """What holds for groups of rules."""
    files: dict[Name, FileKind] = Field(default_factory=dict)
    """The kinds of file, where there are several to be joined by id or looked up."""
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    """Which facts a row gives rise to."""
    joins: dict[Name, Columns] = Field(default_factory=dict)
    """KIND = the columns that hold the key of a looked-up file: `KIND.COLUMN` names its own."""

    def is_personal(self, column: str) -> bool:
        """Whether a column's values may appear nowhere but in the personal part."""
        if column in self.personal:
            return True
        return column not in self.not_personal and sounds_personal(column)

    def of_kind(self, kind: str | None) -> MappingFile:
        """The mapping of one kind of file alone: its reading, id and rules."""
        given = self.files[kind] if kind is not None else FileKind()
        rules = (rule for _, rule in written_out(self.rules))
        update = {
            "reading": given.reading or self.reading,
            "id": given.id or self.id,
            "blank": given.blank or self.blank,
            "joins": given.joins or self.joins,
            "rules": tuple(r for r in rules if not r.files or kind in r.files),
        }
        return self.model_copy(update=update)

    def is_joined(self, column: str) -> bool:
        """Whether a column is one of another file, `KIND.COLUMN`."""
        kind, dot, _ = column.partition(".")
        return bool(dot) and kind in self.joins

    def columns(self) -> Iterator[tuple[str, str]]:
        """Every column of the file itself that is named, with the place that names it."""
        yield from ((c, p) for c, p in self._named() if not self.is_joined(c))

    def joined(self) -> Iterator[tuple[str, str, str]]:
        """Every column of other files that is named: kind, column, and the place."""
        for column, place in self._named():
            if self.is_joined(column):
                kind, _, name = column.partition(".")
                yield kind, name, place

    def _named(self) -> Iterator[tuple[str, str]]:
        yield from ((column, "id") for column in (*self.id.columns, *self.id.rows))
        yield from ((column, "id.aliases") for column in self.id.aliases.values())
        for kind, columns in self.joins.items():
            yield from ((column, f"joins.{kind}") for column in columns)
        if not self.files:
            yield from ((column, "blank.by_column") for column in self.blank.by_column)
            yield from ((column, "personal") for column in self.personal)
            yield from ((column, "known_after_outcome") for column in self.known_after_outcome)
        for name in self._times_used():
            yield from ((column, f"times.{name}") for column in self.times[name].columns)
        for _, rule in written_out(self.rules):
            yield from _columns_of(rule)

    def _times_used(self) -> Iterator[str]:
        used = [said.time for rule in self.rules for said in rule.facts() if said.time]
        seen: set[str] = set()
        while used:
            name = used.pop()
            if name in seen or name not in self.times:
                continue
            seen.add(name)
            yield name
            following = self.times[name].otherwise
            used += [following] if following is not None else []


def _columns_of(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.when is not None:
        for part in rule.when.parts():
            if part.column is not None:
                yield part.column, f"rule {rule.name}, when"
    for said in rule.facts():
        if said.event.column is not None:
            yield said.event.column, f"rule {said.name}, event"
        if said.actor is not None:
            yield said.actor, f"rule {said.name}, actor"
        for path, given in said.data.items():
            for column in (*given.sources(), given.currency_column):
                if column is not None:
                    yield column, f"rule {said.name}, {path}"
