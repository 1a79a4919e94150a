"""What columns are for, as their names and texts tell: for drafts of mappings alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from leadflow.domain.values import currencies
from leadflow_commands.importing.profiling import Column

_ID: Final = re.compile(
    r"\b(id|uuid|guid|key|nr|no|number|nummer|num|code|ref|reference|identifier)\b|id$"
)
_LEAD: Final = re.compile(
    r"\b(lead|mql|contact|opportunity|deal|prospect|record|customer|kunde\w*|vorgang\w*|case)\b"
)
_CREATED: Final = re.compile(
    r"creat|first contact|captur|inquir|enquir|receiv|regist|sign ?up|open|engage|start|begin"
    r"|lead date|anfrage|erstellt|angelegt|eingang|kontakt|^date$|^datum$"
)
_CLOSED: Final = re.compile(r"clos|\bend|abschluss|geschlossen|decid|entschied")
_WON_DATE: Final = re.compile(r"\bwon\b|purchas|order|sale date|sold|convert|gewonnen|verkauf|kauf")
_LOST_DATE: Final = re.compile(r"\blost\b|verlor")
_SOURCE: Final = re.compile(r"\b(source|quelle)\b")
_ORIGIN: Final = re.compile(r"\b(origin|herkunft|channel|kanal)\b")
_LANDING: Final = re.compile(r"landing ?page")
_CAMPAIGN: Final = re.compile(r"campaign|kampagne")
_OWNER: Final = re.compile(
    r"\b(owner|agent|rep|salesperson|seller|assigned|assignee|manager|sr|verkäufer|betreuer"
    r"|bearbeiter|zuständig\w*|sales person|sales rep)\b"
)
_AMOUNT: Final = re.compile(
    r"\b(amount|value|price|betrag|wert|deal size|umsatz|total|volumen|auftragswert)\b"
)
_NO_AMOUNT: Final = re.compile(r"month|annual|year|declared|estimat|expect|time|visit|count|score")
_PRODUCT: Final = re.compile(r"\b(product|produkt|interest|interesse|service|plan|package|paket)\b")
_REASON: Final = re.compile(r"reason|grund\b|\bwhy\b")
_STATUS: Final = re.compile(r"\b(status|stage|stufe|phase|outcome|result|lifecycle|ergebnis)\b")
_WON_FLAG: Final = re.compile(
    r"\b(converted|won|customer|purchased|gewonnen|kunde|sold|verkauft)\b"
)
_OPT_OUT: Final = re.compile(
    r"do not|don t|opt ?out|opted out|unsubscrib|no (e ?)?mail|\bdnc\b|abgemeldet|widerspr|sperre"
)
_IMPERSONAL: Final = re.compile(
    r"\b(campaign|kampagne|product|produkt|stage|plan|list|form|source|quelle|pipeline|team)\b"
)
"""With these, a column called a name is the name of something."""

_OUTCOMES: Final[Mapping[str, re.Pattern[str]]] = {
    "disqualified": re.compile(
        r"disqualif|unqualif|not qualified|junk|spam|duplicate|dublette|not converted|invalid"
        r"|bad fit|no fit|nicht qualif"
    ),
    "lost": re.compile(
        r"\b(lost|lose|dead|abandoned|declined|rejected|cancelled|canceled|churned|verloren"
        r"|abgelehnt|abgesagt|storniert|absage)\b"
    ),
    "won": re.compile(
        r"\b(won|win|customer|converted|sold|signed|purchased|successful|gewonnen|kunde|verkauft"
        r"|abgeschlossen|auftrag)\b"
    ),
    "offered": re.compile(
        r"\b(proposal|quote|quoted|offer|offered|angebot|negotiation|contract)\b"
    ),
    "qualified": re.compile(r"\b(qualified|sql|mql|qualifiziert)\b"),
}


@dataclass
class Roles:
    """Which column is what; None where none is."""

    ids: list[Column] = field(default_factory=list[Column])
    """The lead's id first, then further ids."""
    created: Column | None = None
    closed: Column | None = None
    won_date: Column | None = None
    lost_date: Column | None = None
    source: Column | None = None
    campaign: Column | None = None
    owner: Column | None = None
    amount: Column | None = None
    currency: Column | None = None
    landing_page: Column | None = None
    interest: Column | None = None
    reason: Column | None = None
    status: Column | None = None
    won_flag: Column | None = None
    opt_outs: list[Column] = field(default_factory=list[Column])
    impersonal: list[Column] = field(default_factory=list[Column])
    """Columns that sound personal and are not."""


def roles_of(columns: Sequence[Column]) -> Roles:
    """What the columns of a file are for."""
    roles = Roles()
    roles.impersonal = [c for c in columns if c.personal and _is_impersonal(c)]
    free = [c for c in columns if not c.personal or c in roles.impersonal]
    roles.ids = _ids(free)
    roles.opt_outs = [c for c in free if c.kind == "yes_no" and _OPT_OUT.search(c.words)]
    taken = [*roles.ids, *roles.opt_outs]
    rest = [c for c in free if c not in taken]
    _dates(roles, [c for c in rest if c.kind == "date"])
    flags = [c for c in rest if c.kind == "yes_no"]
    roles.won_flag = _first(flags, _WON_FLAG)
    texts = [c for c in rest if c.kind in ("category", "text")]
    roles.status = _status(texts)
    texts = [c for c in texts if c is not roles.status]
    roles.currency = next((c for c in texts if _is_currency(c)), None)
    texts = [c for c in texts if c is not roles.currency]
    for name, pattern in (
        ("reason", _REASON),
        ("landing_page", _LANDING),
        ("source", _SOURCE),
        ("source", _ORIGIN),
        ("campaign", _CAMPAIGN),
        ("owner", _OWNER),
        ("interest", _PRODUCT),
    ):
        if getattr(roles, name) is None:
            found = _first(texts, pattern)
            setattr(roles, name, found)
            texts = [c for c in texts if c is not found]
    numbers = [c for c in rest if c.kind in ("integer", "decimal")]
    roles.amount = next(
        (c for c in numbers if _AMOUNT.search(c.words) and not _NO_AMOUNT.search(c.words)), None
    )
    return roles


def outcome_of(text: str) -> str | None:
    """What a status means: won, lost, disqualified, offered, qualified; None for the others."""
    plain = " ".join(re.findall(r"[^\W_]+", text.casefold()))
    return next((name for name, words in _OUTCOMES.items() if words.search(plain)), None)


def channel_of(column: Column) -> str:
    """The channel that a do-not-contact flag speaks of."""
    if re.search(r"call|phone|tel|anruf", column.words):
        return "phone"
    return "sms" if "sms" in column.words else "email"


def _is_impersonal(column: Column) -> bool:
    if column.kind == "yes_no":
        return True
    return column.kind == "category" and _IMPERSONAL.search(column.words) is not None


def _ids(columns: Sequence[Column]) -> list[Column]:
    """Unique columns that are called ids, the likeliest first; else the likeliest of all."""
    able = [c for c in columns if c.kind in ("text", "category", "integer") and c.texts]
    named = [c for c in able if _ID.search(c.words)]
    unique = [c for c in named if c.unique]
    if unique:
        return sorted(unique, key=lambda c: not _LEAD.search(c.words))
    others = named or [c for c in able if c.unique] or able
    return sorted(others, key=lambda c: (c.blanks, -len(c.texts)))[:1]


def _dates(roles: Roles, dates: Sequence[Column]) -> None:
    roles.won_date = _first(dates, _WON_DATE)
    roles.lost_date = _first([c for c in dates if c is not roles.won_date], _LOST_DATE)
    rest = [c for c in dates if c not in (roles.won_date, roles.lost_date)]
    roles.closed = _first(rest, _CLOSED)
    rest = [c for c in rest if c is not roles.closed]
    fullest = min(rest, key=lambda c: c.blanks, default=None)
    roles.created = _first(rest, _CREATED) or fullest


def _status(columns: Iterable[Column]) -> Column | None:
    """The category with most states that are known, or else one that is called a status."""
    few = [c for c in columns if c.kind == "category"]
    known = {c.name: len({o for text in c.texts if (o := outcome_of(text))}) for c in few}
    best = max(few, key=lambda c: (known[c.name], bool(_STATUS.search(c.words))), default=None)
    if best is None:
        return None
    named = _STATUS.search(best.words) is not None
    return best if known[best.name] >= (1 if named else 2) else None


def _is_currency(column: Column) -> bool:
    return bool(column.texts) and all(text.upper() in currencies() for text in column.texts)


def _first(columns: Iterable[Column], pattern: re.Pattern[str]) -> Column | None:
    return next((c for c in columns if pattern.search(c.words)), None)
