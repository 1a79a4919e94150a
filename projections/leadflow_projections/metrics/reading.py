"""From the store's log to figures: fold what is asked about, once, and count it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from leadflow_projections.archive.twin import Archive
from leadflow_projections.engine import open_engine
from leadflow_projections.event_sql import literal
from leadflow_projections.folding import fold_log
from leadflow_projections.log_reader import open_log
from leadflow_projections.metrics.cycles import FIELDS, make_cycles, needed
from leadflow_projections.metrics.fields import (
    DIMENSION,
    ENRICHED,
    UnknownField,
    resolve,
    table_with,
    wanted,
)
from leadflow_projections.metrics.funnel import DEFAULT_STEPS, compute_funnel
from leadflow_projections.metrics.measuring import compute_durations
from leadflow_projections.metrics.selection import Reading, Selection
from leadflow_projections.moments import moment

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence
    from datetime import datetime

    from duckdb import DuckDBPyConnection

    from leadflow.domain.stages import Stage
    from leadflow.persistence.store import Store
    from leadflow_projections.metrics.durations import Durations
    from leadflow_projections.metrics.figures import Funnel


def read_funnel(
    log: Store | Archive,
    selection: Selection | None = None,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    steps: Sequence[Stage] = DEFAULT_STEPS,
    strict: bool = False,
    list_leads: bool = False,
) -> Funnel:
    """The funnel of a log.

    Args:
        log: the store; no projection need run. Or the twin of its log alone, an `Archive`.
        selection: which cycles, grouped by what; None means all, as one.
        as_of: what had happened by then (inclusive); None means everything.
        known_at: what the log had learnt of by then (inclusive).
        steps: the steps shown, in the order of the process.
        strict: count entered steps only, not those that were skipped.
        list_leads: give the leads behind every figure too.

    Raises:
        UnknownField: when the selection names a field that no lead has.
    """
    selection = selection or Selection()
    own = needed(selection.fields)
    with _cycles(log, selection, as_of, known_at, own) as (connection, reading):
        return compute_funnel(
            connection, reading, selection, steps=steps, strict=strict, list_leads=list_leads
        )


def read_durations(
    log: Store | Archive,
    selection: Selection | None = None,
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    list_leads: bool = False,
) -> Durations:
    """Lead time and time to handover; the arguments are those of `read_funnel`."""
    selection = selection or Selection()
    with _cycles(log, selection, as_of, known_at, FIELDS) as (connection, reading):
        return compute_durations(connection, reading, selection, list_leads=list_leads)


@contextmanager
def _cycles(
    log: Store | Archive,
    selection: Selection,
    as_of: datetime | None,
    known_at: datetime | None,
    own: Collection[str],
) -> Generator[tuple[DuckDBPyConnection, Reading]]:
    fields = wanted(selection.fields)
    with open_engine() as connection:
        folded = fold_log(
            connection,
            log,
            [table_with(fields, own)],
            as_of=as_of,
            known_at=known_at,
            by_person=True,
            zone=ZoneInfo(selection.zone),
        )
        try:
            named = resolve(connection, fields)
        except UnknownField as unknown:
            known = [*FIELDS, *_own_fields(connection, log)]
            raise UnknownField(unknown.field, known) from None
        make_cycles(connection, zone=selection.zone, named=named, fields=own)
        reading = Reading(
            position=folded.position,
            moment=as_of or known_at or _present(log),
            as_of=as_of,
            known_at=known_at,
            assumed=folded.assumed,
        )
        yield connection, reading


def _present(log: Store | Archive) -> datetime:
    """The store's present; of a twin alone the last moment that it knows of."""
    if isinstance(log, Archive):
        return moment(log.survey().segments[-1].recorded_to)
    return log.now()


def _own_fields(connection: DuckDBPyConnection, log: Store | Archive) -> list[str]:
    """The dimensions and enriched fields that the log's leads have."""
    if isinstance(log, Archive):
        files = ", ".join(literal(str(log.path(each))) for each in log.survey().segments)
        return sorted(_names(connection, f"read_parquet([{files}])", "{0}, '$'"))
    found: set[str] = set()
    with open_log(log) as batches:
        for chunk in batches:
            connection.register("chunk", chunk)
            found |= _names(connection, "chunk", "decode(state), '$.{0}'")
            connection.unregister("chunk")
    return sorted(found)


def _names(connection: DuckDBPyConnection, rows: str, document: str) -> set[str]:
    found: set[str] = set()
    for path, prefix in (("dimensions", DIMENSION), ("fields", ENRICHED)):
        names = connection.execute(
            f"SELECT DISTINCT unnest(json_keys({document.format(path)})) FROM {rows} "
            "WHERE topic = 'lead.enriched'"
        ).fetchall()
        found.update(prefix + name for (name,) in names)
    return found
