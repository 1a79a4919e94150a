"""Figures as flat rows for machines: CSV and Parquet, on stdout."""

from __future__ import annotations

import csv
import io
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import click

from leadflow_commands.moments import iso

if TYPE_CHECKING:
    from leadflow_projections.metrics.durations import Durations
    from leadflow_projections.metrics.figures import Funnel, Group

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Flat:
    """Rows that all have these columns; the columns are named even where there is no row."""

    columns: tuple[str, ...]
    rows: list[Row]


_READING: Final = ("as_of", "known_at", "position")
_STEP: Final = (
    "stage",
    "reached",
    "entered",
    "went_on",
    "lost",
    "disqualified",
    "open",
    "immature",
    "leads",
    "step_conversion",
    "overall_conversion",
)
_STEP_LEAD: Final = ("stage", "outcome", "lead_id", "cycle", "entered_step", "reached_at")
_DURATION: Final = (
    "name",
    "n",
    "open",
    "ended",
    "negative",
    "assumed_left_out",
    "immature",
    "mean",
    "median",
    "q1",
    "q3",
    "least",
    "greatest",
    "unit",
)
_DURATION_LEAD: Final = (
    "name",
    "outcome",
    "lead_id",
    "cycle",
    "began_at",
    "ended_at",
    "days",
)

_TYPES: Final = {
    "as_of": "timestamp",
    "began_at": "timestamp",
    "ended_at": "timestamp",
    "known_at": "timestamp",
    "reached_at": "timestamp",
    "days": "double",
    "greatest": "double",
    "least": "double",
    "mean": "double",
    "median": "double",
    "overall_conversion": "double",
    "q1": "double",
    "q3": "double",
    "step_conversion": "double",
    "entered_step": "bool",
    "lead_id": "string",
    "name": "string",
    "outcome": "string",
    "stage": "string",
    "unit": "string",
    "value": "string",
}
"""The type of each column; the others are whole numbers."""


def funnel_rows(funnel: Funnel) -> Flat:
    """A row for each step, of each group where there are groups."""
    reading = _reading(funnel)
    rows = [
        _value(funnel, group.value) | step.to_json() | reading
        for group in _groups(funnel)
        for step in group.steps
    ]
    return Flat((*_value(funnel, None), *_STEP, *_READING), rows)


def funnel_leads(funnel: Funnel) -> Flat:
    """A row for each lead behind each step's figures."""
    rows = [
        _value(funnel, group.value)
        | {
            "stage": step.stage,
            "outcome": lead.outcome,
            "lead_id": str(lead.lead_id),
            "cycle": lead.cycle,
            "entered_step": lead.entered,
            "reached_at": lead.reached_at,
        }
        for group in _groups(funnel)
        for step in group.steps
        for lead in step.behind or ()
    ]
    return Flat((*_value(funnel, None), *_STEP_LEAD), rows)


def duration_rows(durations: Durations) -> Flat:
    """A row for each duration, of each group where there are groups."""
    reading = _reading(durations)
    rows = [
        _value(durations, figures.value) | figures.to_json() | reading
        for figures in durations.figures
    ]
    return Flat((*_value(durations, None), *_DURATION, *_READING), rows)


def duration_leads(durations: Durations) -> Flat:
    """A row for each lead behind each duration's figures."""
    rows = [
        _value(durations, figures.value)
        | {
            "name": figures.name,
            "outcome": lead.outcome,
            "lead_id": str(lead.lead_id),
            "cycle": lead.cycle,
            "began_at": lead.began_at,
            "ended_at": lead.ended_at,
            "days": lead.days,
        }
        for figures in durations.figures
        for lead in figures.behind or ()
    ]
    return Flat((*_value(durations, None), *_DURATION_LEAD), rows)


def _groups(funnel: Funnel) -> tuple[Group, ...]:
    return (funnel.whole,) if funnel.selection.by is None else funnel.groups


def _value(read: Funnel | Durations, value: str | None) -> Row:
    """The group's column, where there are groups."""
    return {} if read.selection.by is None else {"value": value}


def _reading(read: Funnel | Durations) -> Row:
    reading = read.reading
    return {
        "as_of": reading.as_of,
        "known_at": reading.known_at,
        "position": reading.position,
    }


def write_rows(flat: Flat, form: str) -> None:
    """Write rows to stdout as csv or parquet."""
    if form == "csv":
        click.echo(_csv(flat), nl=False)
        return
    if sys.stdout.isatty():
        raise click.UsageError("Parquet is no text for a terminal; add > FILE.parquet")
    sys.stdout.buffer.write(_parquet(flat))
    sys.stdout.buffer.flush()


def _csv(flat: Flat) -> str:
    """RFC 4180 with line feeds; what is undefined is empty."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(flat.columns)
    writer.writerows([_cell(row[name]) for name in flat.columns] for row in flat.rows)
    return target.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, datetime):
        return iso(value)
    return str(value).lower() if isinstance(value, bool) else value


def _parquet(flat: Flat) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    types: dict[str, pa.DataType] = {
        "timestamp": pa.timestamp("us", tz="UTC"),
        "double": pa.float64(),
        "bool": pa.bool_(),
        "string": pa.string(),
        "integer": pa.int64(),
    }
    schema = pa.schema([(name, types[_TYPES.get(name, "integer")]) for name in flat.columns])
    rows = [{name: row[name] for name in flat.columns} for row in flat.rows]
    target = pa.BufferOutputStream()
    writer: Any = parquet  # its functions have no whole types
    writer.write_table(pa.Table.from_pylist(rows, schema=schema), target)
    return target.getvalue().to_pybytes()
