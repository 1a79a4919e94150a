"""Reading ahead: one item in advance, errors in their place, no thread left."""

from __future__ import annotations

from collections.abc import Iterator
from threading import active_count

import pytest

from leadflow_projections.ahead import ahead


def test_items_come_in_order_and_the_thread_ends() -> None:
    before = active_count()
    with ahead(iter(range(100))) as items:
        assert list(items) == list(range(100))
    assert active_count() == before


def test_nothing() -> None:
    with ahead(iter(())) as items:
        assert list(items) == []


def test_no_more_than_one_is_made_in_advance() -> None:
    made: list[int] = []

    def make() -> Iterator[int]:
        for number in range(10):
            made.append(number)
            yield number

    with ahead(make()) as items:
        for item in items:
            assert len(made) <= item + 2


def test_an_error_comes_after_the_items_before_it() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise KeyError("the second")

    seen: list[int] = []
    with ahead(make()) as items, pytest.raises(KeyError, match="the second"):  # noqa: PT012
        for item in items:
            seen.append(item)  # noqa: PERF402
    assert seen == [1]


def test_leaving_early_ends_the_thread() -> None:
    before = active_count()
    closed: list[bool] = []

    def make() -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            closed.append(True)

    source = make()
    with ahead(source) as items:
        next(items)
    assert active_count() == before
    source.close()  # type: ignore[attr-defined]
    assert closed
