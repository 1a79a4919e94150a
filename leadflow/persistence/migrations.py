"""The statements that lift a store from one schema version to the next.

They stay as they were written, whatever later versions make of the tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

_INBOX_SQLITE: Final = (
    """
    CREATE TABLE inbox_offsets (
        topic TEXT NOT NULL,
        topic_partition INTEGER NOT NULL,
        topic_id TEXT NOT NULL,
        next_offset INTEGER NOT NULL,
        holder TEXT NOT NULL,
        moved_at INTEGER NOT NULL,
        PRIMARY KEY (topic, topic_partition)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE dead_letters (
        letter_id TEXT PRIMARY KEY,
        topic TEXT NOT NULL,
        topic_id TEXT NOT NULL,
        topic_partition INTEGER NOT NULL,
        message_offset INTEGER NOT NULL,
        lead_id TEXT,
        source TEXT,
        type TEXT,
        reason TEXT NOT NULL,
        attempt INTEGER NOT NULL,
        failed_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        published INTEGER NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX dead_letters_by_lead ON dead_letters (lead_id)",
    """
    CREATE TABLE held_facts (
        held_id TEXT PRIMARY KEY,
        topic TEXT NOT NULL,
        topic_id TEXT NOT NULL,
        topic_partition INTEGER NOT NULL,
        message_offset INTEGER NOT NULL,
        lead_id TEXT NOT NULL,
        lead_version INTEGER NOT NULL,
        subject TEXT NOT NULL,
        source TEXT NOT NULL,
        type TEXT NOT NULL,
        held_at INTEGER NOT NULL,
        held_until INTEGER NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX held_facts_by_lead ON held_facts (lead_id)",
)
_INBOX_POSTGRES: Final = (
    """
    CREATE TABLE inbox_offsets (
        topic text NOT NULL,
        topic_partition integer NOT NULL,
        topic_id uuid NOT NULL,
        next_offset bigint NOT NULL,
        holder text NOT NULL,
        moved_at bigint NOT NULL,
        PRIMARY KEY (topic, topic_partition)
    )
    """,
    """
    CREATE TABLE dead_letters (
        letter_id uuid PRIMARY KEY,
        topic text NOT NULL,
        topic_id uuid NOT NULL,
        topic_partition integer NOT NULL,
        message_offset bigint NOT NULL,
        lead_id uuid,
        source text,
        type text,
        reason text NOT NULL,
        attempt integer NOT NULL,
        failed_at bigint NOT NULL,
        expires_at bigint NOT NULL,
        published boolean NOT NULL,
        sealed bytea NOT NULL
    )
    """,
    "CREATE INDEX dead_letters_by_lead ON dead_letters (lead_id)",
    """
    CREATE TABLE held_facts (
        held_id uuid PRIMARY KEY,
        topic text NOT NULL,
        topic_id uuid NOT NULL,
        topic_partition integer NOT NULL,
        message_offset bigint NOT NULL,
        lead_id uuid NOT NULL,
        lead_version bigint NOT NULL,
        subject text NOT NULL,
        source text NOT NULL,
        type text NOT NULL,
        held_at bigint NOT NULL,
        held_until bigint NOT NULL,
        sealed bytea NOT NULL
    )
    """,
    "CREATE INDEX held_facts_by_lead ON held_facts (lead_id)",
)

MIGRATIONS: Final[dict[int, Mapping[str, Sequence[str]]]] = {
    1: {"sqlite": _INBOX_SQLITE, "postgresql": _INBOX_POSTGRES},
}
"""From a schema version to the next: the statements for each dialect. Version 1 is the first."""
