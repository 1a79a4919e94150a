"""A declaration says what it means, refuses what means nothing, and has a stable print."""

from __future__ import annotations

from dataclasses import replace

import pytest

from leadflow_projections.algebra import (
    CYCLE,
    LEAD_ID,
    OCCURRED_AT,
    POSITION,
    Projection,
    Table,
    current,
    equal,
    first,
    flag,
    given,
    greatest,
    integer,
    last,
    level,
    member,
    take,
    text,
    total,
)
from leadflow_projections.registry import SHIPPED
from leadflow_projections.sql import combined, fields_of, physical_columns
from leadflow_projections.stage_board import STAGE_BOARD
from leadflow_projections.views import public_types

LEAD = {"lead_id": LEAD_ID}


def companions(**columns: object) -> dict[str, str]:
    return Table("t", LEAD, columns).companions  # type: ignore[arg-type]


def test_columns_of_the_same_events_share_their_position() -> None:
    shared = companions(
        stage=last(text("entered")),
        since=last(take(OCCURRED_AT, when=given("entered"))),
        source=last(text("source")),
    )
    assert shared == {"stage": "stage__at", "since": "stage__at", "source": "source__at"}


def test_columns_of_different_events_do_not() -> None:
    apart = companions(
        one=last(member("dimensions", "one")),
        two=last(member("dimensions", "two")),
        any_stage=last(take(POSITION, when=given("entered"))),
        a_step=last(level("entered", ["captured"])),
        first=first(text("entered")),
        of_cycle=current(last(text("entered"))),
        cycle=greatest(CYCLE),
    )
    assert len(set(apart.values())) == len(apart)


def test_the_current_cycle_needs_the_cycle() -> None:
    with pytest.raises(ValueError, match="points counts the current cycle only"):
        Table("t", LEAD, {"points": current(total(integer("points")))})


def test_a_name_is_key_or_column() -> None:
    with pytest.raises(ValueError, match="lead_id is both key and column"):
        Table("t", LEAD, {"lead_id": last(text("lead"))})


def test_a_column_has_one_type() -> None:
    with pytest.raises(ValueError, match="values of one type"):
        last(text("source"), integer("points"))


def test_a_field_is_read_as_one_type() -> None:
    table = Table("t", LEAD, {"a": last(text("x")), "b": last(flag("x"))})
    with pytest.raises(ValueError, match="field x is read as text and as boolean"):
        fields_of([table])


def test_the_fingerprint_changes_with_the_definition_and_only_then() -> None:
    board = STAGE_BOARD.tables[0]
    assert replace(STAGE_BOARD).fingerprint == STAGE_BOARD.fingerprint
    fewer = {name: c for name, c in board.columns.items() if name != "irregular"}
    prints = {
        STAGE_BOARD.fingerprint,
        Projection("b", 1, (replace(board, columns=fewer),)).fingerprint,
        Projection("b", 1, (replace(board, only=(equal("stage", "lost"),)),)).fingerprint,
        Projection(
            "b", 1, (replace(board, columns={**fewer, "irregular": last(text("x"))}),)
        ).fingerprint,
    }
    assert len(prints) == 4


def test_tables_at_one_grain_are_folded_together() -> None:
    tables = [table for projection in SHIPPED.values() for table in projection.tables]
    [group] = combined(tables)
    assert len(group.table.columns) < sum(len(table.columns) for table in tables)
    by_source = Table("by_source", {"source": text("source")}, {"n": total(integer("points"))})
    assert [g.table.name for g in combined([*tables, by_source])] == [
        "grain_lead",
        "grain_of_by_source",
    ]


def test_views_show_no_hidden_columns() -> None:
    for projection in SHIPPED.values():
        for table in projection.tables:
            shown = public_types(table)
            assert not [name for name in shown if "__" in name]
            assert set(shown) >= set(table.key)
            assert set(table.companions.values()) <= set(physical_columns(table))
    conversion = public_types(SHIPPED["conversion"].tables[0])
    assert {"began_at", "began_basis", "captured_at", "customer_basis", "offered_visits"} <= set(
        conversion
    )
    assert "first_entry_at" not in conversion
