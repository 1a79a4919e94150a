"""The two sides of a diff, a live build and its shadow, brought to one position in the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from leadflow_projections.folding import Fold
from leadflow_projections.reaches import NOTHING, Reach, fold_between
from leadflow_projections.rest import from_rest_select
from leadflow_projections.snapshots import Snapshot, of_then, snapshot
from leadflow_projections.sql import SQL_TYPES, physical_columns, quoted
from leadflow_projections.stored_rows import Wanted
from leadflow_projections.taking import Type
from leadflow_projections.views import public_types, view_select

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from leadflow.persistence.store import Store
    from leadflow_projections.algebra import Table
    from leadflow_projections.builds import Build
    from leadflow_projections.following import Followed
    from leadflow_projections.sourcing import Origin

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Pair:
    """A projection's live build and the shadow that may take its place."""

    live: Build
    shadow: Followed

    @property
    def is_same_definition(self) -> bool:
        """Whether this program's definition made the live one too, so that it can fold for it."""
        return self.live.fingerprint == self.shadow.build.fingerprint


@dataclass(frozen=True, slots=True)
class Side:
    """One table of one side in the engine."""

    rows: str
    """The engine's table of physical rows."""
    shown: str
    """The engine's table of what readers see."""
    columns: Sequence[str]
    """Those of `shown`."""


@dataclass(frozen=True, slots=True)
class TableSides:
    """One table of both sides; None: the live build has no such table."""

    table: Table
    live: Side | None
    shadow: Side


@dataclass(frozen=True, slots=True)
class PairTaken:
    """Both sides of one projection, at one position."""

    pair: Pair
    position: int
    tables: Sequence[TableSides]


def take_sides(
    store: Store,
    engine: DuckDBPyConnection,
    pairs: Sequence[Pair],
    *,
    origin: Origin = "auto",
    tell: Tell | None = None,
) -> list[PairTaken]:
    """Read both sides of every pair in one snapshot, and bring the side that lags up in the engine.

    A live build of another definition cannot be brought up by this program: then the shadow's
    rows are folded to where that one is.

    Raises:
        BuildMissing: a build was dropped meanwhile.
        LogCorrupt: an event is missing or cannot be read.
    """
    same = [pair for pair in pairs if pair.is_same_definition]
    others = {pair.live.key: _Foreign(store, pair) for pair in pairs if pair not in same}
    shadows = [pair.shadow for pair in pairs]
    lives = [_as_followed(pair) for pair in same]
    further = [wanted for other in others.values() for wanted in other.wanted()]
    taken = snapshot(store, engine, [*shadows, *lives], further)
    of = {then.build.key: then for then in taken}
    targets = {
        pair.live.key: _furthest(of[pair.live.key], of[pair.shadow.build.key])
        if pair in same
        else of_then(engine, pair.live).reach
        for pair in pairs
    }
    moves = [_Move(of[p.shadow.build.key], p.shadow, targets[p.live.key]) for p in pairs]
    moves += [_Move(of[p.live.key], _as_followed(p), targets[p.live.key]) for p in same]
    for move in moves:
        move.make_rows(engine)
    _bring_up(store, engine, [move for move in moves if move.lags], origin, tell)
    for move in moves:
        move.show(engine)
    return [
        PairTaken(
            pair,
            min(targets[pair.live.key]),
            [
                TableSides(
                    table,
                    _side(pair.live, table)
                    if pair in same
                    else others[pair.live.key].side(engine, table),
                    _side(pair.shadow.build, table),
                )
                for table in pair.shadow.projection.tables
            ],
        )
        for pair in pairs
    ]


def _as_followed(pair: Pair) -> Followed:
    from leadflow_projections.following import Followed

    return Followed(pair.live, pair.shadow.projection)


def _furthest(one: Snapshot, other: Snapshot) -> Reach:
    return tuple(map(max, one.reach, other.reach))


def _rows_name(build: Build, table: Table) -> str:
    return f"rows__{table.name}__{build.version}_{build.build}"


def _shown_name(build: Build, table: Table) -> str:
    return f"shown__{table.name}__{build.version}_{build.build}"


def _side(build: Build, table: Table) -> Side:
    return Side(_rows_name(build, table), _shown_name(build, table), list(public_types(table)))


@dataclass(frozen=True, slots=True)
class _Move:
    """A build's rows in the engine, and where they are to be brought."""

    then: Snapshot
    followed: Followed
    target: Reach

    @property
    def lags(self) -> bool:
        return self.then.reach != self.target

    @property
    def is_beyond(self) -> bool:
        """Whether some of its rows have events that the target has not."""
        return any(at > upto for at, upto in zip(self.then.reach, self.target, strict=True))

    @property
    def begin(self) -> Reach:
        return NOTHING if self.is_beyond else self.then.reach

    def make_rows(self, engine: DuckDBPyConnection) -> None:
        """Physical rows from those at rest."""
        for table in self.followed.projection.tables:
            stored, rows = self.followed.stored(table), _rows_name(self.then.build, table)
            select = from_rest_select(table, quoted(stored))
            engine.execute(f"CREATE OR REPLACE TABLE {quoted(rows)} AS {select}")
            engine.execute(f"DROP TABLE {quoted(stored)}")

    def merge(self, engine: DuckDBPyConnection, fold: Fold) -> None:
        """Take what was folded into the rows, whose untouched ones stay as they are."""
        for table in self.followed.projection.tables:
            rows = quoted(_rows_name(self.then.build, table))
            if self.is_beyond:
                engine.execute(f"CREATE OR REPLACE TABLE {rows} AS {fold.rows_of(table)}")
                continue
            keys = ", ".join(map(quoted, table.key))
            engine.execute(f"CREATE OR REPLACE TEMP TABLE touched AS {fold.keys_of(table)}")
            old = f"(SELECT o.* FROM {rows} AS o SEMI JOIN touched USING ({keys}))"
            kept = f"SELECT o.* FROM {rows} AS o ANTI JOIN touched USING ({keys})"
            engine.execute(
                f"CREATE OR REPLACE TABLE {rows} AS {kept} UNION ALL BY NAME "
                f"(FROM ({fold.rows_of(table, and_rows=old)}))"
            )

    def show(self, engine: DuckDBPyConnection) -> None:
        """What readers would see of the rows."""
        for table in self.followed.projection.tables:
            select = view_select(table, quoted(_rows_name(self.then.build, table)), "duckdb")
            shown = quoted(_shown_name(self.then.build, table))
            engine.execute(f"CREATE OR REPLACE TABLE {shown} AS {_plain(table, f'({select})')}")


def _bring_up(
    store: Store,
    engine: DuckDBPyConnection,
    moves: Sequence[_Move],
    origin: Origin,
    tell: Tell | None,
) -> None:
    """Fold for all of the same beginning and end together."""

    def way(move: _Move) -> Any:
        return move.begin, move.target, sorted(move.then.parked.items()), move.then.build.role

    for _, group in groupby(sorted(moves, key=way), key=way):
        together = list(group)
        first = together[0]
        fold = Fold(engine, [t for move in together for t in move.followed.projection.tables])
        fold_between(
            fold,
            store,
            first.begin,
            first.target,
            origin=origin,
            without=first.then.parked,
            tell=tell,
        )
        for move in together:
            move.merge(engine, fold)
        fold.clear()


def _plain(table: Table, shown: str) -> str:
    """Maps as JSON texts, which can be compared with what a database shows."""
    maps = [n for n, kind in public_types(table).items() if kind in {Type.TOTALS, Type.TEXTS}]
    if not maps:
        return f"FROM {shown}"
    texts = ", ".join(f"CAST(to_json({quoted(n)}) AS VARCHAR) AS {quoted(n)}" for n in maps)
    return f"SELECT * REPLACE ({texts}) FROM {shown}"


class _Foreign:
    """A live build of another definition: read as its view shows it, not understood further."""

    def __init__(self, store: Store, pair: Pair) -> None:
        self._pair = pair
        self._views: dict[str, list[str]] = {}
        self._tables: dict[str, list[str]] = {}
        with store.transaction(write=False) as cursor:
            for table in pair.shadow.projection.tables:
                if table.name in pair.live.view_names:
                    self._views[table.name] = _columns_of(cursor, table.name)
                    self._tables[table.name] = _columns_of(cursor, self._stored(table.name))

    def _stored(self, name: str) -> str:
        return f"{name}__{self._pair.live.version}_{self._pair.live.build}"

    def wanted(self) -> list[Wanted]:
        """Everything as texts, since the types are another definition's too."""
        found = [_texts(f"foreign__{name}", name, cols) for name, cols in self._views.items()]
        return found + [
            _texts(f"foreign_rows__{name}", self._stored(name), cols)
            for name, cols in self._tables.items()
        ]

    def side(self, engine: DuckDBPyConnection, table: Table) -> Side | None:
        if table.name not in self._views:
            return None
        build = self._pair.live
        shown, rows = _shown_name(build, table), _rows_name(build, table)
        kinds = {name: _shown_type(kind) for name, kind in public_types(table).items()}
        common = {name: kinds[name] for name in kinds if name in self._views[table.name]}
        engine.execute(
            f"CREATE OR REPLACE TABLE {quoted(shown)} AS "
            f"SELECT {_cast(common)} FROM {quoted(f'foreign__{table.name}')}"
        )
        physical = {
            name: kind if name in self._tables[table.name] else None
            for name, kind in physical_columns(table).items()
        }
        engine.execute(
            f"CREATE OR REPLACE TABLE {quoted(rows)} AS "
            f"SELECT {_physical(table, physical)} FROM {quoted(f'foreign_rows__{table.name}')}"
        )
        return Side(rows, shown, self._views[table.name])


def _columns_of(cursor: Any, name: str) -> list[str]:
    cursor.execute(f"SELECT * FROM {quoted(name)} WHERE 1 = 0")
    return [column[0] for column in cursor.description]


def _texts(into: str, source: str, columns: Sequence[str]) -> Wanted:
    casts = ", ".join(f"CAST({quoted(name)} AS text) AS {quoted(name)}" for name in columns)
    return Wanted(
        into, f"(SELECT {casts} FROM {quoted(source)}) AS s", dict.fromkeys(columns, "text")
    )


def _shown_type(kind: Type) -> str:
    if kind is Type.INSTANT:
        return "TIMESTAMP"
    kept = SQL_TYPES[kind]
    return "VARCHAR" if kept.startswith("MAP") else kept


def _cast(kinds: Mapping[str, str]) -> str:
    return ", ".join(
        f"TRY_CAST({quoted(name)} AS {kind}) AS {quoted(name)}" for name, kind in kinds.items()
    )


def _physical(table: Table, kinds: Mapping[str, str | None]) -> str:
    """Their physical columns as this program's, and nulls for those that they have not."""
    wanted = physical_columns(table)
    parts: list[str] = []
    for name, kind in kinds.items():
        if kind is None:
            parts.append(f"CAST(NULL AS {wanted[name]}) AS {quoted(name)}")
        elif kind.startswith("MAP"):
            parts.append(f"from_json({quoted(name)}, '\"{kind}\"') AS {quoted(name)}")
        else:
            parts.append(f"TRY_CAST({quoted(name)} AS {kind}) AS {quoted(name)}")
    return ", ".join(parts)
