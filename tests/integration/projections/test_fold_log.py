"""Readings of the past: as of a moment, as known at a moment, up to a position, by person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from leadflow import Leadflow
from leadflow.domain import events as e
from leadflow.domain.values import TimeBasis
from leadflow_projections.conversion import CONVERSION
from leadflow_projections.engine import open_engine
from leadflow_projections.folding import FoldedLog, fold_log
from leadflow_projections.stage_board import STAGE_BOARD

DAY = timedelta(days=1)
BEGIN = datetime(2026, 3, 2, 12, tzinfo=UTC)


def read(leads: Leadflow, **bounds: Any) -> tuple[FoldedLog, dict[str, list[dict[str, Any]]]]:
    """The board's and the conversion's rows by a reading of the log."""
    with open_engine(threads=1) as engine:
        tables = [*STAGE_BOARD.tables, *CONVERSION.tables]
        folded = fold_log(engine, leads.store, tables, **bounds)
        return folded, {
            table.name: engine.sql(f"FROM {table.name} ORDER BY lead_id")
            .to_arrow_table()
            .to_pylist()
            for table in tables
        }


def test_as_of_and_known_at(leads: Leadflow) -> None:
    leads.capture(lead="shop:1", occurred_at=BEGIN)
    leads.qualify("shop:1", target=True, occurred_at=BEGIN + 2 * DAY)
    leads.record_fact(e.Lost, "shop:1", {"reason": "price"}, occurred_at=BEGIN + DAY)
    everything, tables = read(leads)
    assert everything == FoldedLog(leads.store.head().position, leads.store.head().position, 0)
    assert tables["stage_board"][0]["stage"] == "lost"

    _, tables = read(leads, as_of=BEGIN + DAY)
    assert tables["stage_board"][0]["stage"] == "lost", "in the order of the log, to the moment"
    _, tables = read(leads, as_of=BEGIN + DAY - timedelta(microseconds=1))
    assert tables["stage_board"][0]["stage"] == "captured"
    assert tables["conversion"][0]["qualified_at"] is None
    _, tables = read(leads, as_of=BEGIN - DAY)
    assert tables["stage_board"] == []

    folded, tables = read(leads, known_at=leads.store.now() - DAY)
    assert (folded.position, tables["stage_board"]) == (0, [])
    _, tables = read(leads, known_at=leads.store.now() + DAY)
    assert tables["stage_board"][0]["stage"] == "lost"
    folded, tables = read(leads, upto=2)
    assert folded.position == 2
    assert tables["stage_board"][0]["stage"] == "captured"


def test_events_of_assumed_time_are_left_out_and_counted(leads: Leadflow) -> None:
    leads.capture(lead="shop:1", occurred_at=BEGIN)
    leads.record_fact(
        e.Purchased,
        "shop:1",
        {"order_id": "p-1"},
        occurred_at=BEGIN,
        time_basis=TimeBasis.ASSUMED,
    )
    folded, tables = read(leads, as_of=BEGIN + DAY)
    assert folded.assumed == 1
    assert tables["stage_board"][0]["stage"] == "captured"
    folded, tables = read(leads)
    assert folded.assumed == 0
    assert tables["stage_board"][0]["stage"] == "customer"
    assert tables["conversion"][0]["customer_basis"] == "assumed"


def test_merged_persons_are_one_row_and_before_the_merge_two(leads: Leadflow) -> None:
    for number in (1, 2, 3):
        leads.capture(lead=f"shop:{number}", occurred_at=BEGIN)
    leads.merge("shop:1", "shop:2", keep="shop:1", occurred_at=BEGIN + DAY)
    leads.merge("shop:3", "shop:1", keep="shop:3", occurred_at=BEGIN + 2 * DAY)
    survivor = str(leads.resolve("shop:3"))
    _, tables = read(leads, by_person=True)
    assert [row["lead_id"] for row in tables["stage_board"]] == [survivor]
    [cycle] = tables["conversion"]
    assert cycle["captured_visits"] == 3
    assert cycle["merged_into"] is None
    _, tables = read(leads, by_person=True, as_of=BEGIN + DAY)
    assert len(tables["conversion"]) == 2
    _, tables = read(leads)
    assert len(tables["conversion"]) == 3


def test_what_holds_for_the_lead_is_shown_in_each_of_its_cycles(leads: Leadflow) -> None:
    for number in (1, 2):
        leads.capture(lead=f"shop:{number}", occurred_at=BEGIN)
    leads.lose("shop:1", reason="price")
    leads.reopen("shop:1", reason="new budget")
    leads.merge("shop:1", "shop:2", keep="shop:2")
    _, tables = read(leads)
    two = str(leads.resolve("shop:2"))
    merged = {
        (str(row["lead_id"]), row["cycle"]): row["merged_into"] for row in tables["conversion"]
    }
    one = str(leads.resolve("shop:1"))
    assert merged == {(one, 1): two, (one, 2): two, (two, 1): None}
    leads.unmerge("shop:1")
    _, tables = read(leads)
    assert {row["merged_into"] for row in tables["conversion"]} == {None}


@pytest.mark.parametrize("bounds", [{}, {"as_of": BEGIN}, {"known_at": BEGIN}, {"upto": 0}])
def test_an_empty_log(leads: Leadflow, bounds: dict[str, Any]) -> None:
    folded, tables = read(leads, by_person=True, **bounds)
    assert folded == FoldedLog(0, 0, 0)
    assert tables == {"stage_board": [], "conversion": []}
