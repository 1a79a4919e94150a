"""Following the log: batches folded, merged into the stored rows, committed with the checkpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from leadflow_projections.checkpoints import Build, advance
from leadflow_projections.folding import Fold
from leadflow_projections.judging import trusted
from leadflow_projections.log_reader import batch_of, check_whole, log_rows
from leadflow_projections.physical import select_rows, table_name, upsert_rows
from leadflow_projections.rest import at_rest_select, from_rest_select
from leadflow_projections.sql import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Projection, Table

_FIRST_LIMIT: Final = 1_000
_LEAST_LIMIT: Final = 100
_MOST_LIMIT: Final = 20_000
_LONG_SECONDS: Final = 0.04
"""A write transaction should not keep others waiting for longer."""
_SHORT_SECONDS: Final = 0.015


@dataclass
class Followed:
    """A build, and the definition that its rows are made by."""

    build: Build
    projection: Projection

    def stored(self, table: Table) -> str:
        """The stored table behind one of the projection's tables."""
        return table_name(table, self.build.version, self.build.build)


class Follower:
    """Brings builds up to the log's end, batch by batch; builds at one position together."""

    def __init__(
        self,
        store: Store,
        engine: DuckDBPyConnection,
        followed: Sequence[Followed],
        *,
        limit: int = _FIRST_LIMIT,
    ) -> None:
        """Follow a store's log; `limit` is how many events the first batch may have."""
        self._store = store
        self._engine = engine
        self._followed = list(followed)
        self._limit = limit

    @property
    def position(self) -> int:
        """The least position of the builds."""
        return min(each.build.position for each in self._followed)

    @property
    def builds(self) -> list[Build]:
        """The builds as they are now."""
        return [each.build for each in self._followed]

    def step(self) -> int:
        """Apply the next batch to the builds that are furthest behind; gives its events.

        Raises:
            BuildTaken: when somebody else moved one of them; nothing was changed.
            LogCorrupt: when an event of the batch cannot be read; nothing was changed.
        """
        behind = sorted(self._followed, key=lambda each: each.build.position)
        position, together = next(groupby(behind, key=lambda each: each.build.position))
        begun = time.monotonic()
        with self._store.transaction(write=False) as cursor:
            cursor.execute("SELECT position FROM log_head")
            (end,) = cursor.fetchone()
            if end <= position:
                return 0
            rows = log_rows(cursor, self._store.dialect, position, position + self._limit)
        check_whole([row[0] for row in rows], position)
        self._apply(list(together), trusted(pa.Table.from_batches([batch_of(rows)])), begun)
        return len(rows)

    def _apply(self, followed: Sequence[Followed], chunk: pa.Table, begun: float) -> None:
        tables = [table for each in followed for table in each.projection.tables]
        fold = Fold(self._engine, tables)
        fold.add(chunk)
        merged = [(each, self._merged(fold, each)) for each in followed]
        fold.clear()
        rate = round(chunk.num_rows / max(time.monotonic() - begun, 1e-6))
        now = self._store.now()
        locked = time.monotonic()
        with self._store.transaction(write=True) as cursor:
            moved = [
                advance(cursor, self._store.dialect, each.build, fold.position, now, rate=rate)
                for each in followed
            ]
            for each, rows_of in merged:
                for table, rows in rows_of:
                    upsert_rows(cursor, self._store.dialect, table, each.stored(table), rows)
        for each, build in zip(followed, moved, strict=True):
            each.build = build
        self._adapt(chunk.num_rows, time.monotonic() - locked)

    def _merged(self, fold: Fold, each: Followed) -> list[tuple[Table, list[tuple[Any, ...]]]]:
        """The rows of the touched keys: what the batch adds, merged with what is stored."""
        found: list[tuple[Table, list[tuple[Any, ...]]]] = []
        for table in each.projection.tables:
            keys = self._engine.execute(fold.keys_of(table)).fetchall()
            with self._store.transaction(write=False) as cursor:
                stored = select_rows(cursor, self._store.dialect, table, each.stored(table), keys)
            self._engine.register("stored", stored)
            select = fold.rows_of(table, and_rows=f"({from_rest_select(table, 'stored')})")
            order = ", ".join(map(quoted, table.key))
            rows = self._engine.execute(
                f"{at_rest_select(table, f'({select})')} ORDER BY {order}"
            ).fetchall()
            self._engine.unregister("stored")
            found.append((table, rows))
        return found

    def _adapt(self, events: int, seconds: float) -> None:
        if self._store.dialect == "sqlite" and seconds > _LONG_SECONDS:
            self._limit = max(_LEAST_LIMIT, self._limit // 2)
        elif events == self._limit and seconds < _SHORT_SECONDS:
            self._limit = min(_MOST_LIMIT, self._limit * 2)
