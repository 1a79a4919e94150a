"""From the log's rows to decoded events: only the fields that are needed, once per scan."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import accumulate
from typing import Any, Final

from leadflow_projections.algebra import Type
from leadflow_projections.sql import literal, quoted

BASES: Final = ("exact", "day", "assumed")
"""Time bases in the order of their numbers within an entry."""
DAY_ONLY: Final = BASES.index("day")
ASSUMED: Final = BASES.index("assumed")

_JSON_TYPES: Mapping[Type, str] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.BOOLEAN: "BOOLEAN",
    Type.INSTANT: "TIMESTAMP",
    Type.UUID: "UUID",
    Type.TEXTS: "VARCHAR",
}


def decode_select(
    fields: Mapping[str, Type], rows: str, computed: Mapping[str, Type] | None = None
) -> str:
    """The statement that decodes trusted log rows (see `judging.trusted`).

    Gives position, recorded_at, topic, lead_id, cycle, occurred_at (µs), basis (number),
    irregular, the fields by their paths, and the columns of the rows that are `computed`.
    """
    structure = _structure(fields)
    structure |= {"cycle": "BIGINT", "occurred_at": "TIMESTAMP", "time_basis": "VARCHAR"}
    structure["irregular"] = "VARCHAR"
    bases = " ".join(f"WHEN {literal(basis)} THEN {i}" for i, basis in enumerate(BASES))
    columns = [
        "position",
        "recorded_at",
        "topic",
        "CAST(originator_id AS UUID) AS lead_id",
        "p.cycle AS cycle",
        "epoch_us(p.occurred_at) AS occurred_at",
        f"CAST(CASE p.time_basis {bases} ELSE 0 END AS BIGINT) AS basis",
        "coalesce(p.irregular <> '[]', false) AS irregular",  # the text of a JSON list
        *(f"{_read(path, kind)} AS {quoted(path)}" for path, kind in fields.items()),
        *(_given(path, kind) for path, kind in (computed or {}).items()),
    ]
    decoded = f"json_transform(state, {literal(json.dumps(structure))}) AS p"
    return f"SELECT {', '.join(columns)} FROM (SELECT *, {decoded} FROM {rows})"


def _given(path: str, kind: Type) -> str:
    name = quoted(path)
    return f"CAST({name} AS UUID) AS {name}" if kind is Type.UUID else name


def _structure(fields: Mapping[str, Type]) -> dict[str, Any]:
    structure: dict[str, Any] = {}
    for path, kind in fields.items():
        *outer, name = path.split(".")
        whole = next((f for f in accumulate(outer, "{}.{}".format) if f in fields), None)
        if whole is not None:
            raise ValueError(f"field {whole} is read whole, and {path} within it")
        inside = structure
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[name] = _JSON_TYPES[kind]
    return structure


def _read(path: str, kind: Type) -> str:
    name = "p." + ".".join(map(quoted, path.split(".")))
    return f"epoch_us({name})" if kind is Type.INSTANT else name
