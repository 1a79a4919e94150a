"""The twin's columns hold all of an event but its personal data, and read back as the log does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings

from leadflow.domain import events as e
from leadflow.persistence.codec import encode
from leadflow_projections.archive.columns import (
    fingerprint,
    read_select,
    read_sql,
    twin_columns,
    write_select,
)
from leadflow_projections.decoding import decode_select
from leadflow_projections.engine import open_engine
from leadflow_projections.judging import trusted
from leadflow_projections.log_reader import log_schema
from leadflow_projections.taking import Type
from tests.property.histories import examples, histories, log_of
from tests.unit.projections.test_judging import ODD, alone

ENVELOPE = {"cycle", "occurred_at", "time_basis", "irregular"}
FIELDS: tuple[dict[str, Type], ...] = (
    {path: column.type for path, column in twin_columns().items() if path not in ENVELOPE},
    {path: Type.TEXT for path in twin_columns() if path not in ENVELOPE},
    {"dimensions": Type.TEXTS, "fields": Type.TEXTS, "points": Type.INTEGER},
    {"utm.medium": Type.TEXT, "dimensions.industry": Type.TEXT, "fields.seats.value": Type.INTEGER},
    {"source.part": Type.TEXT, "no_such_field": Type.UUID, "nor.this": Type.INSTANT},
)
"""Fields as folds may ask for them: as they are, as texts, parts of documents, and none."""


def read_both(log: pa.Table, fields: dict[str, Type], file: Path) -> tuple[list[Any], list[Any]]:
    """What a fold gets of these rows from the log, and from a sealed file."""
    rows = trusted(log)
    with open_engine(threads=1) as engine:
        engine.register("chunk", rows)
        engine.execute(f"COPY ({write_select('chunk')}) TO '{file}' (FORMAT parquet)")
        order = "ORDER BY position"
        from_log = engine.execute(f"{decode_select(fields, 'chunk')} {order}").fetchall()
        select = read_select(fields, f"read_parquet('{file}')")
        assert select is not None
        return from_log, engine.execute(f"{select} {order}").fetchall()


@given(history=histories(most=30))
@examples(6)
def test_every_field_reads_from_the_twin_as_from_the_log(
    tmp_path_factory: pytest.TempPathFactory, history: list[e.LeadEvent]
) -> None:
    file = tmp_path_factory.mktemp("twin") / "x.parquet"
    for fields in FIELDS:
        from_log, from_twin = read_both(log_of(history), fields, file)
        assert from_twin == from_log


@pytest.mark.parametrize("state", ODD.values(), ids=ODD)
def test_what_is_odd_but_an_event_is_sealed_as_its_model_reads_it(
    state: bytes, tmp_path: Path
) -> None:
    for fields in FIELDS:
        from_log, from_twin = read_both(
            alone("lead.captured", state), fields, tmp_path / "x.parquet"
        )
        assert from_twin == from_log


FULL = e.Engaged.model_validate(
    {
        "originator_id": UUID(int=1),
        "originator_version": 3,
        "event_id": UUID(int=7),
        "occurred_at": datetime(2026, 3, 1, 9, 30, 0, 250, tzinfo=UTC),
        "cycle": 1,
        "kind": "visit",
        "source": "shop",
        "utm": {"medium": "cpc", "a.b": "ümlaut"},
        "external_ids": ["crm:17"],
        "consents": [{"channel": "email", "purpose": "marketing"}],
        "irregular": ["no_consent"],
        "permissions": {"email": "given"},
        "personal": {"name": "Ada Example", "email": "ada@example.org"},
    }
)


def test_nothing_of_an_event_is_lost_but_its_personal_data(tmp_path: Path) -> None:
    log = log_of([FULL])
    with open_engine(threads=1) as engine:
        engine.register("chunk", trusted(log))
        engine.execute(f"COPY ({write_select('chunk')}) TO '{tmp_path}/x.parquet' (FORMAT parquet)")
        [row] = engine.sql(f"FROM '{tmp_path}/x.parquet'").to_arrow_table().to_pylist()
    document: dict[str, Any] = {}
    for path, column in twin_columns().items():
        value = row[path]
        if value is not None:
            *outer, name = path.split(".")
            inside = document
            for part in outer:
                inside = inside.setdefault(part, {})
            inside[name] = json.loads(value) if column.is_document else value
    document |= {"originator_id": row["lead_id"], "originator_version": row["version"]}
    assert e.Engaged.model_validate(document) == FULL.model_copy(update={"personal": None})
    assert row["topic"] == "lead.engaged"
    assert b"Ada" not in (tmp_path / "x.parquet").read_bytes()


def test_no_column_is_named_after_anything_personal() -> None:
    assert not [path for path in twin_columns() if path.startswith("personal")]


def test_of_another_applications_events_only_the_envelope_is_kept(tmp_path: Path) -> None:
    state = json.dumps(
        {"timestamp": "2026-03-01T09:30:00+00:00", "owner": "Ada Example", "points": 7}
    ).encode()
    rows = [
        {
            "position": 1,
            "originator_id": str(UUID(int=5)),
            "originator_version": 1,
            "topic": "orders:Placed",
            "state": state,
            "recorded_at": 1_800_000_000_000_000,
        }
    ]
    log = pa.Table.from_pylist(rows, schema=log_schema())
    with open_engine(threads=1) as engine:
        engine.register("chunk", trusted(log))
        engine.execute(f"COPY ({write_select('chunk')}) TO '{tmp_path}/x.parquet' (FORMAT parquet)")
        [row] = engine.sql(f"FROM '{tmp_path}/x.parquet'").to_arrow_table().to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "position": 1,
        "recorded_at": datetime.fromtimestamp(1_800_000_000, UTC),
        "topic": "orders:Placed",
        "lead_id": str(UUID(int=5)),
        "version": 1,
        "occurred_at": datetime(2026, 3, 1, 9, 30, tzinfo=UTC),
    }
    assert b"Ada" not in (tmp_path / "x.parquet").read_bytes()


def test_what_the_columns_cannot_give_as_asked_is_refused() -> None:
    assert read_sql("points", Type.UUID) is None
    assert read_sql("amount", Type.TEXT) is None, "kept as minor units and currency"
    assert read_sql("policy.thresholds", Type.TEXT) is None, "a hash in one event, all in another"


def test_the_fingerprint_says_which_release_can_read() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 16


@given(history=histories(most=6))
@settings(max_examples=10)
def test_encoding_leaves_personal_data_sealed(history: list[e.LeadEvent]) -> None:
    for event in history:
        assert b"personal" not in encode(event, None)
