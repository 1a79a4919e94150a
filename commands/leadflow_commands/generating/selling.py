"""Sales' part of a synthetic lead's life: from the queue to the contract, or not."""

from __future__ import annotations

from typing import Any, Final

from leadflow.domain import events as e
from leadflow.domain.stages import Stage
from leadflow.domain.values import ContactChannel
from leadflow_commands.generating import world
from leadflow_commands.generating.clock import DAY, HOUR, instant, later, working
from leadflow_commands.generating.life import Life, running_sums, weighted
from leadflow_commands.generating.world import SalesPerson

_LOST: Final = tuple(reason for reason, _ in world.LOST_REASONS)
_LOST_SUMS: Final = running_sums([weight for _, weight in world.LOST_REASONS])
_LEASE: Final = 4 * HOUR
_BACKLOG: Final = 9 * DAY
"""Before the history's end sales is behind: many leads of these days still wait."""


def sell(life: Life) -> bool:
    """Work a sales-ready lead; True when it went back to marketing."""
    person = life.rng.choice(world.SALES_PEOPLE)
    behind = life.until - life.now < _BACKLOG and life.chance(0.7)
    hours = life.rng.expovariate(1 / person.hours) + (90 if behind else 0)
    taken = working(life.now, hours)
    if life.chance(0.8):
        person, taken = _claim(life, person, taken)
    reached = _call(life, person, taken)
    if not reached and life.chance(0.4):
        given_up = working(life.now, life.rng.uniform(4, 30))
        life.do(e.Lost, given_up, actor=person.name, reason=world.RETURN_REASONS[0])
        return False
    if reached and life.chance(0.05):
        moment = life.now + life.rng.randrange(60, HOUR)
        life.do(e.Disqualified, moment, actor=person.name, reason="non_target")
        return False
    life.do(
        e.HandedOver,
        life.now + life.rng.randrange(300, 2 * HOUR),
        actor=person.name,
        from_owner="marketing",
        to_owner=person.name,
    )
    if (not reached and life.chance(0.7)) or life.chance(0.08):
        reason = world.RETURN_REASONS[0] if not reached else life.rng.choice(world.RETURN_REASONS)
        back = working(life.now, life.rng.uniform(2, 30))
        life.do(e.Returned, back, actor=person.name, by=person.name, reason=reason)
        return True
    accepted = life.now + life.rng.randrange(60, 3 * HOUR)
    life.do(e.Accepted, accepted, actor=person.name, by=person.name)
    _negotiate(life, person)
    return False


def _claim(life: Life, person: SalesPerson, moment: int) -> tuple[SalesPerson, int]:
    """Take the lead from the queue; now and then it is given back and taken by another."""
    _take(life, person, moment)
    if life.chance(0.93):
        return person, moment + life.rng.randrange(60, 2 * HOUR)
    freed = moment + life.rng.randrange(600, _LEASE)
    reason = "out of office"
    life.do(e.Released, freed, actor=person.name, owner=person.name, reason=reason)
    others = [other for other in world.SALES_PEOPLE if other is not person]
    person = life.rng.choice(others)
    moment = working(freed, life.rng.uniform(0.5, 6))
    _take(life, person, moment)
    return person, moment + life.rng.randrange(60, 2 * HOUR)


def _take(life: Life, person: SalesPerson, moment: int) -> None:
    lease_until = instant(moment + _LEASE)
    life.do(e.Claimed, moment, actor=person.name, owner=person.name, lease_until=lease_until)


def _call(life: Life, person: SalesPerson, moment: int) -> bool:
    """Try to reach the lead up to four times; whether it worked."""
    for _ in range(life.rng.randrange(1, 5)):
        if life.chance(0.56):
            _contact(life, person, moment, "conversation")
            return True
        _contact(life, person, moment, "attempt")
        moment = working(moment, life.rng.uniform(2, 14))
    return False


def _contact(life: Life, person: SalesPerson, moment: int, outcome: str) -> None:
    usable = [c for c in (ContactChannel.PHONE, ContactChannel.EMAIL) if life.may_use(c)]
    channel = usable[0 if life.chance(0.75) else -1] if usable else ContactChannel.POST
    life.do(
        e.Contacted, moment, actor=person.name, channel=channel, outcome=outcome, by=person.name
    )


def _negotiate(life: Life, person: SalesPerson) -> None:
    """Talks, offers, and how it ends."""
    for _ in range(life.rng.randrange(0, 3)):
        _contact(life, person, working(life.now, life.rng.uniform(4, 45)), "conversation")
    wish = life.intent * person.skill
    if not life.chance(0.45 + 0.45 * wish):
        _lose(life, person)
        return
    number = len(life.lead.offers) + 1
    price = _price(life)
    for attempt in (1, 2):
        offer = f"{life.label}-{number}"
        made = working(life.now, life.rng.uniform(4, 40))
        life.do(e.OfferMade, made, actor=person.name, offer_id=offer, amount=_euros(price))
        answered = later(life.now, life.rng.lognormvariate(1.6, 0.7), life.rng)
        if life.chance(0.34 + 0.5 * wish):
            life.do(e.OfferAccepted, answered, offer_id=offer)
            _buy(life, person, price)
            return
        if attempt == 1 and life.chance(0.35):
            life.do(e.OfferDeclined, answered, offer_id=offer, reason="price")
            number, price = number + 1, round(price * 0.88)
            continue
        if life.chance(0.6):
            life.do(e.OfferDeclined, answered, offer_id=offer)
        _lose(life, person)
        return


def _price(life: Life) -> int:
    seats = life.lead.fields.get("seats", 12)
    return round(int(seats) * world.SEAT_PRICE * life.rng.uniform(0.8, 1.05) / 100) * 100


def _euros(minor: int) -> dict[str, Any]:
    return {"minor": minor, "currency": world.CURRENCY}


def _buy(life: Life, person: SalesPerson, price: int) -> None:
    order = f"{life.label}-{len(life.lead.orders) + 1}"
    life.do(
        e.Purchased,
        working(life.now, life.rng.uniform(1, 30)),
        actor=person.name,
        order_id=order,
        amount=_euros(price),
        cost=_euros(round(price * 0.42)),
        product="field planner",
    )
    if life.chance(0.045):
        back = price if life.chance(0.3) else round(price * life.rng.uniform(0.1, 0.5))
        moment = later(life.now, life.rng.uniform(5, 40), life.rng)
        life.do(e.Refunded, moment, order_id=order, amount=_euros(back))


def _lose(life: Life, person: SalesPerson) -> None:
    reason = weighted(life.rng, _LOST, _LOST_SUMS)
    competitor = life.rng.choice(world.COMPETITORS) if reason == "competitor" else None
    moment = working(life.now, life.rng.uniform(9, 90))
    fields = {"reason": reason} | ({"competitor": competitor} if competitor else {})
    life.do(e.Lost, moment, actor=person.name, **fields)


def reopen(life: Life) -> bool:
    """Whether the lead is worked again, some months after it was won or lost."""
    likely = {Stage.CUSTOMER: 0.16, Stage.LOST: 0.08}.get(life.stage or Stage.CAPTURED, 0.0)
    if not life.chance(likely):
        return False
    moment = later(life.now, life.rng.uniform(40, 130), life.rng)
    reason = life.rng.choice(world.REOPEN_REASONS)
    life.do(e.Reopened, moment, actor="marketing", reason=reason)
    life.intent = min(0.95, life.intent + 0.3)
    return True
