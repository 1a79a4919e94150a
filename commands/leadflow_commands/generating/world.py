"""The company that the synthetic leads come to: its sources, its people, its offers.

It sells software for planning field service to firms. Nothing here is real; what is
like a real market is that sources differ in quality, months and weekdays in number,
and sales people in skill.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

PRODUCER: Final = "leadflow-generate"
"""The producer of every event made here, by which they are known again."""
SYSTEM: Final = "gen"
"""The system of the leads' external ids: gen:SEED-NUMBER."""
CURRENCY: Final = "EUR"


@dataclass(frozen=True, slots=True)
class Source:
    """Where leads come from."""

    name: str
    share: float
    """Of all leads."""
    intent: float
    """How far the wish to buy has come on average, from 0 to 1."""
    channel: str
    sales_type: str
    campaigns: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    media_per_lead: int = 0
    """Minor units spent on media for a lead, about."""
    sales_per_lead: int = 0
    """Minor units of sales work for a lead before handover, about."""


SOURCES: Final = (
    Source(
        "organic_search",
        share=0.24,
        intent=0.46,
        channel="web",
        sales_type="net",
        pages=("/", "/guide", "/prices", "/blog/route-planning"),
        media_per_lead=700,
    ),
    Source(
        "paid_search",
        share=0.22,
        intent=0.40,
        channel="web",
        sales_type="net",
        campaigns=("brand", "route planning", "field service"),
        pages=("/trial", "/prices"),
        media_per_lead=6_400,
    ),
    Source(
        "social",
        share=0.17,
        intent=0.24,
        channel="web",
        sales_type="net",
        campaigns=("spring video", "case studies"),
        pages=("/guide", "/webinar"),
        media_per_lead=3_100,
    ),
    Source(
        "email",
        share=0.10,
        intent=0.33,
        channel="email",
        sales_type="net",
        campaigns=("newsletter", "partner mailing"),
        pages=("/webinar", "/guide"),
        media_per_lead=900,
    ),
    Source(
        "referral",
        share=0.09,
        intent=0.66,
        channel="phone",
        sales_type="seed",
        pages=("/",),
    ),
    Source(
        "events",
        share=0.08,
        intent=0.52,
        channel="fair",
        sales_type="net",
        campaigns=("spring fair", "autumn fair"),
        media_per_lead=11_800,
        sales_per_lead=2_500,
    ),
    Source(
        "outbound",
        share=0.07,
        intent=0.30,
        channel="phone",
        sales_type="spear",
        campaigns=("list machine builders", "list facility services"),
        sales_per_lead=9_500,
    ),
    Source(
        "partner",
        share=0.03,
        intent=0.58,
        channel="web",
        sales_type="seed",
        pages=("/partner",),
        media_per_lead=4_000,
    ),
)


@dataclass(frozen=True, slots=True)
class SalesPerson:
    """Somebody who takes leads over, and wins some of them."""

    name: str
    skill: float
    """What the chance to win is multiplied with."""
    hours: float
    """Working hours until a new lead is called, about."""


SALES_PEOPLE: Final = (
    SalesPerson("amara", 1.35, 3.0),
    SalesPerson("bruno", 1.05, 6.0),
    SalesPerson("chiyo", 1.20, 4.0),
    SalesPerson("dmitri", 0.80, 12.0),
    SalesPerson("elif", 1.00, 7.0),
    SalesPerson("farid", 0.65, 16.0),
)

INDUSTRIES: Final = (
    ("facility services", 0.24),
    ("machine building", 0.20),
    ("heating and plumbing", 0.18),
    ("telecommunications", 0.12),
    ("medical devices", 0.10),
    ("energy", 0.09),
    ("education", 0.07),
)
REGIONS: Final = (("north", 0.27), ("west", 0.31), ("south", 0.28), ("east", 0.14))
COMPANY_SIZES: Final = (
    ("1-9", 0.22),
    ("10-49", 0.34),
    ("50-249", 0.27),
    ("250-999", 0.12),
    ("1000+", 0.05),
)
SEATS: Final = {"1-9": 4, "10-49": 18, "50-249": 70, "250-999": 220, "1000+": 600}
"""Seats that a company of the size buys, about."""
SEAT_PRICE: Final = 21_900
"""Minor units for a seat and year."""

PROGRAMMES: Final = {
    "first steps": ("planning by hand", "five mistakes", "a day saved", "talk to a user"),
    "comparison": ("checklist", "cost of delay", "three suppliers", "questions to ask"),
    "win back": ("what is new", "a second look"),
}

EARLY: Final = (
    ("visit", 0.38),
    ("download", 0.20),
    ("email_opened", 0.12),
    ("ad_seen", 0.06),
    ("newsletter", 0.10),
    ("webinar", 0.14),
)
MID: Final = (
    ("visit", 0.22),
    ("email_clicked", 0.14),
    ("webinar", 0.14),
    ("chat", 0.10),
    ("message", 0.08),
    ("pricing_viewed", 0.16),
    ("callback_requested", 0.07),
    ("trial_requested", 0.09),
)
LATE: Final = (
    ("pricing_viewed", 0.30),
    ("competitor_compared", 0.16),
    ("trial_requested", 0.20),
    ("presentation_requested", 0.18),
    ("offer_requested", 0.10),
    ("inbound_call", 0.06),
)
ASSETS: Final = {
    "download": ("guide", "checklist", "price list", "case study"),
    "webinar": ("planning in an hour", "ask an engineer"),
    "newsletter": ("monthly news",),
}

LOST_REASONS: Final = (
    ("price", 0.26),
    ("competitor", 0.24),
    ("no budget", 0.18),
    ("bad timing", 0.17),
    ("feature missing", 0.15),
)
COMPETITORS: Final = ("Tourenheld", "PlanIt Example", "FieldFox Example")
RETURN_REASONS: Final = ("not reachable", "no budget this quarter", "wants information first")
OUT_REASONS: Final = (
    ("non_target", 0.52),
    ("student", 0.16),
    ("spam", 0.18),
    ("supplier", 0.14),
)
REOPEN_REASONS: Final = ("asked again", "new budget", "contract elsewhere ends")

MONTHS: Final = (0.92, 1.04, 1.16, 1.08, 1.02, 0.94, 0.78, 0.72, 1.14, 1.20, 1.12, 0.64)
"""How many leads a month brings, January first, as a multiple of the mean."""
WEEKDAYS: Final = (1.22, 1.30, 1.26, 1.18, 1.02, 0.50, 0.52)
"""The same for the days of the week, Monday first."""
GROWTH: Final = 0.35
"""How much more leads the last day brings than the first, as a share."""
