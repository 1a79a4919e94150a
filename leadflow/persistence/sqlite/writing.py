"""What one append writes, in the transaction that is open: the only code that does."""

from __future__ import annotations

import sqlite3
import time
from typing import Any
from uuid import UUID

from leadflow.errors import LeadflowError, LogCorrupt
from leadflow.persistence.appending import (
    Batch,
    Placed,
    check_policy,
    command_recorded,
    conflict,
    place,
)
from leadflow.persistence.inbox_tables import forget_leads, write_changes
from leadflow.persistence.store import Append, Appended, Head


def clock() -> int:
    """This machine's clock, in microseconds since the epoch."""
    return time.time_ns() // 1000


def read_head(cursor: sqlite3.Cursor | sqlite3.Connection) -> Head:
    """The log's end."""
    row: tuple[Any, ...] | None = cursor.execute(
        "SELECT position, hash, recorded_at, policy_position FROM log_head"
    ).fetchone()
    if row is None:
        raise LogCorrupt("the log has lost its head: the row of log_head is gone", position=0)
    return Head(*row)


def write_batch(cursor: sqlite3.Cursor, batch: Batch) -> Appended:
    """Record a batch; the caller holds the write lock and commits."""
    head = read_head(cursor)
    placed = place(batch, head, clock(), id_as_text=True)
    try:
        _write_commands(cursor, placed)
        check_policy(batch, head)
        if batch.request.inbox:
            write_changes(cursor, batch.request.inbox, "sqlite", clock())
        cursor.executemany("INSERT INTO stored_events VALUES (?,?,?,?,?,?,?)", placed.rows)
        _write_keys(cursor, batch.new_keys)
        _write_addresses(cursor, batch.request)
    except sqlite3.IntegrityError as error:
        raise _violated(cursor, str(error), batch, placed) from None
    after = placed.head
    cursor.execute(
        "UPDATE log_head SET position = ?, hash = ?, recorded_at = ?, policy_position = ?",
        (after.position, after.hash, after.recorded_at, after.policy_position),
    )
    return placed.appended


def _write_commands(cursor: sqlite3.Cursor, placed: Placed) -> None:
    if placed.commands:
        cursor.executemany(
            "INSERT INTO commands VALUES (?,?,?,?)",
            [
                (c.command_id.bytes, c.fingerprint, c.first_position, c.count)
                for c in placed.commands
            ],
        )


def _write_keys(cursor: sqlite3.Cursor, new_keys: dict[UUID, bytes]) -> None:
    if new_keys:
        cursor.executemany(
            "INSERT INTO lead_keys VALUES (?,?)",
            [(str(lead), wrapped) for lead, wrapped in new_keys.items()],
        )


def _write_addresses(cursor: sqlite3.Cursor, request: Append) -> None:
    if request.addresses:
        cursor.executemany(
            "INSERT INTO lead_addresses VALUES (?,?) ON CONFLICT DO NOTHING",
            [(digest, str(lead)) for digest, lead in request.addresses],
        )
    if request.aliases:
        cursor.executemany(
            "INSERT INTO lead_aliases VALUES (?,?) ON CONFLICT DO NOTHING",
            [(external_id, str(lead)) for external_id, lead in request.aliases],
        )
    for lead in request.destroy_keys:
        cursor.execute(
            "INSERT INTO lead_keys VALUES (?, NULL) ON CONFLICT DO UPDATE SET wrapped = NULL",
            (str(lead),),
        )
        cursor.execute("DELETE FROM lead_addresses WHERE lead_id = ?", (str(lead),))
    if request.destroy_keys:
        forget_leads(cursor, request.destroy_keys, "sqlite")


def _violated(cursor: sqlite3.Cursor, message: str, batch: Batch, placed: Placed) -> LeadflowError:
    """Which rule a row broke, from SQLite's `UNIQUE constraint failed: table.column`."""
    if "commands." in message:
        for command in placed.commands:
            if _exists(cursor, "commands WHERE command_id = ?", command.command_id.bytes):
                return command_recorded(command.command_id)
        return command_recorded("given twice in one append")
    if "stored_events.originator_id" in message:
        # Rows of this batch that went in before the one that did not do not count.
        before = placed.rows[0].position
        for _, lead, version, *_rest in placed.rows:
            if _exists(
                cursor,
                "stored_events WHERE originator_id = ? AND originator_version = ? AND position < ?",
                lead,
                version,
                before,
            ):
                return conflict(lead, version)
        return conflict(placed.rows[0].originator_id, "given twice in one append")
    if "lead_keys." in message:
        return conflict(next(iter(batch.new_keys)), 1)
    position = placed.rows[0].position
    return LogCorrupt(
        f"the log's head says that it ends at position {position - 1}, and an event lies at"
        f" {position}: {message}",
        position=position,
        hint="Run `leadflow log verify`.",
    )


def _exists(cursor: sqlite3.Cursor, where: str, *values: object) -> bool:
    return cursor.execute(f"SELECT 1 FROM {where}", values).fetchone() is not None
