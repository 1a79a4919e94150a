"""What pydantic found wrong, as one sentence for a person."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import ValidationError


def one_sentence(error: ValidationError, known: Iterable[str] = ()) -> str:
    """The first error's place and reason; further ones are counted.

    An unknown field suggests the nearest of the `known` ones.
    An unknown name comes before all else: misspelt, it is what makes another one missing.
    """
    errors = error.errors(include_url=False, include_context=False, include_input=True)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        reason = "is missing"
    elif first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), list(known), 1)
        reason = "is not a field here" + (f"; did you mean {near[0]}?" if near else "")
    sentence = f"{place}: {reason}" if place else reason
    more = len({str(e["loc"][:1]) for e in errors}) - 1
    return f"{sentence} (and {more} more)" if more > 0 else sentence
