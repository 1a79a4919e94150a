"""What one append writes, in one transaction: the only code that does."""

from __future__ import annotations

import re
from typing import Any, Final
from uuid import UUID

import psycopg

from leadflow.errors import LeadflowError, LogCorrupt
from leadflow.persistence.appending import (
    Batch,
    Placed,
    check_policy,
    command_recorded,
    conflict,
    found_again,
    place,
)
from leadflow.persistence.inbox_tables import forget_leads, write_changes
from leadflow.persistence.postgres.connections import CHANNEL, AnyConnection
from leadflow.persistence.store import Append, Appended, Head

Statement = tuple[bytes, tuple[object, ...]]

# Locking this row is the only lock, and the first thing done; the clock is read under it.
# Sent as one message: the lock is not held for a journey over the network more than needed.
_BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED;"
_LOCK: Final = (
    " SELECT position, hash, recorded_at, policy_position FROM log_head FOR UPDATE;"
    " SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
)
_COLUMNS: Final = ("int8", "uuid", "int8", "text", "bytea", "int8", "bytea")


def write_batch(connection: AnyConnection, batch: Batch, *, again: bool) -> Appended:
    """Record a batch and commit; `again` says that it may be recorded already."""
    head, now = _lock(connection, _BEGIN + _LOCK)
    if again:
        found = _found(connection, batch)
        if found is not None:
            connection.rollback()
            return found
    return _write(connection, batch, head, now, commit=True)


def write_within(connection: AnyConnection, batch: Batch) -> Appended:
    """Record a batch in the transaction that the connection is in, which its owner commits.

    What could not be recorded is rolled back to where it began, and the transaction goes on.
    """
    with connection.transaction():
        head, now = _lock(connection, _LOCK)
        return _write(connection, batch, head, now, commit=False)


def _write(
    connection: AnyConnection, batch: Batch, head: Head, now: int, *, commit: bool
) -> Appended:
    placed = place(batch, head, now, id_as_text=False)
    try:
        if placed.commands:
            connection.execute(*_commands(placed))
        check_policy(batch, head)
        if batch.request.inbox or batch.request.destroy_keys:
            with connection.cursor() as cursor:
                write_changes(cursor, batch.request.inbox, "postgresql", now)
                forget_leads(cursor, batch.request.destroy_keys, "postgresql")
        with connection.pipeline():
            for statement, values in _statements(batch, placed):
                connection.execute(statement, values)
            if commit:
                connection.execute("COMMIT")
    except psycopg.IntegrityError as error:
        raise _violated(error, placed) from None
    return placed.appended


def _lock(connection: AnyConnection, statements: str) -> tuple[Head, int]:
    cursor = connection.execute(statements.encode())
    if statements.startswith(_BEGIN):
        cursor.nextset()
    row = cursor.fetchone()
    if row is None:
        raise LogCorrupt("the log has lost its head: the row of log_head is gone", position=0)
    cursor.nextset()
    clock = cursor.fetchone()
    assert clock is not None
    return Head(*row), clock[0]


def _found(connection: AnyConnection, batch: Batch) -> Appended | None:
    if not batch.events:
        return None
    sought = batch.events[0]
    row = connection.execute(
        "SELECT state, position, recorded_at FROM stored_events"
        " WHERE originator_id = %s AND originator_version = %s",
        (sought.lead_id, sought.version),
    ).fetchone()
    return found_again(batch, *row) if row else None


def _statements(batch: Batch, placed: Placed) -> list[Statement]:
    statements: list[Statement] = []
    if placed.rows:
        statements.append(_insert("stored_events", _COLUMNS, placed.rows))
    if batch.new_keys:
        statements.append(_insert("lead_keys", ("uuid", "bytea"), list(batch.new_keys.items())))
    statements += _people(batch.request)
    after = placed.head
    statements.append(
        (
            b"UPDATE log_head SET position = %s, hash = %b, recorded_at = %s, policy_position = %s",
            (after.position, after.hash, after.recorded_at, after.policy_position),
        )
    )
    if placed.rows:
        statements.append((f"NOTIFY {CHANNEL}".encode(), ()))
    return statements


def _commands(placed: Placed) -> Statement:
    rows = [(c.command_id, c.fingerprint, c.first_position, c.count) for c in placed.commands]
    return _insert("commands", ("uuid", "bytea", "int8", "int8"), rows)


def _people(request: Append) -> list[Statement]:
    """Addresses and further ids of leads, and what erasing one removes."""
    statements: list[Statement] = []
    if request.addresses:
        query, values = _insert("lead_addresses", ("bytea", "uuid"), request.addresses)
        statements.append((query + b" ON CONFLICT DO NOTHING", values))
    if request.aliases:
        query, values = _insert("lead_aliases", ("text", "uuid"), request.aliases)
        statements.append((query + b" ON CONFLICT DO NOTHING", values))
    if request.destroy_keys:
        erased = (list[UUID](request.destroy_keys),)
        statements.append(
            (
                b"INSERT INTO lead_keys SELECT id, NULL FROM unnest(%b::uuid[]) id"
                b" ON CONFLICT (lead_id) DO UPDATE SET wrapped = NULL",
                erased,
            )
        )
        statements.append((b"DELETE FROM lead_addresses WHERE lead_id = ANY(%b::uuid[])", erased))
    return statements


def _insert(table: str, types: tuple[str, ...], rows: Any) -> Statement:
    """One statement for many rows: an array for each column."""
    arrays = ", ".join(f"%b::{name}[]" for name in types)
    columns = tuple(list(column) for column in zip(*rows, strict=True))
    return f"INSERT INTO {table} SELECT * FROM unnest({arrays})".encode(), columns


def _violated(error: psycopg.IntegrityError, placed: Placed) -> LeadflowError:
    """Which rule a row broke, from the server's `Key (…)=(…) already exists.`"""
    key = re.search(r"=\((.*)\)", error.diag.message_detail or "")
    values = key[1].split(", ") if key else ["?"]
    match error.diag.table_name:
        case "commands":
            return command_recorded(values[0])
        case "stored_events" if len(values) == 2:
            return conflict(values[0], values[1])
        case "lead_keys":
            return conflict(values[0], 1)
        case _:
            position = placed.rows[0].position
            return LogCorrupt(
                f"the log's head says that it ends at position {position - 1}, and an event"
                f" lies at {position}",
                position=position,
                hint="Run `leadflow log verify`.",
            )
