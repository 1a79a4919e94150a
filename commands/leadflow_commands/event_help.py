"""Help for the fields of events: what the model says of them, else what stands here."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from typing import Final

from leadflow.domain.events import LeadEvent

_HELP: Final = {
    "amount": "Amount in whole units and its currency: 1999.00 EUR.",
    "asset": "What it was about: the page, the paper, the webinar.",
    "by": "Who did it.",
    "campaign": "The campaign it came by.",
    "channel": "The way it came or went, such as web, email or phone.",
    "competitor": "Who won instead.",
    "consents": "A consent given with it: CHANNEL, or CHANNEL:PURPOSE:TEXT_VERSION. Repeatable.",
    "content": "The piece of content.",
    "count": "How many times.",
    "criteria": "By what it was judged.",
    "dimension": "What the points speak of: fit or engagement.",
    "direction": "Who called or wrote.",
    "evidence": "What proves it, such as a form's id.",
    "external_ids": "A further id of the lead, SYSTEM:ID. Repeatable.",
    "fields": "A fact about the lead, NAME=VALUE. Repeatable.",
    "from_owner": "Who gives the lead away.",
    "interest": "What the lead is interested in.",
    "kind": "What the lead did; x-NAME for a kind of your own.",
    "known_after_outcome": "A field known only once the outcome was; never scored. Repeatable.",
    "landing_page": "The page it came to; a query in it is kept as personal data.",
    "lease_until": "When the claim ends; else after the policy's lease.",
    "offer_id": "The offer's id in your system.",
    "order_id": "The order's id in your system.",
    "outcome": "An attempt only, or a conversation.",
    "owner": "Whose lead it is.",
    "points": "The points, negative to take some away.",
    "product": "What was bought.",
    "programme": "The nurturing programme.",
    "purpose": "What the channel may be used for.",
    "reason": "Why.",
    "request_id": "The id of the request.",
    "response_due": "Until when sales should answer; else by the policy's working hours.",
    "sales_type": "How the lead came about: outbound (spear), word of mouth, marketing.",
    "source": "The marketing source, such as paid_search.",
    "target": "Whether the lead belongs to the target group.",
    "text_version": "The version of the text agreed to.",
    "tier": "How far marketing or sales vouch for it.",
    "to_owner": "Who in sales gets the lead.",
    "utm": "A utm parameter, NAME=VALUE. Repeatable.",
}
"""Help for fields whose name says enough in the model, but not on a command line."""

PERSONAL_HELP: Final = {
    "name": "The person's name.",
    "email": "E-mail address.",
    "phone": "Phone number with its country code.",
    "address": "Postal address.",
    "company": "Company.",
    "notes": "A note in free words, kept encrypted.",
    "url_query": "The query of the landing page's URL.",
    "other": "Further personal data, NAME=VALUE. Repeatable.",
}


def help_for(event: type[LeadEvent], name: str) -> str:
    """What a field means, in a sentence or two; empty where nobody has said it yet."""
    if name == "amount":  # the model speaks of minor units, which nobody types
        return _HELP[name]
    said = event.model_fields[name].description or _docstrings(event).get(name)
    return said or _HELP.get(name, "")


@cache
def _docstrings(event: type[LeadEvent]) -> dict[str, str]:
    """What the model's source says below each of its fields."""
    found: dict[str, str] = {}
    for base in reversed(event.__mro__):
        if issubclass(base, LeadEvent):
            found |= _docstrings_in(base)
    return found


def _docstrings_in(model: type) -> dict[str, str]:
    body = ast.parse(inspect.getsource(model)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
