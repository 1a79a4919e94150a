"""What a store can say about itself: for `store info`, `log stats` and `doctor`."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from leadflow.persistence.codec import to_moment
from leadflow.persistence.master_key import open_to_others
from leadflow.persistence.store import Store


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store, described; sizes are in bytes, of all its tables and indexes."""

    url: str
    dialect: str
    server: str
    """`SQLite 3.45.1`, or the PostgreSQL server's version."""
    schema_version: int
    store_id: str
    created_at: str
    position: int
    leads: int
    last_recorded_at: datetime | None
    by_topic: dict[str, int]
    size: int
    key_place: str
    """Where the master key comes from."""
    warnings: tuple[str, ...]


def describe(store: Store) -> StoreInfo:
    """Look at a store; counts every event, which takes a moment on a large one."""
    head = store.head()
    with store.transaction(write=False) as cursor:
        cursor.execute("SELECT name, value FROM leadflow_meta")
        meta = dict(cursor.fetchall())
        cursor.execute("SELECT topic, count(*) FROM stored_events GROUP BY topic ORDER BY topic")
        by_topic: dict[str, int] = dict(cursor.fetchall())
        cursor.execute(
            "SELECT count(*) FROM stored_events"
            " WHERE originator_version = 1 AND topic >= 'lead.' AND topic < 'lead/'"
        )
        leads: int = cursor.fetchone()[0]
        server, size = _database(store, cursor)
    return StoreInfo(
        url=store.url,
        dialect=store.dialect,
        server=server,
        schema_version=int(meta["schema_version"]),
        store_id=meta["store_id"],
        created_at=meta["created_at"],
        position=head.position,
        leads=leads,
        last_recorded_at=to_moment(head.recorded_at) if head.position else None,
        by_topic=by_topic,
        size=size,
        key_place=store.key_source.place,
        warnings=tuple(_warnings(store)),
    )


def _database(store: Store, cursor: Any) -> tuple[str, int]:
    if store.dialect == "sqlite":
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return f"SQLite {sqlite3.sqlite_version}", cursor.fetchone()[0]
    cursor.execute(
        "SELECT current_setting('server_version'), sum(pg_total_relation_size(name::regclass))"
        " FROM unnest(ARRAY['stored_events', 'commands', 'lead_keys', 'lead_addresses']) name"
    )
    version, size = cursor.fetchone()
    return f"PostgreSQL {version}", int(size)


def _warnings(store: Store) -> list[str]:
    found: list[str] = []
    file: Path | None = store.key_source.file
    if file is not None and open_to_others(file):
        found.append(f"the key file {file} can be read by others than its owner: chmod 600 it")
    if store.dialect == "sqlite" and has_wal_bug(sqlite3.sqlite_version_info):
        found.append(
            f"SQLite {sqlite3.sqlite_version} has a rare fault that can damage a write-ahead log"
            " under many writers; 3.51.3, 3.50.7 and 3.44.6 are the first without it"
        )
    return found


def has_wal_bug(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite may damage its write-ahead log when a checkpoint meets a commit."""
    if version >= (3, 51, 3):
        return False
    return not any(fixed <= version < (*fixed[:2], 99) for fixed in ((3, 50, 7), (3, 44, 6)))
