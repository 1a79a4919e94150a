"""Where the quotes of a record go wrong: the place, which the csv module does not tell."""

from __future__ import annotations

from collections.abc import Iterable


def quote_trouble(lines: Iterable[str], first_line: int, delimiter: str, quote: str) -> str:
    """Line, column and what is wrong there, for a record that csv refused.

    Args:
        lines: the record's lines and those after it.
        first_line: the number of the record's first line.
        delimiter: what parts fields.
        quote: what fields are quoted with.
    """
    opened: tuple[int, int] | None = None
    closing = False
    fresh = True
    for number, line in enumerate(lines, first_line):
        for column, character in enumerate(line, 1):
            if opened is None:
                if fresh and character == quote:
                    opened, closing = (number, column), False
                fresh = character == delimiter
            elif closing and character != quote:
                if character != delimiter and character not in "\r\n":
                    return (
                        f"line {number}, column {column}: {character!r} stands behind a closing "
                        f"quote, which opened in line {opened[0]}, column {opened[1]}"
                    )
                opened, fresh = None, character == delimiter
            elif character == quote:
                closing = not closing
        if opened is None or closing:
            break
    if opened is None:
        return f"line {first_line}: the quotes cannot be followed"
    return f"line {opened[0]}, column {opened[1]}: a quote opens there and never closes"
