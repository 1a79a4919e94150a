"""Which columns hold personal data, by what they are called."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

PERSONAL_WORDS: Final = frozenset(
    {"name", "firstname", "lastname", "surname", "fullname", "forename", "nickname", "salutation"}
    | {
        "email",
        "mail",
        "phone",
        "mobile",
        "telephone",
        "tel",
        "cell",
        "fax",
        "whatsapp",
        "linkedin",
    }
    | {"address", "street", "zip", "zipcode", "postcode", "postal", "ip"}
    | {"birthday", "birthdate", "dob"}
    | {"notes", "note", "comment", "comments", "remark", "remarks", "description", "message"}
    | {"vorname", "nachname", "anrede", "telefon", "mobil", "handy", "adresse", "strasse", "plz"}
    | {"notiz", "notizen", "bemerkung", "bemerkungen", "kommentar", "geburtsdatum"}
)
"""A column with one of these words in its name is personal unless the mapping denies it."""

_WORDS: Final = re.compile(r"[^\W_]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@lru_cache(maxsize=4_096)
def sounds_personal(column: str) -> bool:
    """Whether a column's name says that it holds names, addresses, numbers or free notes."""
    spelt = _CAMEL.sub(" ", column).replace("ß", "ss")
    words = [word.casefold() for word in _WORDS.findall(spelt)]
    return not PERSONAL_WORDS.isdisjoint(words)
