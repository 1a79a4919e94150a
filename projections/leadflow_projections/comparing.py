"""Comparing two read models in the engine: by content hashes of buckets first, then by rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BUCKETS: Final = 256
DIFFERING: Final = "differing"
"""The engine's table of the keys that a comparison found, with `kind`: altered, missing, extra."""


@dataclass(frozen=True, slots=True)
class RowDifference:
    """A row of which the two sides say different things."""

    key: Mapping[str, Any]
    kind: str
    """altered; missing: on the left only; extra: on the right only."""
    columns: Mapping[str, tuple[Any, Any]]
    """The columns that differ, with what the left and the right have; of altered rows only."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison found; counts are of rows."""

    left_rows: int
    right_rows: int
    left_hash: str
    """Of the whole content: 32 hexadecimal digits, the same on every database."""
    right_hash: str
    altered: int
    missing: int
    extra: int
    by_column: Mapping[str, int]
    """In how many of the altered rows each column differs, where it does."""
    examples: Sequence[RowDifference]

    @property
    def is_equal(self) -> bool:
        return not (self.altered or self.missing or self.extra)


def compare(
    engine: DuckDBPyConnection,
    left: str,
    right: str,
    *,
    key: Sequence[str],
    columns: Sequence[str],
    examples: int,
) -> Comparison:
    """Compare two of the engine's tables that have these columns; leaves `DIFFERING`.

    Args:
        engine: has them.
        left: what should be.
        right: what is.
        key: the columns by which a row is found.
        columns: all columns that are compared, those of the key among them.
        examples: how many differences are read out.
    """
    keys = ", ".join(map(quoted, key))
    left_rows, left_hash = _hash_buckets(engine, "left_buckets", left, keys, columns)
    right_rows, right_hash = _hash_buckets(engine, "right_buckets", right, keys, columns)
    others = [name for name in columns if name not in key]
    _find(engine, left, right, key, others)
    kinds = dict(engine.execute(f"SELECT kind, count(*) FROM {DIFFERING} GROUP BY kind").fetchall())
    altered = kinds.get("altered", 0)
    return Comparison(
        *(left_rows, right_rows, left_hash, right_hash),
        *(altered, kinds.get("missing", 0), kinds.get("extra", 0)),
        _by_column(engine, others) if altered else {},
        _examples(engine, left, right, key, columns=columns, limit=examples) if kinds else (),
    )


def _hash_buckets(
    engine: DuckDBPyConnection, into: str, rows: str, keys: str, columns: Sequence[str]
) -> tuple[int, str]:
    """Count and hash the rows of each bucket; gives both for the whole."""
    texts = ", ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), chr(0))" for name in columns)
    engine.execute(
        f"CREATE OR REPLACE TEMP TABLE {into} AS "
        f"SELECT hash({keys}) % {_BUCKETS} AS bucket, count(*) AS rows, "
        f"bit_xor(md5_number(concat_ws(chr(31), {texts}))) AS content "
        f"FROM {quoted(rows)} GROUP BY bucket"
    )
    [(count, content)] = engine.execute(
        f"SELECT CAST(coalesce(sum(rows), 0) AS BIGINT), coalesce(bit_xor(content), 0) FROM {into}"
    ).fetchall()
    return int(count), f"{int(content):032x}"


def _find(
    engine: DuckDBPyConnection, left: str, right: str, key: Sequence[str], others: Sequence[str]
) -> None:
    """Join the rows of those buckets whose hashes differ."""
    keys = ", ".join(map(quoted, key))
    differ = ", ".join(f"l.{quoted(n)} IS DISTINCT FROM r.{quoted(n)}" for n in others)
    flags = f"[{differ}]" if others else "CAST([] AS BOOLEAN[])"

    def rows(name: str) -> str:
        within = f"hash({keys}) % {_BUCKETS} IN (FROM buckets)"
        return f"(SELECT *, true AS present FROM {quoted(name)} WHERE {within})"

    engine.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE {DIFFERING} AS
        WITH buckets AS (
            SELECT bucket FROM left_buckets AS l FULL JOIN right_buckets AS r USING (bucket)
            WHERE l.rows IS DISTINCT FROM r.rows OR l.content IS DISTINCT FROM r.content
        )
        SELECT {keys},
            CASE WHEN r.present IS NULL THEN 'missing' WHEN l.present IS NULL THEN 'extra'
                ELSE 'altered' END AS kind,
            {flags} AS flags
        FROM {rows(left)} AS l FULL JOIN {rows(right)} AS r USING ({keys})
        WHERE kind <> 'altered' OR list_contains(flags, true)
        """
    )


def _by_column(engine: DuckDBPyConnection, others: Sequence[str]) -> dict[str, int]:
    counts = ", ".join(f"count(*) FILTER (flags[{i}])" for i in range(1, len(others) + 1))
    [found] = engine.execute(f"SELECT {counts} FROM {DIFFERING} WHERE kind = 'altered'").fetchall()
    return {name: count for name, count in zip(others, found, strict=True) if count}


def _examples(
    engine: DuckDBPyConnection,
    left: str,
    right: str,
    key: Sequence[str],
    *,
    columns: Sequence[str],
    limit: int,
) -> list[RowDifference]:
    others = [name for name in columns if name not in key]
    keys = ", ".join(map(quoted, key))
    values = "".join(f", l.{quoted(n)}, r.{quoted(n)}" for n in others)
    rows = engine.execute(
        f"""
        WITH read_out AS (FROM {DIFFERING} ORDER BY {keys} LIMIT {limit})
        SELECT {keys}, kind, flags{values}
        FROM read_out LEFT JOIN {quoted(left)} AS l USING ({keys})
            LEFT JOIN {quoted(right)} AS r USING ({keys})
        ORDER BY {keys}
        """
    ).fetchall()
    found: list[RowDifference] = []
    for row in rows:
        kind, flags, *both = row[len(key) :]
        differing = {
            name: (both[2 * i], both[2 * i + 1])
            for i, name in enumerate(others)
            if kind == "altered" and flags[i]
        }
        found.append(RowDifference(dict(zip(key, row, strict=False)), kind, differing))
    return found
