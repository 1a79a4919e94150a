"""The value types that events are made of: moments, money, personal data, consent."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)


def _to_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write it with one, such as Z")
    return moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_to_utc)]
"""An instant, kept in UTC; one without a time zone is refused."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
"""A text that is not empty."""


class Value(BaseModel):
    """Base of the frozen values: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TimeBasis(StrEnum):
    """How well an `occurred_at` is known: to the instant, the day, or not at all."""

    EXACT = "exact"
    DAY = "day"
    ASSUMED = "assumed"


class SalesType(StrEnum):
    """How the lead came about: outbound (spear, "sales"), word of mouth, marketing."""

    SPEAR = "spear"
    SEED = "seed"
    NET = "net"


def _sales_type(value: Any) -> Any:
    return SalesType.SPEAR if value == "sales" else value


SalesTypeField = Annotated[SalesType, BeforeValidator(_sales_type)]


class Tier(StrEnum):
    """How far marketing or sales vouch for the lead; in ascending order."""

    IQL = "IQL"
    MQL = "MQL"
    SQL = "SQL"


TIER_RANK: Final = {None: 0, Tier.IQL: 1, Tier.MQL: 2, Tier.SQL: 3}


class Phase(StrEnum):
    """The buying phase: informing, wants a solution, has compared suppliers."""

    EARLY = "early"
    MID = "mid"
    LATE = "late"


PHASE_RANK: Final = {None: 0, Phase.EARLY: 1, Phase.MID: 2, Phase.LATE: 3}


class Temperature(StrEnum):
    """Readiness to buy, computed on reading from points, policy and the moment."""

    COLD = "cold"
    WARM = "warm"
    HOT = "hot"


class ContactChannel(StrEnum):
    """The ways to reach a person; consent is kept for each."""

    EMAIL = "email"
    PHONE = "phone"
    SMS = "sms"
    POST = "post"
    MESSENGER = "messenger"


class Permission(StrEnum):
    """What a lead has said about a channel; a channel never spoken of has none."""

    GIVEN = "given"
    WITHDRAWN = "withdrawn"


ENGAGEMENTS: Final = (
    "visit",
    "pricing_viewed",
    "download",
    "newsletter",
    "email_opened",
    "email_clicked",
    "webinar",
    "ad_seen",
    "chat",
    "message",
    "inbound_call",
    "callback_requested",
    "application",
    "trial_requested",
    "presentation_requested",
    "offer_requested",
    "competitor_compared",
)
"""The kinds of engagement that have a meaning of their own; further ones are `x-NAME`."""

_OWN_KIND = re.compile(r"x-[a-z0-9][a-z0-9_-]{0,62}")


def _engagement_kind(kind: str) -> str:
    if kind in ENGAGEMENTS or _OWN_KIND.fullmatch(kind):
        return kind
    raise ValueError(
        f"unknown engagement {kind!r}: one of {', '.join(ENGAGEMENTS)}, or x-NAME for your own"
    )


EngagementKind = Annotated[str, AfterValidator(_engagement_kind)]


@cache
def currencies() -> frozenset[str]:
    """The ISO 4217 codes in use, as the Unicode locale data lists them."""
    from babel.numbers import list_currencies

    return frozenset(list_currencies())


def _currency(code: str) -> str:
    if code not in currencies():
        raise ValueError(f"{code!r} is no ISO 4217 currency code, such as EUR")
    return code


Currency = Annotated[str, AfterValidator(_currency)]


class Money(Value):
    """An amount in minor units (cents, sen, …) of one currency; never a float."""

    minor: int = Field(ge=-(10**15), le=10**15)
    currency: Currency


Amount = Annotated[Money, Field(description="minor units and ISO currency, such as 1999 EUR")]


class Personal(Value):
    """All personal data of an event, and the only place for any.

    It is encrypted with the lead's own key before it reaches a store; erasing the
    lead destroys the key.
    """

    name: Text | None = None
    email: Text | None = None
    phone: Text | None = None
    address: Text | None = None
    company: Text | None = None
    notes: Text | None = None
    url_query: Text | None = None
    other: dict[str, str] = Field(default_factory=dict)


class Consent(Value):
    """One consent as it was given: for a channel and a purpose, to a wording."""

    channel: ContactChannel
    purpose: Text = "marketing"
    text_version: Text | None = None
    evidence: Text | None = None


class FieldValue(Value):
    """A fact about a lead from enrichment, with where it comes from and how sure it is."""

    value: bool | int | str
    origin: Text | None = None
    confidence: int | None = Field(default=None, ge=0, le=100, description="per cent")


_EXTERNAL_ID = re.compile(r"[^:\s]{1,100}:\S(?:.{0,498}\S)?")


class ExternalId(Value):
    """A record's id in another system, written SYSTEM:ID."""

    system: str
    id: str

    @classmethod
    def parse(cls, text: str) -> ExternalId:
        """Read `SYSTEM:ID`; the id may hold further colons.

        Raises:
            ValueError: when there is no system or no id.
        """
        if not _EXTERNAL_ID.fullmatch(text):
            raise ValueError(f"{text!r} is no external id; write SYSTEM:ID, such as shop:4711")
        system, _, external = text.partition(":")
        # The pattern has checked all that the model checks.
        return cls.model_construct(system=system, id=external)

    @field_validator("system")
    @classmethod
    def _one_word(cls, system: str) -> str:
        if not system or ":" in system or any(c.isspace() for c in system):
            raise ValueError(f"{system!r} is no system name: one word without a colon")
        return system

    def __str__(self) -> str:
        return f"{self.system}:{self.id}"


def _external_id_text(text: str) -> str:
    return str(ExternalId.parse(text))


ExternalIdText = Annotated[str, AfterValidator(_external_id_text)]
