"""Stores with short segments, so that a few events make many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from leadflow.persistence.store import Store
from leadflow_projections.algebra import Table
from leadflow_projections.archive.logs import StoreLog, file_of
from leadflow_projections.archive.sealing import Sealed, seal, sealing
from leadflow_projections.archive.twin import Archive
from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, rows_name
from leadflow_projections.metrics.fields import table_with
from leadflow_projections.moments import microseconds
from leadflow_projections.registry import SHIPPED
from leadflow_projections.sourcing import Origin, fold_range
from leadflow_projections.sql import quoted

TABLES = (*(table for each in SHIPPED.values() for table in each.tables), table_with([]))
SHIPPED_TABLES = TABLES[:-1]


def twin_of(store: Store, size: int = 1_000) -> Archive:
    """The store's twin, with segments of so many events."""
    assert store.archive is not None
    return Archive(store.archive, size)


def seal_all(store: Store, size: int = 1_000, *, upto: int | None = None) -> Sealed:
    """Seal a store's log, or its beginning, in segments of so many events."""
    archive, log = twin_of(store, size), StoreLog(store)
    with sealing(archive, log, threads=1, like=file_of(store), thorough=True) as sealer:
        return seal(sealer, log, log.end() if upto is None else upto)


def rows_from(
    log: Store | Archive,
    *,
    origin: Origin = "auto",
    tables: Sequence[Table] = SHIPPED_TABLES,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    **how: Any,
) -> dict[str, list[tuple[Any, ...]]]:
    """The physical rows of every table, and how much was read of what."""
    with open_engine(threads=1) as engine:
        fold = Fold(engine, tables, as_of=None if as_of is None else microseconds(as_of))
        known = None if known_at is None else microseconds(known_at)
        fold_range(fold, log, origin=origin, known_at=known, **how)
        found = {"read": [(fold.position, fold.events, fold.assumed)]}
        fold.finish()
        for table in tables:
            order = ", ".join(map(quoted, table.key))
            found[table.name] = engine.execute(
                f"FROM {quoted(rows_name(table))} ORDER BY {order}"
            ).fetchall()
        return found
