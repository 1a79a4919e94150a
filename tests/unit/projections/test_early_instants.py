"""Instants before 1970 keep their day, their basis and their microseconds."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from uuid import UUID

from leadflow.domain import events as e
from leadflow.domain.temperature import day_number
from leadflow_projections.conversion import CONVERSION_TABLE
from leadflow_projections.engine import open_engine
from leadflow_projections.moments import microseconds, moment
from leadflow_projections.rest import fold, from_rest_select
from leadflow_projections.sql import physical_columns, quoted
from leadflow_projections.stage_board import STAGE_BOARD
from leadflow_projections.views import view_select
from tests.property.histories import LEADS, log_of

EARLY = datetime(1969, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC)


def test_early_instants() -> None:
    common = {"originator_id": LEADS[0], "cycle": 1, "occurred_at": EARLY, "time_basis": "day"}
    history = [
        e.Captured.model_validate(
            {**common, "originator_version": 1, "event_id": UUID(int=1), "entered": "captured"}
        ),
        e.Scored.model_validate(
            {**common, "originator_version": 2, "event_id": UUID(int=2)}
            | {"points": 5, "reason": "visit"}
        ),
    ]
    assert moment(microseconds(EARLY)) == EARLY
    board, conversion = fold([*STAGE_BOARD.tables, CONVERSION_TABLE], log_of(history))
    assert board.to_pylist()[0]["points_by_day"] == f'{{"{day_number(EARLY)}":5}}'
    [stored] = conversion.to_pylist()

    with open_engine(threads=1) as engine:
        engine.register("stored", conversion)
        engine.execute(f"CREATE TABLE r AS {from_rest_select(CONVERSION_TABLE, 'stored')}")
        [shown] = (
            engine.sql(view_select(CONVERSION_TABLE, "r", "duckdb")).to_arrow_table().to_pylist()
        )
    assert shown["captured_at"] == EARLY.replace(tzinfo=None)
    assert (shown["captured_basis"], shown["began_basis"]) == ("day", "day")

    connection = sqlite3.connect(":memory:")
    names = ", ".join(map(quoted, physical_columns(CONVERSION_TABLE)))
    marks = ", ".join("?" * len(stored))
    connection.execute(f"CREATE TABLE r ({names})")
    connection.execute(f"INSERT INTO r VALUES ({marks})", list(stored.values()))
    cursor = connection.execute(view_select(CONVERSION_TABLE, "r", "sqlite"))
    row = dict(zip([name for name, *_ in cursor.description], cursor.fetchone(), strict=True))
    assert row["captured_at"] == "1969-12-30T23:59:59.999999Z"
    assert row["captured_basis"] == "day"
    connection.close()
