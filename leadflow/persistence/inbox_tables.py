"""The tables of the inbox: offsets, dead letters, held facts; the same SQL on both stores."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast
from uuid import UUID

from leadflow.errors import InboxTaken
from leadflow.persistence.codec import to_microseconds
from leadflow.persistence.inbox import (
    DeadLetterRow,
    HeldRow,
    InboxChanges,
    OffsetMove,
    OffsetRow,
    Origin,
)
from leadflow.persistence.store import Cursor, Store

Dialect = Literal["sqlite", "postgresql"]

_OFFSET: Final = "topic, topic_partition, topic_id, next_offset, holder, moved_at"
_ORIGIN: Final = ("topic", "topic_id", "topic_partition", "message_offset")
_DEAD: Final = (
    "letter_id",
    *_ORIGIN,
    *("lead_id", "source", "type", "reason", "attempt", "failed_at", "expires_at"),
    *("published", "sealed"),
)
_HELD: Final = (
    "held_id",
    *_ORIGIN,
    *("lead_id", "lead_version", "subject", "source", "type", "held_at", "held_until", "sealed"),
)
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters; what is None does not matter."""

    reason: str | None = None
    source: str | None = None
    type: str | None = None
    topic: str | None = None
    since: int | None = None
    """Failed at this moment or later, in microseconds since the epoch."""
    until: int | None = None
    """Failed at this moment or before."""
    lead_id: UUID | None = None
    published: bool | None = None

    def conditions(self) -> Iterator[tuple[str, object]]:
        for column in ("reason", "source", "type", "topic", "lead_id", "published"):
            value = getattr(self, column)
            if value is not None:
                yield f"{column} = ?", value
        if self.since is not None:
            yield "failed_at >= ?", self.since
        if self.until is not None:
            yield "failed_at <= ?", self.until


def write_changes(cursor: Cursor, changes: InboxChanges, dialect: Dialect, now: int) -> None:
    """Write what an append brings for the inbox, in its transaction.

    Raises:
        InboxTaken: an offset is not where its holder left it, or a message was settled.
    """
    if changes.offsets:
        _move(cursor, changes.offsets, dialect, now)
    _settle(cursor, "held_facts", "held_id", changes.settled_held, dialect)
    _settle(cursor, "dead_letters", "letter_id", changes.settled_letters, dialect)
    if changes.dead:
        rows = [_dead_values(row, dialect) for row in changes.dead]
        cursor.executemany(_upsert("dead_letters", _DEAD, dialect), rows)
    if changes.held:
        rows = [_held_values(row, dialect) for row in changes.held]
        cursor.executemany(_upsert("held_facts", _HELD, dialect), rows)


def forget_leads(cursor: Cursor, leads: Collection[UUID], dialect: Dialect) -> None:
    """Remove what the inbox keeps of leads that are erased."""
    if not leads:
        return
    ids = [(_id(lead, dialect),) for lead in leads]
    cursor.executemany(_marked("DELETE FROM dead_letters WHERE lead_id = ?", dialect), ids)
    cursor.executemany(_marked("DELETE FROM held_facts WHERE lead_id = ?", dialect), ids)


def _move(cursor: Cursor, moves: Sequence[OffsetMove], dialect: Dialect, now: int) -> None:
    query = (
        "UPDATE inbox_offsets SET next_offset = ?, moved_at = ? WHERE topic = ?"
        " AND topic_partition = ? AND topic_id = ? AND holder = ? AND next_offset = ?"
    )
    cursor.executemany(
        _marked(query, dialect),
        [
            (
                *(move.next_offset, now, move.topic, move.partition),
                *(_id(move.topic_id, dialect), move.holder, move.expected),
            )
            for move in moves
        ],
    )
    if cursor.rowcount != len(moves):
        places = ", ".join(f"{move.topic}/{move.partition}" for move in moves)
        raise InboxTaken(
            f"another worker has moved the offset of {places}; nothing was recorded",
            hint="It reads on from there; this worker takes up what is left to it.",
        )


def _settle(cursor: Cursor, table: str, key: str, ids: Collection[UUID], dialect: Dialect) -> None:
    if not ids:
        return
    query = _marked(f"DELETE FROM {table} WHERE {key} = ?", dialect)
    cursor.executemany(query, [(_id(one, dialect),) for one in ids])
    if cursor.rowcount != len(ids):
        raise InboxTaken(
            "another process has settled one of these messages; nothing was recorded",
            hint="Look at what is left by `leadflow dead-letters list`.",
        )


# Offsets


def claim(store: Store, move: OffsetMove) -> OffsetRow:
    """Make a worker the holder of a partition, from where the database says.

    Without a row, and where the row is of an earlier topic of that name, `next_offset`
    begins one; `expected` does not matter.

    Returns:
        The row as it is now.
    """
    now = _now(store)
    with store.transaction(write=True) as cursor:
        cursor.execute(
            _marked(
                f"INSERT INTO inbox_offsets ({_OFFSET}) VALUES (?,?,?,?,?,?)"
                " ON CONFLICT (topic, topic_partition) DO UPDATE SET"
                " next_offset = CASE WHEN inbox_offsets.topic_id = excluded.topic_id"
                " THEN inbox_offsets.next_offset ELSE excluded.next_offset END,"
                " topic_id = excluded.topic_id, holder = excluded.holder"
                f" RETURNING {_OFFSET}",
                store.dialect,
            ),
            (
                *(move.topic, move.partition, _id(move.topic_id, store.dialect)),
                *(move.next_offset, move.holder, now),
            ),
        )
        return _offset(cursor.fetchone())


def skip_to(store: Store, move: OffsetMove) -> None:
    """Move an offset on over messages that the topic has no more.

    Raises:
        InboxTaken: it is not where its holder left it.
    """
    now = _now(store)
    with store.transaction(write=True) as cursor:
        _move(cursor, [move], store.dialect, now)


def offsets(store: Store, topic: str | None = None) -> list[OffsetRow]:
    """How far every partition was read, in order of topic and partition."""
    where = "" if topic is None else " WHERE topic = ?"
    query = f"SELECT {_OFFSET} FROM inbox_offsets{where} ORDER BY topic, topic_partition"
    return [_offset(row) for row in _rows(store, query, () if topic is None else (topic,))]


def _offset(row: Sequence[Any]) -> OffsetRow:
    topic, partition, topic_id, next_offset, holder, moved_at = row
    return OffsetRow(topic, partition, _uuid(topic_id), next_offset, holder, moved_at)


# Dead letters


def dead_letters(
    store: Store, which: LetterFilter | None = None, *, limit: int = -1
) -> list[DeadLetterRow]:
    """Dead letters, the oldest first; all of them with a negative `limit`."""
    found = list((which or LetterFilter()).conditions())
    where = " AND ".join(condition for condition, _ in found) or "1 = 1"
    query = (
        f"SELECT {', '.join(_DEAD)} FROM dead_letters WHERE {where}"
        " ORDER BY failed_at, topic, topic_partition, message_offset LIMIT ?"
    )
    values = [_plain(value, store.dialect) for _, value in found]
    most = 2**62 if limit < 0 else limit
    return [_dead(row) for row in _rows(store, query, (*values, most))]


def count_dead_letters(store: Store) -> dict[str, int]:
    """How many dead letters there are for each reason."""
    query = "SELECT reason, count(*) FROM dead_letters GROUP BY reason ORDER BY reason"
    return dict(cast("list[tuple[str, int]]", _rows(store, query)))


def mark_published(store: Store, letters: Collection[UUID]) -> None:
    """Say that the topic of dead letters has these."""
    query = "UPDATE dead_letters SET published = ? WHERE letter_id = ?"
    yes = _plain(True, store.dialect)
    with store.transaction(write=True) as cursor:
        cursor.executemany(
            _marked(query, store.dialect), [(yes, _id(one, store.dialect)) for one in letters]
        )


def discard(store: Store, letters: Collection[UUID]) -> int:
    """Remove dead letters; how many there were of them."""
    query = _marked("DELETE FROM dead_letters WHERE letter_id = ?", store.dialect)
    removed = 0
    ids = [(_id(one, store.dialect),) for one in letters]
    for start in range(0, len(ids), _PAGE):  # short transactions, as SQLite wants them
        with store.transaction(write=True) as cursor:
            cursor.executemany(query, ids[start : start + _PAGE])
            removed += cursor.rowcount
    return removed


def remove_expired(store: Store) -> int:
    """Remove the dead letters whose time is up; how many there were."""
    now = _now(store)
    query = _marked("SELECT 1 FROM dead_letters WHERE expires_at <= ? LIMIT 1", store.dialect)
    with store.transaction(write=False) as cursor:
        cursor.execute(query, (now,))
        if cursor.fetchone() is None:
            return 0
    with store.transaction(write=True) as cursor:
        cursor.execute(
            _marked("DELETE FROM dead_letters WHERE expires_at <= ?", store.dialect), (now,)
        )
        return cursor.rowcount


def _dead(row: Sequence[Any]) -> DeadLetterRow:
    letter_id, *origin, lead_id, source, type_, reason, attempt = row[:10]
    failed_at, expires_at, published, sealed = row[10:]
    return DeadLetterRow(
        letter_id=_uuid(letter_id),
        origin=_origin(origin),
        lead_id=None if lead_id is None else _uuid(lead_id),
        source=source,
        type=type_,
        reason=reason,
        attempt=attempt,
        failed_at=failed_at,
        expires_at=expires_at,
        published=bool(published),
        sealed=sealed,
    )


def _dead_values(row: DeadLetterRow, dialect: Dialect) -> tuple[object, ...]:
    return (
        _id(row.letter_id, dialect),
        *_origin_values(row.origin, dialect),
        None if row.lead_id is None else _id(row.lead_id, dialect),
        *(row.source, row.type, row.reason, row.attempt, row.failed_at, row.expires_at),
        *(_plain(row.published, dialect), row.sealed),
    )


# Held facts


def held_leads(store: Store, leads: Collection[UUID]) -> set[UUID]:
    """Those of the leads that facts are held for."""
    found = _rows(store, "SELECT DISTINCT lead_id FROM held_facts")
    return {_uuid(row[0]) for row in found} & set(leads)


def count_held(store: Store) -> int:
    """How many facts are held."""
    return cast("int", _rows(store, "SELECT count(*) FROM held_facts")[0][0])


def ripe(store: Store, *, leads: int = 100) -> list[HeldRow]:
    """The held facts of leads that have changed since, or whose time is up; in order.

    A lead has changed by an event of its own, or when the name in the message has come to
    mean another lead. At most so many `leads` at once, each with all its facts.
    """
    query = (
        f"SELECT {', '.join(_HELD)} FROM held_facts WHERE lead_id IN"
        " (SELECT w.lead_id FROM held_facts w WHERE w.held_until <= ?"
        " OR EXISTS (SELECT 1 FROM stored_events e WHERE e.originator_id = w.lead_id"
        " AND e.originator_version > w.lead_version)"
        " OR EXISTS (SELECT 1 FROM lead_aliases a WHERE a.external_id = w.subject"
        " AND a.lead_id <> w.lead_id)"
        " GROUP BY w.lead_id ORDER BY w.lead_id LIMIT ?)"
        " ORDER BY lead_id, topic, topic_partition, message_offset"
    )
    return [_held(row) for row in _rows(store, query, (_now(store), leads))]


def held_facts(store: Store) -> list[HeldRow]:
    """All held facts, by lead and in order."""
    query = (
        f"SELECT {', '.join(_HELD)} FROM held_facts"
        " ORDER BY lead_id, topic, topic_partition, message_offset"
    )
    return [_held(row) for row in _rows(store, query)]


def _held(row: Sequence[Any]) -> HeldRow:
    held_id, *origin, lead_id, version, subject, source, type_ = row[:10]
    held_at, held_until, sealed = row[10:]
    return HeldRow(
        *(_uuid(held_id), _origin(origin), _uuid(lead_id), version, subject, source, type_),
        *(held_at, held_until, sealed),
    )


def _held_values(row: HeldRow, dialect: Dialect) -> tuple[object, ...]:
    return (
        _id(row.held_id, dialect),
        *_origin_values(row.origin, dialect),
        *(_id(row.lead_id, dialect), row.lead_version, row.subject, row.source, row.type),
        *(row.held_at, row.held_until, row.sealed),
    )


# What the databases write differently


def _rows(store: Store, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
    with store.transaction(write=False) as cursor:
        cursor.execute(_marked(query, store.dialect), values)
        return cast("list[tuple[Any, ...]]", cursor.fetchall())


def _marked(query: str, dialect: Dialect) -> str:
    return query if dialect == "sqlite" else query.replace("?", "%s")


def _upsert(table: str, columns: Sequence[str], dialect: Dialect) -> str:
    marks = ",".join("?" * len(columns))
    kept = ", ".join(f"{name} = excluded.{name}" for name in columns[1:])
    query = (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})"
        f" ON CONFLICT ({columns[0]}) DO UPDATE SET {kept}"
    )
    return _marked(query, dialect)


def _origin(values: Sequence[Any]) -> Origin:
    topic, topic_id, partition, offset = values
    return Origin(topic, _uuid(topic_id), partition, offset)


def _origin_values(origin: Origin, dialect: Dialect) -> tuple[object, ...]:
    return origin.topic, _id(origin.topic_id, dialect), origin.partition, origin.offset


def _plain(value: object, dialect: Dialect) -> object:
    if dialect == "sqlite":
        if isinstance(value, bool):
            return int(value)
        if isinstance(value, UUID):
            return str(value)
    return value


def _id(value: UUID, dialect: Dialect) -> object:
    return _plain(value, dialect)


def _uuid(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


def _now(store: Store) -> int:
    return to_microseconds(store.now())
