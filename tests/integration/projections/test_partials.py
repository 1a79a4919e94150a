"""A fold's memory, and how a fold that was killed goes on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, Room, rows_name
from leadflow_projections.judging import trusted
from leadflow_projections.log_reader import batch_of
from leadflow_projections.partials import Spool
from leadflow_projections.registry import SHIPPED
from leadflow_projections.rest import at_rest_select
from leadflow_projections.sql import quoted
from tests.integration.projections.many import events
from tests.property.histories import log_of

TABLES = [table for projection in SHIPPED.values() for table in projection.tables]
LEADS = 60
PIECE = 40
Rows = dict[str, list[tuple[Any, ...]]]

_PEAK = """
import sys
from leadflow_projections.engine import open_engine
from leadflow_projections.folding import Fold, Room
from leadflow_projections.memory import own_peak_megabytes
from leadflow_projections.registry import SHIPPED
from leadflow_projections.sql import SQL_TYPES

events, step = int(sys.argv[1]), 20_000
tables = [table for projection in SHIPPED.values() for table in projection.tables]
with open_engine(threads=1) as engine:
    fold = Fold(engine, tables, room=Room(partial_rows=20_000))
    fields = "".join(f', CAST(NULL AS {SQL_TYPES[k]}) AS "{n}"' for n, k in fold.fields.items()
                     if n not in ("entered", "points", "source"))
    for first in range(0, events, step):
        fold.add_decoded(
            "SELECT range + 1 AS position, 0 AS recorded_at, 'lead.scored' AS topic, "
            "CAST(md5(CAST(range // 2 AS VARCHAR)) AS UUID) AS lead_id, 1::BIGINT AS cycle, "
            "range * 1000000 AS occurred_at, CAST(0 AS BIGINT) AS basis, false AS irregular, "
            "'captured' AS entered, range % 9 AS points, 'source ' || range % 99 AS source"
            f"{fields} FROM range({first}, {first + step})",
            events=step, position=first + step)
    for table in tables:
        for within in fold.slices(table):
            engine.execute(f"CREATE OR REPLACE TABLE t AS {fold.rows_of(table, within=within)}")
    assert (fold.events, fold.position) == (events, events)
print(own_peak_megabytes())
"""


def chunks() -> list[pa.Table]:
    """A log in small pieces."""
    log = trusted(log_of(list(events(LEADS))))
    return [log.slice(first, PIECE) for first in range(0, log.num_rows, PIECE)]


def rows_of(fold: Fold) -> Rows:
    """Every table's rows at rest, in order."""
    engine, found = fold.connection, {}
    fold.finish()
    for table in fold.tables:
        order = ", ".join(map(quoted, table.key))
        select = f"{at_rest_select(table, rows_name(table))} ORDER BY {order}"
        found[table.name] = engine.execute(select).fetchall()
    return found


@pytest.fixture
def whole() -> Rows:
    """What folding everything at once gives."""
    with open_engine(threads=1) as engine:
        fold = Fold(engine, TABLES)
        fold.add(pa.concat_tables(chunks()))
        return rows_of(fold)


def killed(folder: Path, pieces: int) -> None:
    """Fold some pieces into a spool, and leave it as a killed process does."""
    with open_engine(threads=1) as engine:
        fold = Fold(engine, TABLES, spool=Spool(folder, "a"), room=Room(unspooled=2 * PIECE))
        for chunk in chunks()[:pieces]:
            fold.add(chunk)


def gone_on_with(folder: Path, stamp: str = "a") -> tuple[int, Rows]:
    """From where a new fold goes on, and the rows at its end."""
    with open_engine(threads=1) as engine:
        fold = Fold(engine, TABLES, spool=Spool(folder, stamp))
        begin = fold.position
        assert fold.events == begin
        for chunk in chunks()[begin // PIECE :]:
            fold.add(chunk)
        assert fold.events == fold.position == LEADS * 4
        return begin, rows_of(fold)


def test_a_killed_fold_goes_on_from_its_last_file(tmp_path: Path, whole: Rows) -> None:
    killed(tmp_path / "spool", 5)
    begin, rows = gone_on_with(tmp_path / "spool")
    assert begin == 4 * PIECE
    assert rows == whole
    assert not (tmp_path / "spool").exists(), "nothing is left at the end"


@pytest.mark.parametrize("harm", ["cut", "gone", "manifest cut", "manifest gone", "of another"])
def test_a_spool_that_is_not_whole_or_not_ours_is_thrown_away(
    tmp_path: Path, whole: Rows, harm: str
) -> None:
    folder = tmp_path / "spool"
    killed(folder, 5)
    file, *_ = sorted(folder.glob("*.parquet"))
    manifest = folder / "spool.json"
    if harm == "cut":
        file.write_bytes(file.read_bytes()[:-10])
    elif harm == "gone":
        file.unlink()
    elif harm == "manifest cut":
        manifest.write_text(manifest.read_text()[:-10])
    elif harm == "manifest gone":
        manifest.unlink()
    begin, rows = gone_on_with(folder, "b" if harm == "of another" else "a")
    assert (begin, rows) == (0, whole)


def test_what_was_read_out_of_order_is_not_gone_on_from(tmp_path: Path) -> None:
    with open_engine(threads=1) as engine:
        spool = Spool(tmp_path / "spool")
        fold = Fold(engine, TABLES, spool=spool, room=Room(unspooled=1))
        fold.add(chunks()[1])
        assert (fold.position, fold.events, spool.position) == (2 * PIECE, PIECE, 0)
        fold.add(chunks()[0])
        assert spool.position == 2 * PIECE


def test_an_empty_log_gives_empty_tables() -> None:
    with open_engine(threads=1) as engine:
        fold = Fold(engine, TABLES)
        fold.add_all([])
        fold.add_all([pa.Table.from_batches([batch_of([])])])
        assert [fold.slices(table) for table in TABLES] == [[None]] * len(TABLES)
        assert rows_of(fold) == {table.name: [] for table in TABLES}


def test_memory_stays_flat_however_long_the_log() -> None:
    short, long = (
        float(subprocess.check_output([sys.executable, "-c", _PEAK, str(events)]))
        for events in (80_000, 400_000)
    )
    assert long < short * 1.25, f"{short:.0f} MB for 80,000 events, {long:.0f} for 400,000"
