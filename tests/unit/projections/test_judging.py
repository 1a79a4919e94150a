"""What is poison is decided by the event's model; the columnar path finds the same events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadflow.domain import events as e
from leadflow.errors import LogCorrupt
from leadflow.persistence.store import RecordedEvent
from leadflow_projections.algebra import Type
from leadflow_projections.decoding import BASES, decode_select
from leadflow_projections.engine import open_engine
from leadflow_projections.grammar import patterns
from leadflow_projections.judging import as_expected, decoded, trusted
from leadflow_projections.log_reader import log_schema
from leadflow_projections.moments import microseconds
from leadflow_projections.registry import SHIPPED
from leadflow_projections.sql import fields_of
from tests.property.histories import BEGIN, LEADS, histories, log_of

TABLES = [table for projection in SHIPPED.values() for table in projection.tables]
CAPTURED = e.Captured(
    originator_id=LEADS[0],
    originator_version=1,
    event_id=UUID(int=1),
    occurred_at=BEGIN,
    cycle=1,
    source="fair",
)
FILLER = log_of([CAPTURED]).to_pylist()[0]


def among_many(topic: str, state: bytes, **changes: Any) -> pa.Table:
    """Enough rows that the patterns are used, with one of interest at position 7."""
    rows = [{**FILLER, "position": position} for position in range(1, 1_100)]
    rows[6] |= {"topic": topic, "state": state, **changes}
    return pa.Table.from_pylist(rows, schema=log_schema())


def alone(topic: str, state: bytes, **changes: Any) -> pa.Table:
    """One row, which the model is asked about at once."""
    row = {**FILLER, "position": 7, "topic": topic, "state": state, **changes}
    return pa.Table.from_pylist([row], schema=log_schema())


def state_of(**changes: Any) -> bytes:
    """The state of a capture with other fields; `...` leaves one out."""
    document = {**json.loads(FILLER["state"]), **changes}
    kept = {name: value for name, value in document.items() if value is not ...}
    return json.dumps(kept, separators=(",", ":")).encode()


POISON: list[tuple[str, str, bytes, dict[str, Any]]] = [
    ("no JSON", "lead.captured", b'{"event_id":', {}),
    ("no object", "lead.captured", b"[1]", {}),
    ("empty", "lead.captured", b"", {}),
    ("no UTF-8", "lead.captured", state_of(source="x").replace(b'"x"', b'"\xff"'), {}),
    ("no cycle", "lead.captured", state_of(cycle=...), {}),
    ("no moment", "lead.captured", state_of(occurred_at=...), {}),
    ("no event id", "lead.captured", state_of(event_id=...), {}),
    ("cycle 0", "lead.captured", state_of(cycle=0), {}),
    ("half a cycle", "lead.captured", state_of(cycle=1.6), {}),
    ("a word for a cycle", "lead.captured", state_of(cycle="one"), {}),
    ("a number for a text", "lead.captured", state_of(source=3), {}),
    ("an object for a text", "lead.captured", state_of(source={"a": 1}), {}),
    ("an empty text", "lead.captured", state_of(source=""), {}),
    ("too long a text", "lead.captured", state_of(source="x" * 10_001), {}),
    ("an unknown stage", "lead.captured", state_of(entered="won"), {}),
    ("an unknown field", "lead.captured", state_of(colour="red"), {}),
    ("an unknown basis", "lead.captured", state_of(time_basis="guessed"), {}),
    ("a day that is none", "lead.captured", state_of(occurred_at="2026-02-30T00:00:00Z"), {}),
    ("no time zone", "lead.captured", state_of(occurred_at="2026-02-03T00:00:00"), {}),
    ("a newer version", "lead.captured", state_of(schema_version=2), {}),
    ("an unknown topic", "lead.dreamt", state_of(), {}),
    ("another event's fields", "lead.scored", state_of(), {}),
    ("no stream", "lead.captured", state_of(), {"originator_id": "nobody"}),
    ("version 0", "lead.captured", state_of(), {"originator_version": 0}),
    ("an unknown currency", "lead.refunded", b"", {}),
    ("points beyond 64 bits", "lead.refunded", b"", {}),
]
_REFUND = {"order_id": "p", "source": ...}
POISON[-2] = (*POISON[-2][:2], state_of(**_REFUND, amount={"minor": 1, "currency": "XXQ"}), {})
POISON[-1] = (*POISON[-1][:2], state_of(**_REFUND, amount={"minor": 2**63, "currency": "EUR"}), {})
# A capture has fields that a refund has not.
for index in (-2, -1):
    name, topic, state, changes = POISON[index]
    document = json.loads(state)
    for field in ("utm", "external_ids", "consents"):
        document.pop(field, None)
    POISON[index] = (name, topic, json.dumps(document, separators=(",", ":")).encode(), changes)


@pytest.mark.parametrize(
    ("topic", "state", "changes"),
    [pytest.param(*case[1:], id=case[0]) for case in POISON],
)
def test_poison_is_named_by_its_position(topic: str, state: bytes, changes: dict[str, Any]) -> None:
    for rows in (alone(topic, state, **changes), among_many(topic, state, **changes)):
        with pytest.raises(LogCorrupt, match="position 7") as caught:
            trusted(rows)
        assert caught.value.position == 7


ODD: dict[str, bytes] = {
    "another order of fields": state_of(event_id=..., source=...)[:-1]
    + b',"source":"fair","event_id":"00000000-0000-0000-0000-000000000001"}',
    "blanks": json.dumps(json.loads(state_of())).encode(),
    "null": state_of(campaign=None),
    "a whole number with a point": state_of(cycle=1.0),
    "a number in a text": state_of(cycle="1"),
    "another zone": state_of(occurred_at="2026-02-28T00:30:00+02:00"),
    "the leap day": state_of(occurred_at="2028-02-29T00:00:00Z"),
    "escaped": state_of().replace(b'"fair"', b'"f\\u0061ir"'),
    "a long text": state_of(campaign="x" * 9_990),
    "personal data": state_of(personal="bm9uY2UgYW5kIGNpcGhlcnRleHQ="),
    "without a default": state_of(permissions=..., irregular=..., utm=...),
    "upper case": state_of(event_id="A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"),
}


@pytest.mark.parametrize("state", ODD.values(), ids=ODD)
def test_what_is_odd_but_an_event_is_read_as_the_model_reads_it(state: bytes) -> None:
    [alone_row] = trusted(alone("lead.captured", state)).to_pylist()
    expected = decode([alone_row["state"]])
    rows = trusted(among_many("lead.captured", state))
    [found] = [row for row in rows.to_pylist() if row["position"] == 7]
    assert decode([found["state"]]) == expected
    assert expected[0]["source"] == "fair"
    event = decoded(
        RecordedEvent(
            id=7,
            originator_id=LEADS[0],
            originator_version=1,
            topic="lead.captured",
            state=state_of(personal=...) if b"personal" in state else state,
            recorded_at=1,
        )
    )
    assert expected[0]["occurred_at"] == microseconds(event.occurred_at)


@given(history=histories(most=40))
@settings(max_examples=30)
def test_what_the_codec_writes_is_as_expected_and_read_as_the_model_reads_it(
    history: list[e.LeadEvent],
) -> None:
    log = log_of(history)
    for topic in {event.topic for event in history}:
        rows = log.filter(pa.array([event.topic == topic for event in history], pa.bool_()))
        verdict = as_expected(rows, topic)
        assert verdict is not None
        assert all(verdict.to_pylist()), "the codec's own text must not need a second look"
    assert decode([row["state"].decode() for row in log.to_pylist()]) == [
        model_row(event) for event in history
    ]


def test_every_lead_event_has_a_pattern() -> None:
    assert patterns().keys() >= {event.topic for event in e.LEAD_EVENTS}


_json: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=4)
    | st.sampled_from(["won", "captured", "EUR", "2026-02-30T00:00:00Z", "assumed"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@given(data=st.data(), history=histories(most=12))
@settings(max_examples=60)
def test_a_pattern_never_takes_what_the_model_refuses(
    data: st.DataObject, history: list[e.LeadEvent]
) -> None:
    for row in log_of(history).to_pylist():
        state = data.draw(_mutated(row["state"]))
        table = pa.Table.from_pylist([{**row, "state": state}], schema=log_schema())
        verdict = as_expected(table, row["topic"])
        if verdict is not None and verdict[0].as_py():
            try:
                [kept] = trusted(table).to_pylist()
            except LogCorrupt as error:
                pytest.fail(f"{error.message}: {state!r}")
            assert decode([state.decode()]) == decode([kept["state"]])


@st.composite
def _mutated(draw: st.DrawFn, state: bytes) -> bytes:
    """The state with one thing changed: a value, a name, or some characters."""
    document: dict[str, Any] = json.loads(state)
    place = draw(st.sampled_from(sorted(document)))
    match draw(st.sampled_from(["value", "inner", "without", "with", "text"])):
        case "value":
            document[place] = draw(_json)
        case "inner" if isinstance(document[place], dict) and document[place]:
            document[place][draw(st.sampled_from(sorted(document[place])))] = draw(_json)
        case "without":
            del document[place]
        case "with":
            document[draw(st.text(max_size=3))] = draw(_json)
        case _:
            text = state.decode()
            at = draw(st.integers(0, len(text) - 1))
            cut = draw(st.integers(0, 2))
            return (text[:at] + draw(st.text(max_size=2)) + text[at + cut :]).encode()
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def decode(states: Sequence[str]) -> list[dict[str, Any]]:
    """What the columnar path reads from trusted states."""
    rows = [{**FILLER, "position": at, "state": state} for at, state in enumerate(states)]
    schema = log_schema()
    chunk = pa.Table.from_pylist(
        rows, schema=schema.set(schema.get_field_index("state"), pa.field("state", pa.string()))
    )
    fields = fields_of(TABLES)
    with open_engine(threads=1) as engine:
        engine.register("chunk", chunk)
        result = engine.sql(f"{decode_select(fields, 'chunk')} ORDER BY position")
        found: list[dict[str, Any]] = result.to_arrow_table().to_pylist()
    names = {"cycle", "occurred_at", "basis", "irregular", *fields}
    return [
        {name: str(v) if isinstance(v, UUID) else v for name, v in row.items() if name in names}
        for row in found
    ]


def model_row(event: e.LeadEvent) -> dict[str, Any]:
    """The same, as the model has it."""
    row: dict[str, Any] = {
        "cycle": event.cycle,
        "occurred_at": microseconds(event.occurred_at),
        "basis": BASES.index(event.time_basis.value),
        "irregular": bool(event.irregular),
    }
    for path, kind in fields_of(TABLES).items():
        value: Any = event
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else getattr(value, name, None)
        if isinstance(value, datetime):
            value = microseconds(value)
        elif kind in {Type.TEXT, Type.UUID} and value is not None:
            value = str(value)
        row[path] = value
    return row
