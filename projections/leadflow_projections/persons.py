"""Merged persons: their leads' rows merged on reading, so that unmerging loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leadflow_projections.sql import merge_select, physical_columns, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow_projections.algebra import Table

OWN: Final = ("merged_into", "merged_into__at", "erased")
"""What a person has from its survivor alone, and not from the leads merged into it."""


def merge_persons(connection: DuckDBPyConnection, table: Table, rows: str) -> int:
    """Merge the rows of leads that are one person; gives how many leads went into another.

    Works on an engine's table of physical rows with a `lead_id` and a `merged_into`, in
    place: the merged row bears the survivor's id, where merges of survivors are followed to
    the end. Every column merges as it always does, so points and revenue add up, first
    entries take the earliest, and so on.
    """
    connection.execute(_PERSONS.format(rows=quoted(rows)))
    ((merged,),) = connection.execute("SELECT count(*) FROM persons").fetchall()
    if not merged:
        return 0
    names = list(physical_columns(table))
    own = ", ".join(
        f"CASE WHEN p.person IS NULL THEN r.{quoted(name)} END AS {quoted(name)}"
        for name in names
        if name in OWN
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE members AS "
        f"SELECT r.* REPLACE (coalesce(p.person, r.lead_id) AS lead_id, {own}) "
        f"FROM {quoted(rows)} AS r LEFT JOIN persons AS p ON p.lead_id = r.lead_id"
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE {quoted(rows)} AS {merge_select(table, 'members')}"
    )
    connection.execute("DROP TABLE members")
    return int(merged)


# `last` over a lead's rows, as a table of cycles has several. A ring, which only foreign
# facts can make, takes its least id.
_PERSONS: Final = """
CREATE OR REPLACE TEMP TABLE persons AS
WITH RECURSIVE
merges AS (
    SELECT lead_id, arg_max_null(merged_into, merged_into__at) AS into_id
    FROM {rows} WHERE merged_into__at IS NOT NULL GROUP BY lead_id
    HAVING into_id IS NOT NULL
),
up AS (
    SELECT lead_id, into_id FROM merges
    UNION
    SELECT up.lead_id, merges.into_id FROM up JOIN merges ON merges.lead_id = up.into_id
)
SELECT lead_id, coalesce(
    min(into_id) FILTER (into_id NOT IN (SELECT lead_id FROM merges)), min(into_id)
) AS person
FROM up GROUP BY lead_id HAVING person <> lead_id
"""
