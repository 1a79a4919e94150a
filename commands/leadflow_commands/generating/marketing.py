"""Marketing's part of a synthetic lead's life: from the first contact until it is hot."""

from __future__ import annotations

from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.domain.values import ContactChannel
from leadflow_commands.generating import world
from leadflow_commands.generating.clock import DAY, HOUR, later, working
from leadflow_commands.generating.life import Life, running_sums, weighted

Kinds = tuple[tuple[str, ...], tuple[float, ...]]


def _kinds(weights: tuple[tuple[str, float], ...]) -> Kinds:
    return tuple(kind for kind, _ in weights), running_sums([weight for _, weight in weights])


_EARLY, _MID, _LATE = _kinds(world.EARLY), _kinds(world.MID), _kinds(world.LATE)
_INDUSTRIES, _REGIONS = _kinds(world.INDUSTRIES), _kinds(world.REGIONS)
_SIZES, _OUT = _kinds(world.COMPANY_SIZES), _kinds(world.OUT_REASONS)
_BY_MAIL: Final = frozenset({"email_opened", "email_clicked", "newsletter"})


def capture(life: Life, moment: int, personal: dict[str, Any]) -> None:
    """The lead leaves its contact data."""
    rng, source = life.rng, life.source
    fields: dict[str, Any] = {
        "personal": personal,
        "channel": source.channel,
        "source": source.name,
        "sales_type": source.sales_type,
    }
    if source.campaigns and life.chance(0.9):
        fields["campaign"] = rng.choice(source.campaigns)
        if source.channel == "web":
            fields["utm"] = {"medium": "cpc" if source.name == "paid_search" else source.name}
    if source.pages:
        fields["landing_page"] = rng.choice(source.pages)
    consents = [{"channel": "email", "text_version": "2026-01"}] if life.chance(0.72) else []
    if "phone" in personal and life.chance(0.4):
        consents.append({"channel": "phone", "text_version": "2026-01"})
    life.do(e.Captured, moment, actor="web" if source.channel == "web" else None, **fields)
    for consent in consents:
        life.do(e.ConsentGiven, moment, purpose="marketing", **consent)


def enrich(life: Life) -> None:
    """Research finds what kind of company it is."""
    size = weighted(life.rng, *_SIZES)
    dimensions = {
        "industry": weighted(life.rng, *_INDUSTRIES),
        "region": weighted(life.rng, *_REGIONS),
        "company_size": size,
    }
    seats = max(1, round(world.SEATS[size] * life.rng.uniform(0.5, 1.6)))
    fields = {"seats": {"value": seats, "origin": "register", "confidence": 80}}
    moment = life.now + life.rng.randrange(120, 6 * HOUR)
    life.do(e.Enriched, moment, actor="research", dimensions=dimensions, fields=fields)
    life.size = size


def qualify(life: Life) -> None:
    """Marketing looks at the lead: is it one for us?"""
    moment = working(life.now, life.rng.uniform(0.5, 12))
    fits = life.size != "1-9" or life.chance(0.35)
    if fits or life.chance(0.5):
        criteria = f"company of {life.size}" if life.size else "looked at by hand"
        life.do(e.Qualified, moment, actor="marketing", target=fits, criteria=criteria)
    if not fits and life.chance(0.55):
        reason = weighted(life.rng, *_OUT)
        life.do(e.Disqualified, moment + 60, actor="marketing", reason=reason)


def warm_up(life: Life, programme: str) -> None:
    """Programmes and the lead's own interest, until it is sales-ready or falls silent.

    Interest comes in a burst and ebbs away; those who want to buy go further in it.
    """
    steps = list(world.PROGRAMMES[programme])
    silence = life.now
    quiet_after = life.rng.uniform(20, 45) + 70 * life.intent
    while life.stage not in (Stage.SALES_READY, Stage.LOST, Stage.DISQUALIFIED):
        gap = life.rng.expovariate(0.12 + 0.34 * life.intent)
        if life.now + gap * DAY - silence > quiet_after * DAY:
            return
        if steps and life.has_agreed_to(ContactChannel.EMAIL) and life.chance(0.42):
            _nurture(life, programme, steps.pop(0), gap)
        elif life.chance(0.25 + 0.75 * life.intent):
            _engage(life, later(life.now, gap, life.rng))
        else:
            life.now = later(life.now, gap, life.rng)
        life.intent *= 0.985
        if life.chance(0.006):
            _object(life)


def _nurture(life: Life, programme: str, content: str, gap: float) -> None:
    sent = working(life.now, 9 * gap / 2)
    life.do(
        e.Nurtured, sent, actor="marketing", programme=programme, content=content, channel="email"
    )
    if life.chance(0.3 + 0.5 * life.intent):
        life.do(e.Engaged, later(sent, life.rng.random(), life.rng), kind="email_opened")
        if life.chance(0.2 + 0.6 * life.intent):
            _engage(life, life.now + life.rng.randrange(60, HOUR), "email_clicked")


def _engage(life: Life, moment: int, kind: str | None = None) -> None:
    kind = kind or _next_kind(life)
    asset = world.ASSETS.get(kind)
    fields = {"asset": life.rng.choice(asset)} if asset else {}
    life.do(e.Engaged, moment, kind=kind, **fields)


def _next_kind(life: Life) -> str:
    """What the lead does next: the nearer to buying, the later in the buying phase."""
    progress = life.intent * (0.6 + min(life.lead.points, 60) / 100)
    draw = life.rng.random()
    kinds = _LATE if draw < progress - 0.25 else _MID if draw < progress + 0.2 else _EARLY
    kind: str = weighted(life.rng, *kinds)
    if kind in _BY_MAIL and not life.may_use(ContactChannel.EMAIL):
        return "visit"
    return kind


def _object(life: Life) -> None:
    channel = ContactChannel.EMAIL if life.chance(0.8) else ContactChannel.PHONE
    moment = life.now + life.rng.randrange(HOUR, DAY)
    life.do(e.ConsentWithdrawn, moment, channel=channel, evidence="link in an e-mail")
