"""From the log's rows to decoded events: only the fields that are needed, once per scan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.algebra import Type
from leadflow_projections.grammar import expected_sql
from leadflow_projections.judging import judged
from leadflow_projections.sql import literal, quoted

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

BASES: Final = ("exact", "day", "assumed")
"""Time bases in the order of their numbers within an entry."""
ASSUMED: Final = BASES.index("assumed")

_MODEL_ROWS: Final = 1_000
"""Up to so many rows their models are asked at once: compiling the patterns takes longer."""

_JSON_TYPES: Mapping[Type, str] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.INSTANT: "TIMESTAMP",
    Type.UUID: "UUID",
    Type.TEXTS: "VARCHAR",
}


class Decoder:
    """Turns chunks of log rows into the engine's table `events`.

    Its columns: position, recorded_at, topic, lead_id, cycle, occurred_at (µs), basis
    (number), irregular, and the fields by their paths.
    """

    def __init__(self, connection: DuckDBPyConnection, fields: Mapping[str, Type]) -> None:
        self._connection = connection
        self._guarded = _decode_select(fields, expected_sql("topic", "text"))
        self._trusted = _decode_select(fields, "true")

    def decode(self, chunk: pa.Table) -> None:
        """Make `events` anew from these rows.

        Raises:
            LogCorrupt: naming the first position whose event is none, and why.
        """
        if chunk.num_rows <= _MODEL_ROWS:
            self._run("CREATE OR REPLACE TEMP TABLE events AS", self._trusted, judged(chunk))
            return
        self._run("CREATE OR REPLACE TEMP TABLE events AS", self._guarded, chunk)
        suspects = self._connection.execute(
            "SELECT position FROM events WHERE occurred_at IS NULL ORDER BY position"
        ).fetchall()
        if suspects:
            import pyarrow as pa
            import pyarrow.compute as pc

            positions = pa.array([row[0] for row in suspects], pa.int64())
            rows = judged(chunk.filter(pc.is_in(chunk["position"], positions)))
            self._connection.execute("DELETE FROM events WHERE occurred_at IS NULL")
            self._run("INSERT INTO events", self._trusted, rows)

    def _run(self, what: str, select: str, chunk: pa.Table) -> None:
        self._connection.register("chunk", chunk)
        try:
            self._connection.execute(f"{what} {select}")
        finally:
            self._connection.unregister("chunk")


def _decode_select(fields: Mapping[str, Type], expected: str) -> str:
    """The statement that decodes the relation `chunk`; what is not as expected has no fields."""
    structure = _structure(fields)
    structure |= {"cycle": "BIGINT", "occurred_at": "TIMESTAMP", "time_basis": "VARCHAR"}
    structure["irregular"] = ["VARCHAR"]
    bases = " ".join(f"WHEN {literal(basis)} THEN {i}" for i, basis in enumerate(BASES))
    columns = [
        "position",
        "recorded_at",
        "topic",
        "lead_id",
        "p.cycle AS cycle",
        "epoch_us(p.occurred_at) AS occurred_at",
        f"CAST(CASE p.time_basis {bases} ELSE 0 END AS BIGINT) AS basis",
        "coalesce(len(p.irregular), 0) > 0 AS irregular",
        *(f"{_read(path, kind)} AS {quoted(path)}" for path, kind in fields.items()),
    ]
    texts = (
        "SELECT position, recorded_at, topic, originator_version, "
        "TRY_CAST(originator_id AS UUID) AS lead_id, TRY(decode(state)) AS text FROM chunk"
    )
    known = "lead_id IS NOT NULL AND originator_version > 0"
    documents = f"SELECT *, CASE WHEN {known} AND {expected} THEN text END AS document FROM ({texts})"
    decoded = f"json_transform(document, {literal(json.dumps(structure))}) AS p"
    return f"SELECT {', '.join(columns)} FROM (SELECT *, {decoded} FROM ({documents}))"


def _structure(fields: Mapping[str, Type]) -> dict[str, Any]:
    structure: dict[str, Any] = {}
    for path, kind in fields.items():
        *outer, name = path.split(".")
        inside = structure
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[name] = _JSON_TYPES[kind]
    return structure


def _read(path: str, kind: Type) -> str:
    name = "p." + ".".join(map(quoted, path.split(".")))
    return f"epoch_us({name})" if kind is Type.INSTANT else name
