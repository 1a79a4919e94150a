"""What a mistyped word was meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

_ALIKE: Final = 0.6
_NEAR_THE_BEST: Final = 0.15


def closest(word: str, known: Iterable[str], *, limit: int = 3) -> list[str]:
    """The known words most like this one, best first; upper and lower case are alike.

    A word much less alike than the best one is left out: it would only mislead.
    """
    wanted = _folded(word)
    ranked = sorted(
        ((SequenceMatcher(None, wanted, _folded(name)).ratio(), name) for name in known),
        key=lambda entry: -entry[0],
    )
    best = ranked[0][0] if ranked else 0.0
    least = max(_ALIKE, best - _NEAR_THE_BEST)
    return [name for ratio, name in ranked[:limit] if ratio >= least]


def _folded(word: str) -> str:
    return word.casefold().replace("-", "_")


def did_you_mean(word: str, known: Iterable[str], *, list_at_most: int = 12) -> str:
    """A hint: the likeliest words, or all of them where none is alike and they are few."""
    names = list(known)
    likely = closest(word, names)
    if likely:
        return f"did you mean {one_of(likely)}?"
    if len(names) <= list_at_most:
        return f"known are {', '.join(names)}"
    return f"known are {', '.join(names[:list_at_most])} and {len(names) - list_at_most} more"


def one_of(words: list[str]) -> str:
    """The words as a choice: `a`, `a or b`, `a, b or c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
