"""What the columns of a sample hold: dates, numbers, yes and no, categories, ids, texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from leadflow_commands.importing.cells import FALSE, TRUE
from leadflow_commands.importing.formats import compiled
from leadflow_commands.importing.personal import sounds_personal

Kind = Literal["blank", "yes_no", "integer", "decimal", "date", "category", "text"]

PLACEHOLDERS: Final = frozenset(
    {"select", "please select", "bitte wählen", "n/a", "#n/a", "null", "nan", "-", "--"}
    | {"(no value)", "(blank)", "k.a.", "k. a.", "[null]"}
)
"""What stands for nothing in many exports; `none` and `unknown` are often values."""
MOST_CATEGORIES: Final = 60
_LONGEST_CATEGORY: Final = 80
FORMATS: Final = (
    *("%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "iso"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%y", "%d.%m.%y %H:%M"),
    *("%d/%m/%Y", "%d/%m/%Y %H:%M", "%d/%m/%Y %H:%M:%S", "%d/%m/%y"),
    *("%m/%d/%Y", "%m/%d/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %I:%M %p", "%m/%d/%y"),
    *("%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S"),
    *("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y"),
)
_BARE: Final = ("%Y%m%d", "unix", "unix_ms")
"""Formats that any whole number may fit; taken where the column's name says a date."""
_DATE_WORDS: Final = re.compile(
    r"date|datum|time|zeit|_at\b| at\b|\bon\b|\bam\b|created|closed|day|tag\b", re.IGNORECASE
)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE: Final = re.compile(r"\+[0-9][0-9 ()/\-]{6,18}|0[0-9]{1,5}[ ()/\-]+[0-9][0-9 ()/\-]{3,14}")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,15}(\.0+)?")
_COMMA_DECIMAL: Final = re.compile(r"[+-]?[0-9]+,[0-9]{1,2}|[+-]?[0-9]{1,3}(\.[0-9]{3})+,[0-9]+")
_POINT_DECIMAL: Final = re.compile(r"[+-]?[0-9]+\.[0-9]+|[+-]?[0-9]{1,3}(,[0-9]{3})+\.[0-9]+")
_CURRENCY_SIGNS: Final = "€$£¥ "


@dataclass(frozen=True, slots=True)
class Marks:
    """How numbers are written."""

    decimal: str
    thousands: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the sample."""

    name: str
    """As a mapping names it: by the header, or `#3` where that is not enough."""
    title: str
    """As the header has it."""
    kind: Kind
    rows: int
    blanks: int
    texts: Counter[str]
    """The texts that are not blank, with how often they come."""
    formats: tuple[str, ...] = ()
    ambiguous: str | None = None
    """A text that two formats read as different days."""
    signs: bool = False
    """Whether its numbers bear a currency's sign."""
    personal: bool = False

    @property
    def unique(self) -> bool:
        """Whether each row has a text of its own."""
        return self.rows > 0 and self.blanks == 0 and len(self.texts) == self.rows

    @property
    def words(self) -> str:
        """Its title in small letters, words parted by blanks."""
        spelt = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", self.title)
        return " ".join(re.findall(r"[^\W_]+", spelt.casefold()))


def profile(
    header: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str
) -> tuple[list[Column], Marks, list[str]]:
    """The columns, how numbers are written, and the placeholders that stand for nothing."""
    counts = [Counter[str]() for _ in header]
    for row in rows:
        for count, cell in zip(counts, row, strict=False):
            count[cell.strip()] += 1
    found = sorted({text for count in counts for text in count if text.casefold() in PLACEHOLDERS})
    for count in counts:
        for text in found:
            count[""] += count.pop(text, 0)
    marks = _marks(counts)
    columns = [
        _column(header, place, count, marks, delimiter) for place, count in enumerate(counts)
    ]
    return columns, marks, found


def _column(
    header: Sequence[str], place: int, count: Counter[str], marks: Marks, delimiter: str
) -> Column:
    title = header[place]
    blanks = count.pop("", 0)
    name = title if title and header.count(title) == 1 else f"#{place + 1}"
    formats, ambiguous = _date_formats(title, count, marks, delimiter)
    signs = bool(count) and all(text.strip(_CURRENCY_SIGNS) != text.strip() for text in count)
    kind = _kind(count, marks, formats, signs=signs)
    return Column(
        name=name,
        title=title,
        kind=kind,
        rows=count.total() + blanks,
        blanks=blanks,
        texts=count,
        formats=formats,
        ambiguous=ambiguous,
        signs=signs,
        personal=sounds_personal(title)
        or (kind in ("category", "text") and _looks_personal(count)),
    )


def _kind(texts: Counter[str], marks: Marks, formats: Sequence[str], *, signs: bool) -> Kind:
    if not texts:
        return "blank"
    folded = {text.casefold() for text in texts}
    if folded <= TRUE | FALSE and (len(folded) == 2 or not folded <= {"0", "1"}):
        return "yes_no"
    if formats:
        return "date"
    plain = [text.strip(_CURRENCY_SIGNS) if signs else text for text in texts]
    if all(_INTEGER.fullmatch(text) for text in (_plain(text, marks) for text in plain)):
        return "integer"
    if all(_is_number(_plain(text, marks)) for text in plain):
        return "decimal"
    few = len(texts) <= MOST_CATEGORIES and (len(texts) * 2 <= texts.total() or len(texts) <= 5)
    short = all(len(text) <= _LONGEST_CATEGORY for text in texts)
    return "category" if few and short else "text"


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?", text) is not None


def _plain(text: str, marks: Marks) -> str:
    if marks.thousands and re.fullmatch(rf"[+-]?\d{{1,3}}(\{marks.thousands}\d{{3}})+\D?\d*", text):
        text = text.replace(marks.thousands, "")
    if marks.decimal == ",":
        return "" if "." in text else text.replace(",", ".")
    return text


def _marks(counts: Iterable[Counter[str]]) -> Marks:
    """The decimal mark that more texts have, and what parts thousands before it."""
    comma = point = 0
    thousands = False
    for text in (text.strip(_CURRENCY_SIGNS) for count in counts for text in count):
        if _COMMA_DECIMAL.fullmatch(text):
            comma += 1
            thousands = thousands or "." in text
        elif _POINT_DECIMAL.fullmatch(text):
            point += 1
            thousands = thousands or "," in text
    if comma > point:
        return Marks(",", "." if thousands else "")
    return Marks(".", "," if thousands else "")


def _date_formats(
    title: str, texts: Counter[str], marks: Marks, delimiter: str
) -> tuple[tuple[str, ...], str | None]:
    """The formats that together read nearly all texts, and a text that two read differently."""
    some = list(texts)[:2_000]
    if not some or not all(any(c.isdigit() for c in text) for text in some):
        return (), None
    candidates = [*FORMATS, *(_BARE if _DATE_WORDS.search(title) else ())]
    read = {form: _readable(form, some) for form in candidates}
    chosen: list[str] = []
    left = set(some)
    while left:
        # Day and month may both fit: whoever writes semicolons or commas puts the day first.
        american = delimiter == "," and marks.decimal == "."
        best = max(
            candidates,
            key=lambda f: (len(left & read[f].keys()), f.startswith("%m") == american),
        )
        if not left & read[best].keys():
            break
        chosen.append(best)
        left -= read[best].keys()
    # A few that are no dates are refused later; many, and the column holds something else.
    most = len(some) // (3 if _DATE_WORDS.search(title) else 10)
    if len(left) > most or len(chosen) > 3:
        return (), None
    return tuple(chosen), _ambiguous(chosen, read, some)


def _readable(form: str, texts: Iterable[str]) -> dict[str, datetime]:
    reader = compiled(form, 68)
    moments = ((text, reader.read(text)) for text in texts)
    return {
        text: moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        for text, moment in moments
        if moment is not None and 1950 <= moment.year <= 2100
    }


def _ambiguous(
    chosen: Sequence[str], read: dict[str, dict[str, datetime]], texts: Sequence[str]
) -> str | None:
    """A text that a twin of the format, with day and month changed, reads as another day.

    Only where the twin reads all texts: one text that it cannot read decides.
    """
    for form in chosen:
        swapped = form.replace("%d", "%?").replace("%m", "%d").replace("%?", "%m")
        twin = read.get(swapped, {})
        mine = read[form]
        if swapped == form or not all(text in twin for text in texts if text in mine):
            continue
        different = next(
            (text for text in texts if text in mine and mine[text] != twin[text]), None
        )
        if different is not None:
            return different
    return None


def _looks_personal(texts: Counter[str]) -> bool:
    """Whether half of the texts are e-mail addresses or phone numbers."""
    some = list(texts)[:200]
    found = sum(bool(_EMAIL.fullmatch(t) or _PHONE.fullmatch(t)) for t in some)
    return bool(some) and found * 2 >= len(some)
