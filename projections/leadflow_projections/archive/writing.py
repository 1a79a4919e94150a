"""Writing one segment: beside its name, hashed, on the disk, and then renamed."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from leadflow_projections.archive.columns import fingerprint, write_select
from leadflow_projections.archive.manifest import (
    Manifest,
    data_name,
    footer_hash,
    manifest_name,
)
from leadflow_projections.archive.twin import TEMPORARY, Archive
from leadflow_projections.event_sql import literal

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

ROW_GROUP: Final = 61_440
"""Rows that the engine gathers before it writes them: half of a full segment."""
_LEVEL: Final = 1
"""Of zstd: higher ones took longer and made the files hardly smaller."""
_DICTIONARY: Final = 1_000
"""Values of a column up to which a dictionary pays: ids have none in common."""


def make_folder(archive: Archive, like: Path | None) -> None:
    """Make the twin's folder, open to those to whom the store's file is."""
    mode = None if like is None else stat.S_IMODE(like.stat().st_mode) & 0o666
    if not archive.exists:
        archive.folder.mkdir(parents=True, exist_ok=True)
        archive.folder.chmod(0o700 if mode is None else mode | (mode & 0o444) >> 2)


def write_segment(
    archive: Archive,
    engine: DuckDBPyConnection,
    *,
    rows: Sequence[pa.Table],
    base: Manifest | None,
    hashes: tuple[str, str],
    mode: int,
) -> Manifest:
    """Write trusted log rows as one segment, with those of the one that it replaces.

    Args:
        archive: where.
        engine: what decodes and writes.
        rows: consecutive positions that `judging.trusted` has gone through.
        base: the segment that holds the positions before them, to become part of this one.
        hashes: the log's, before the first event and at the last one.
        mode: the permissions of the files.

    Raises:
        OSError, duckdb.Error: nothing that readers see has changed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = pa.concat_tables(rows)
    bounds: Any = pc
    first, last = (bounds.min_max(table["position"]).as_py()[end] for end in ("min", "max"))
    moments = bounds.min_max(table["recorded_at"]).as_py()
    since = moments["min"]
    parts = [write_select("sealing")]
    if base is not None:
        first, since = base.first, base.recorded_from
        parts.insert(0, f"FROM read_parquet({literal(str(archive.path(base)))})")
    name = data_name(first, last)
    beside = archive.folder / (name + TEMPORARY)
    engine.register("sealing", table)
    try:
        engine.execute(
            f"COPY ({' UNION ALL '.join(parts)}) TO {literal(str(beside))} (FORMAT parquet, "
            f"COMPRESSION zstd, COMPRESSION_LEVEL {_LEVEL}, ROW_GROUP_SIZE {ROW_GROUP}, "
            f"DICTIONARY_SIZE_LIMIT {_DICTIONARY})"
        )
        with beside.open("rb") as file:
            os.fchmod(file.fileno(), mode)
            content = hashlib.file_digest(file, "sha256").hexdigest()
            size = os.fstat(file.fileno()).st_size
            manifest = Manifest(
                first=first,
                last=last,
                previous_hash=hashes[0],
                last_hash=hashes[1],
                recorded_from=since,
                recorded_to=moments["max"],
                schema=fingerprint(),
                file=name,
                size=size,
                content_hash=content,
                footer_hash=footer_hash(file.read, file.seek, size),
            )
            os.fsync(file.fileno())
        beside.rename(archive.folder / name)
        _publish(archive.folder, manifest, mode)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    finally:
        engine.unregister("sealing")
    return manifest


def _publish(folder: Path, manifest: Manifest, mode: int) -> None:
    """Write the manifest: from now on readers see the segment."""
    final = folder / manifest_name(manifest.first)
    beside = folder / f"{manifest.file}.json{TEMPORARY}"
    try:
        with beside.open("w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(manifest.to_text())
            file.flush()
            os.fsync(file.fileno())
        # The segment's own name must not be lost while the manifest's stays.
        sync_folder(folder)
        beside.rename(final)
        sync_folder(folder)
    except BaseException:
        beside.unlink(missing_ok=True)
        (folder / manifest.file).unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """See that names given in a folder are on the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
