"""Whatever becomes of a twin's files, figures are those of the log, and it is made again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.archive.manifest import Manifest
from leadflow_projections.archive.twin import Archive
from leadflow_projections.archive.verifying import verify_twin
from leadflow_projections.errors import ArchiveDamaged
from leadflow_projections.sourcing import Origin
from tests.integration.archive.twins import SHIPPED_TABLES, rows_from, seal_all, twin_of
from tests.integration.projections.many import record_many

LEADS = 1_000
EVENTS = 4 * LEADS
SIZE = 1_000
VICTIM = 1_001
"""The first position of the segment that is damaged."""


def rows(log: Store | Archive, origin: Origin = "auto") -> dict[str, list[tuple[Any, ...]]]:
    """What a fold of one table gives; `tests/property/test_twin.py` folds them all."""
    return rows_from(log, origin=origin, tables=SHIPPED_TABLES[:1])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("damaged")
    with open_store(f"sqlite:///{folder}/leads.db", create=True) as opened:
        assert record_many(opened, LEADS) == EVENTS
        yield opened


@pytest.fixture
def sealed(store: Store) -> Store:
    """The store, all of it sealed in four segments; whatever was wrong is mended."""
    assert seal_all(store, SIZE).end == EVENTS
    assert not verify_twin(store, twin_of(store, SIZE)).differences
    return store


def victim(store: Store) -> Manifest:
    [found] = [s for s in twin_of(store, SIZE).survey().segments if s.first == VICTIM]
    return found


def file_of_victim(store: Store) -> Path:
    return twin_of(store, SIZE).path(victim(store))


def flipped(path: Path, at: int) -> None:
    """One bit of one byte turned over; a negative place counts from the end."""
    content = bytearray(path.read_bytes())
    content[at] ^= 0x10
    path.write_bytes(content)


def footer_at(store: Store) -> int:
    """Where the Parquet footer of the victim's file begins, from its end."""
    content = file_of_victim(store).read_bytes()
    return -8 - int.from_bytes(content[-8:-4], "little")


def manifest_of_victim(store: Store) -> Path:
    return twin_of(store, SIZE).folder / f"{VICTIM:012d}.json"


def lose_both(store: Store) -> None:
    file_of_victim(store).unlink()
    manifest_of_victim(store).unlink()


def swap_with_a_neighbour(store: Store) -> None:
    """A good file of other positions under this one's name."""
    neighbour = next(s for s in twin_of(store, SIZE).survey().segments if s.first == 2_001)
    file_of_victim(store).write_bytes(twin_of(store, SIZE).path(neighbour).read_bytes())


DAMAGES: dict[str, Callable[[Store], object]] = {
    "file deleted": lambda s: file_of_victim(s).unlink(),
    "manifest deleted": lambda s: manifest_of_victim(s).unlink(),
    "both deleted": lose_both,
    "file truncated": lambda s: file_of_victim(s).write_bytes(file_of_victim(s).read_bytes()[:-99]),
    "file empty": lambda s: file_of_victim(s).write_bytes(b""),
    "file longer": lambda s: file_of_victim(s).write_bytes(file_of_victim(s).read_bytes() + b"x"),
    "another's file": swap_with_a_neighbour,
    "first byte": lambda s: flipped(file_of_victim(s), 0),
    "a data page": lambda s: flipped(file_of_victim(s), 200),
    "the middle": lambda s: flipped(file_of_victim(s), len(file_of_victim(s).read_bytes()) // 2),
    "the footer": lambda s: flipped(file_of_victim(s), footer_at(s) + 20),
    "the footer's length": lambda s: flipped(file_of_victim(s), -6),
    "the closing mark": lambda s: flipped(file_of_victim(s), -1),
    "manifest empty": lambda s: manifest_of_victim(s).write_bytes(b""),
    "manifest half written": lambda s: manifest_of_victim(s).write_bytes(
        manifest_of_victim(s).read_bytes()[:90]
    ),
    "a byte of the manifest": lambda s: flipped(manifest_of_victim(s), 30),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_noticed_named_and_made_again(
    sealed: Store, damage: Callable[[Store], object], caplog: pytest.LogCaptureFixture
) -> None:
    whole = rows(sealed, origin="log")
    assert rows(sealed, origin="archive") == whole
    damage(sealed)

    assert rows(sealed) == whole, "the log is read in its stead"
    assert "segment 1001-2000" in caplog.text
    with pytest.raises(ArchiveDamaged, match="segment 1001-2000"):
        rows(sealed, origin="archive")
    with pytest.raises(ArchiveDamaged, match="segment 1001-2000"):
        rows(twin_of(sealed, SIZE))
    found = verify_twin(sealed, twin_of(sealed, SIZE))
    assert [each.name for each in found.differences] == ["1001-2000"]
    assert found.segments == 3

    again = seal_all(sealed, SIZE)
    assert [each.name for each in again.segments] == ["1001-2000"], "no other is written again"
    assert rows(sealed, origin="archive") == whole
    assert twin_of(sealed, SIZE).survey().leftovers == ()


@pytest.mark.parametrize("seed", range(6))
def test_any_byte_of_any_file(sealed: Store, seed: int) -> None:
    chance = random.Random(seed)
    whole = rows(sealed, origin="log")
    for _ in range(4):
        paths = sorted(p for p in twin_of(sealed, SIZE).folder.iterdir() if p.stat().st_size > 99)
        path = chance.choice(paths)
        flipped(path, chance.randrange(path.stat().st_size))
    assert rows(sealed) == whole
    assert verify_twin(sealed, twin_of(sealed, SIZE)).differences


def test_a_segment_forged_with_all_its_hashes_is_found_by_verify(sealed: Store) -> None:
    """Only a comparison with the log itself can tell, and `archive verify` makes it."""
    import duckdb

    from leadflow_projections.archive.manifest import footer_hash

    segment = victim(sealed)
    archive = twin_of(sealed, SIZE)
    path = archive.path(segment)
    other = path.with_suffix(".other")
    duckdb.execute(
        f"COPY (SELECT * REPLACE (points + 1 AS points) FROM read_parquet('{path}')) "
        f"TO '{other}' (FORMAT parquet)"
    )
    other.rename(path)
    import hashlib
    from dataclasses import replace

    content = path.read_bytes()
    with path.open("rb") as file:
        footer = footer_hash(file.read, file.seek, len(content))
    forged = replace(
        segment,
        size=len(content),
        content_hash=hashlib.sha256(content).hexdigest(),
        footer_hash=footer,
    )
    manifest_of_victim(sealed).write_text(forged.to_text())
    [difference] = verify_twin(sealed, archive).differences
    assert difference.name == "1001-2000"
    assert difference.why == "it does not hold the events that the log has"
    path.unlink()
