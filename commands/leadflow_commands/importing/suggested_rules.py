"""The times and rules of a drafted mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from leadflow_commands.importing.column_roles import Roles, channel_of, outcome_of
from leadflow_commands.importing.profiling import Column
from leadflow_commands.importing.templates import slug
from leadflow_commands.importing.toml_writing import listed, quoted

_TOPICS: Final = {
    "won": "lead.purchased",
    "lost": "lead.lost",
    "disqualified": "lead.disqualified",
    "offered": "lead.offer_made",
    "qualified": "lead.qualified",
}
_PERSONAL: Final = (
    ("email", re.compile(r"mail")),
    ("phone", re.compile(r"phone|mobile|tel|handy|cell")),
    ("address", re.compile(r"address|street|adresse|strasse|straße")),
    ("notes", re.compile(r"note|comment|remark|bemerk|kommentar|notiz|message")),
    ("name", re.compile(r"name|salutation|anrede")),
)
_COMPANY: Final = re.compile(r"\b(company|firma|organi[sz]ation|unternehmen|account|employer)\b")
_VISITS: Final = re.compile(r"visit|besuche")


def times(roles: Roles) -> str:
    """The tables of times: when a lead came, when it was decided, and what stands in."""
    created, parts = roles.created, list[str]()
    if created is None:
        parts.append(
            "# No column says when a lead came: every time is assumed. Such leads count in the\n"
            "# funnel, and are left out of durations, cohorts and readings of the past."
        )
    else:
        parts += [_time("created", created, "undated" if created.blanks else None)]
        parts.append(
            "# When a lead came to the state that it is in now is not known, only that it did.\n"
            + _time("since_created", created, "undated" if created.blanks else None)
            + '\nbasis = "assumed"'
        )
    for name, column in _decided(roles):
        parts.append(_time(name, column, "created" if created is not None else "undated"))
    if created is None or created.blanks:
        parts.append("[times.undated]\nconstant = 2000-01-01")
    return "\n\n".join(parts) + "\n"


def _decided(roles: Roles) -> Iterator[tuple[str, Column]]:
    for name in ("closed", "won_date", "lost_date"):
        column = getattr(roles, name)
        if column is not None:
            yield name, column


def _time(name: str, column: Column, otherwise: str | None) -> str:
    lines = [f"[times.{name}]", f"columns = {listed([column])}"]
    if column.ambiguous is not None:
        lines.append(
            f"# Is the day or the month first in {quoted(column.ambiguous)}? No row tells."
        )
    lines.append(f"formats = [{', '.join(quoted(form) for form in column.formats)}]")
    if otherwise is not None:
        lines.append(f"otherwise = {quoted(otherwise)}")
    return "\n".join(lines)


def rules(columns: Sequence[Column], roles: Roles) -> str:
    """The rules: capture, what is known, consent, and what became of the lead."""
    parts = [_captured(columns, roles), *_described(columns, roles), *_engaged(columns, roles)]
    parts += _consents(roles)
    if roles.owner is not None:
        parts.append(_handover(roles.owner, roles))
    if roles.status is not None:
        parts += _by_status(roles.status, roles)
    else:
        parts += _by_flag_or_date(roles)
    return "\n\n".join(parts) + "\n"


def _rule(name: str, event: str, time: str, data: Iterable[str] = (), **more: str) -> str:
    lines = ["[[rules]]", f"name = {quoted(name)}", f"event = {quoted(event)}"]
    lines.append(f"time = {quoted(time)}")
    lines += [f"{key} = {value}" for key, value in more.items()]
    given = list(data)
    return "\n".join([*lines, *(["", "[rules.data]", *given] if given else [])])


def _came(roles: Roles) -> str:
    return "created" if roles.created is not None else "undated"


def _since(roles: Roles) -> str:
    return "since_created" if roles.created is not None else "undated"


def _captured(columns: Sequence[Column], roles: Roles) -> str:
    data: list[str] = []
    for field in ("source", "campaign", "landing_page", "interest"):
        column = getattr(roles, field)
        if column is not None:
            data.append(f"{field} = {quoted(column.name)}")
    text = _rule("captured", "lead.captured", _came(roles), data)
    personal = list(_personal(columns, roles))
    return "\n".join([text, *(["", "[rules.data.personal]", *personal] if personal else [])])


def _personal(columns: Sequence[Column], roles: Roles) -> Iterator[str]:
    found: dict[str, list[Column]] = {}
    for column in columns:
        if column.personal and column not in roles.impersonal and column.texts:
            field = next((f for f, words in _PERSONAL if words.search(column.words)), None)
            found.setdefault(field or f"other.{slug(column.title)}", []).append(column)
    company = _company(columns, roles)
    if company is not None:
        found["company"] = [company]
    for field, several in found.items():
        key = quoted(field) if "." in field else field
        if len(several) == 1:
            yield f"{key} = {quoted(several[0].name)}"
        else:
            yield f"{key} = {{ columns = {listed(several)} }}"


def _company(columns: Sequence[Column], roles: Roles) -> Column | None:
    """A column of companies that are too many to group by."""
    return next(
        (
            c
            for c in columns
            if c.kind == "text"
            and not c.personal
            and c not in roles.ids
            and _COMPANY.search(c.words)
        ),
        None,
    )


def _described(columns: Sequence[Column], roles: Roles) -> Iterator[str]:
    """Categories to group by, and the yes and no, the numbers as fields."""
    spoken_for = _spoken_for(columns, roles)
    left = _differently_named(
        c for c in columns if c not in spoken_for and not c.personal and not c.signs
    )
    groups = (
        ('into = "dimensions"', [c for c in left if c.kind == "category"]),
        ('as = "boolean"', [c for c in left if c.kind == "yes_no"]),
        ('as = "number"', [c for c in left if c.kind in ("integer", "decimal")]),
    )
    each = [
        f"\n[[rules.each]]\ncolumns = {_many(chosen)}\n{how}" for how, chosen in groups if chosen
    ]
    if each:
        yield "\n".join(
            [
                "# Columns that are filled in only once the outcome is known belong into a rule of",
                "# their own with known_after_outcome = true: to score by them would be cheating.",
                _rule("described", "lead.enriched", _came(roles)),
                *each,
            ]
        )


def _differently_named(columns: Iterable[Column]) -> list[Column]:
    """The columns without those whose field would be called as that of one before."""
    named: dict[str, Column] = {}
    for column in columns:
        named.setdefault(slug(column.name), column)
    return list(named.values())


def _many(columns: Sequence[Column]) -> str:
    """A list of columns, a line each where they are many."""
    if len(columns) < 4:
        return listed(columns)
    return "[\n" + "".join(f"  {quoted(column.name)},\n" for column in columns) + "]"


def _spoken_for(columns: Sequence[Column], roles: Roles) -> list[Column]:
    single = (
        *(roles.created, roles.closed, roles.won_date, roles.lost_date, roles.source),
        *(roles.campaign, roles.landing_page, roles.owner, roles.amount, roles.currency),
        *(roles.reason, roles.status, roles.won_flag, _company(columns, roles), _visits(columns)),
    )
    return [*roles.ids, *roles.opt_outs, *(c for c in single if c is not None)]


def _visits(columns: Sequence[Column]) -> Column | None:
    able = (c for c in columns if c.kind == "integer" and not c.personal)
    return next((c for c in able if _VISITS.search(c.words) and "per" not in c.words.split()), None)


def _engaged(columns: Sequence[Column], roles: Roles) -> Iterator[str]:
    visits = _visits(columns)
    if visits is not None and visits not in roles.ids and visits is not roles.amount:
        count = f'count = {{ column = {quoted(visits.name)}, as = "integer" }}'
        data = ['kind = { value = "visit" }', count]
        yield _rule("visits", "lead.engaged", _since(roles), data)


def _consents(roles: Roles) -> Iterator[str]:
    for column in roles.opt_outs:
        yield "# A flag that says no: yes withdraws, no is no consent.\n" + _rule(
            f"objected_{slug(column.title)}",
            "lead.consent_withdrawn",
            _since(roles),
            [f"channel = {{ value = {quoted(channel_of(column))} }}"],
            when=f"{{ column = {quoted(column.name)}, yes = true }}",
        )


def _handover(owner: Column, roles: Roles) -> str:
    """As a comment: whether an owner is sales, the file does not tell."""
    when = f"{{ column = {quoted(owner.name)}, blank = false }}"
    data = [f"to_owner = {quoted(owner.name)}"]
    rule = _rule("handed_over", "lead.handed_over", _since(roles), data, when=when)
    commented = "\n".join(f"# {line}".rstrip() for line in rule.splitlines())
    return f"# Is the owner one of sales? Then this is the handover:\n{commented}"


def _by_status(status: Column, roles: Roles) -> Iterator[str]:
    """A rule for each outcome that the states are known to mean; the others mean none."""
    states: dict[str, list[str]] = {}
    for text in status.texts:
        states.setdefault(outcome_of(text) or "none", []).append(text)
    said = f"# {quoted(status.name)} says how far a lead is; a state may be of one rule alone.\n"
    for outcome, topic in _TOPICS.items():
        if outcome in states:
            when = f"{{ column = {quoted(status.name)}, one_of = {_texts(states[outcome])} }}"
            yield said + _outcome(outcome, topic, roles, group='"outcome"', when=when)
            said = ""
    when = (
        f"{{ column = {quoted(status.name)}, one_of = {_texts(states['none'])} }}"
        if "none" in states
        else f"{{ column = {quoted(status.name)}, blank = true }}"
    )
    yield "\n".join(
        [
            "# States that mean no event yet. Others than these are refused, so that a new one",
            "# is seen.",
            "[[rules]]",
            'name = "no_event_yet"',
            'event = "none"',
            'group = "outcome"',
            f"when = {_or_blank(status, when) if 'none' in states else when}",
        ]
    )


def _or_blank(status: Column, when: str) -> str:
    if not status.blanks:
        return when
    return f"{{ or = [{when}, {{ column = {quoted(status.name)}, blank = true }}] }}"


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(quoted(text) for text in sorted(texts))}]"


def _by_flag_or_date(roles: Roles) -> Iterator[str]:
    flag, won, lost = roles.won_flag, roles.won_date, roles.lost_date
    if flag is not None:
        when = f"{{ column = {quoted(flag.name)}, yes = true }}"
        yield _outcome("won", _TOPICS["won"], roles, when=when)
    elif won is not None:
        when = f"{{ column = {quoted(won.name)}, blank = false }}"
        yield _outcome("won", _TOPICS["won"], roles, when=when)
    if lost is not None:
        when = f"{{ column = {quoted(lost.name)}, blank = false }}"
        yield _outcome("lost", _TOPICS["lost"], roles, when=when)


def _outcome(outcome: str, topic: str, roles: Roles, **more: str) -> str:
    if roles.owner is not None:
        more["actor"] = quoted(roles.owner.name)
    return _rule(outcome, topic, _when_decided(outcome, roles), _carried(outcome, roles), **more)


def _when_decided(outcome: str, roles: Roles) -> str:
    own = {"won": roles.won_date, "lost": roles.lost_date}.get(outcome)
    if own is not None:
        return f"{outcome}_date"
    if roles.closed is not None and outcome in ("won", "lost", "disqualified"):
        return "closed"
    return _since(roles)


def _carried(outcome: str, roles: Roles) -> Iterator[str]:
    first = quoted(roles.ids[0].name)
    if outcome == "won":
        yield f"order_id = {first}"
    if outcome == "offered":
        yield f"offer_id = {first}"
    if outcome in ("won", "offered") and roles.amount is not None:
        yield from _amount(roles.amount, roles)
    if outcome in ("lost", "disqualified") and roles.reason is not None:
        yield f"reason = {quoted(roles.reason.name)}"
    if outcome == "qualified":
        yield "target = { value = true }"


def _amount(column: Column, roles: Roles) -> Iterator[str]:
    strip = ', strip = "€$£¥ "' if column.signs else ""
    if roles.currency is not None:
        currency = f"currency_column = {quoted(roles.currency.name)}"
    else:
        told = _currency_in(column)
        if told is None:
            yield "# No column says the currency: is it this one?"
        currency = f'currency = "{told or "EUR"}"'
    yield f'amount = {{ column = {quoted(column.name)}, as = "money", {currency}{strip} }}'


def _currency_in(column: Column) -> str | None:
    """The currency that a header such as `Amount (EUR)` tells, or the sign of an amount."""
    from leadflow.domain.values import currencies

    named = [word for word in re.findall(r"[A-Z]{3}", column.title) if word in currencies()]
    some = next(iter(column.texts), "")
    signs = {"€": "EUR", "$": "USD", "£": "GBP"}
    return named[0] if named else next((c for sign, c in signs.items() if sign in some), None)
