"""Sealing on every store: what is written, what is made longer, what is refused."""

from __future__ import annotations

import shutil
import stat
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from leadflow import Leadflow
from leadflow.errors import LogCorrupt
from leadflow.persistence.opening import open_store
from leadflow.persistence.store import Store
from leadflow_projections.archive import behind, twin
from leadflow_projections.archive.behind import sealing_behind
from leadflow_projections.archive.manifest import manifest_name
from leadflow_projections.archive.operating import archive_of, seal_log, twin_status
from leadflow_projections.archive.twin import Archive
from leadflow_projections.archive.verifying import verify_twin
from leadflow_projections.errors import ArchiveError, ArchiveForeign
from leadflow_projections.metrics.reading import read_durations, read_funnel
from leadflow_projections.metrics.selection import Selection
from leadflow_projections.moments import moment
from leadflow_projections.runtime import rebuild
from tests.integration.archive.twins import rows_from, seal_all, twin_of
from tests.integration.projections.many import BEGIN, record_many

SIZE = 1_000


@pytest.fixture
def store(lasting: Leadflow, tmp_path: Path) -> Store:
    """A store with 3,200 events; on PostgreSQL a folder is given for its twin."""
    record_many(lasting.store, 800)
    if lasting.store.dialect == "postgresql":
        lasting.store.archive = tmp_path / "twin"
    return lasting.store


def test_what_is_sealed_folds_as_the_log_does(store: Store) -> None:
    done = seal_all(store, SIZE)
    assert [each.name for each in done.segments] == [
        "1-1000",
        "1001-2000",
        "2001-3000",
        "3001-3200",
    ]
    assert (done.events, done.end) == (3_200, 3_200)
    whole = rows_from(store, origin="log")
    assert rows_from(store, origin="archive") == whole
    assert rows_from(twin_of(store)) == whole
    assert rows_from(store, as_of=BEGIN) == rows_from(store, origin="log", as_of=BEGIN)
    assert not verify_twin(store, twin_of(store)).differences


def test_the_last_segment_is_made_longer_and_the_others_stay(store: Store) -> None:
    seal_all(store, SIZE)
    before = {p.name: p.stat().st_mtime_ns for p in twin_of(store).folder.glob("*.parquet")}
    assert record_many(store, 300, since=800) == 4_400
    tail = twin_status(store)
    assert (tail.sealed_to, tail.tail) == (3_200, 1_200)
    assert rows_from(store) == rows_from(store, origin="log"), "segments, then the tail"
    done = seal_all(store, SIZE)
    assert [each.name for each in done.segments] == ["3001-4000", "4001-4400"]
    assert done.events == 1_200, "what was sealed is not read from the log again"
    after = {p.name: p.stat().st_mtime_ns for p in twin_of(store).folder.glob("*.parquet")}
    assert len(after) == 5
    assert len(before.items() & after.items()) == 3
    assert not verify_twin(store, twin_of(store)).differences
    assert seal_all(store, SIZE).segments == []


def test_manifests_hold_the_chain(store: Store) -> None:
    seal_all(store, SIZE)
    segments = twin_of(store).survey().segments
    assert segments[0].previous_hash == "00" * 32
    for one, next_one in pairwise(segments):
        assert next_one.previous_hash == one.last_hash
        assert one.recorded_to <= next_one.recorded_from
    assert segments[-1].last_hash == store.head().hash.hex()


def test_a_cold_rebuild_seals_what_it_reads(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "SEGMENT_EVENTS", SIZE)
    expected = rows_from(store, origin="log")
    assert rows_from(store, seal=True) == expected
    assert twin_status(store).as_data() | {"size_bytes": 0} == {
        "folder": str(store.archive),
        "segments": 4,
        "events": 3_200,
        "sealed_to": 3_200,
        "size_bytes": 0,
        "high_water_mark": 3_200,
        "tail": 0,
        "damaged": [],
        "outdated": 0,
        "leftovers": [],
        "refused": None,
    }
    assert not verify_twin(store, archive_of(store)).differences
    record_many(store, 100, since=800)
    (archive_of(store).folder / manifest_name(1_001)).unlink()
    assert rows_from(store, seal=True) == rows_from(store, origin="log")
    assert twin_status(store).tail == 0, "what was lost is made again, and the tail is added"
    assert not verify_twin(store, archive_of(store)).differences


def test_rebuilding_the_read_models_seals(store: Store) -> None:
    rebuild(store)
    assert twin_status(store).tail == 0


def test_metrics_are_the_same_from_the_log_the_twin_and_a_copy(
    store: Store, tmp_path: Path
) -> None:
    at, selection = datetime(2026, 1, 1, 6, tzinfo=UTC), Selection(by="source")
    last_known = moment(store.head().recorded_at)

    def figures(log: Store | Archive) -> list[object]:
        found: list[object] = []
        for then, known in ((at, None), (None, last_known)):
            funnel = read_funnel(log, selection, as_of=then, known_at=known, list_leads=True)
            found += [funnel, read_durations(log, selection, as_of=then, known_at=known)]
        return found

    from_log = figures(store)
    seal_all(store, SIZE)
    assert figures(store) == from_log
    copy = Archive(shutil.copytree(twin_of(store).folder, tmp_path / "copy"))
    assert figures(copy) == from_log
    assert read_funnel(copy).reading.moment == last_known, "it knows of nothing later"


def test_a_twin_of_another_log_is_refused(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seal_all(store, SIZE)
    with Leadflow.open(f"sqlite:///{tmp_path}/other.db", create=True) as other:
        record_many(other.store, 900)
        other.store.archive = store.archive
        expected = rows_from(other.store, origin="log")
        for refused in (
            lambda: seal_log(other.store),
            lambda: rows_from(other.store, origin="archive"),
            lambda: verify_twin(other.store, archive_of(other.store)),
        ):
            with pytest.raises(ArchiveForeign, match="is of another log: at position 1000"):
                refused()
        status = twin_status(other.store)
        assert (status.events, status.sealed_to, status.tail) == (0, 0, 3_600)
        assert rows_from(other.store, seal=True) == expected
        assert "is of another log" in caplog.text
        assert not verify_twin(store, archive_of(store)).differences, "nothing of it was touched"
        assert seal_log(other.store, anew=True).end == 3_600
        assert rows_from(other.store, origin="archive") == expected


def test_a_twin_ahead_of_a_restored_backup_is_refused(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/leads.db", create=True) as store:
        record_many(store, 100)
        seal_all(store, 100)
    shutil.copy(tmp_path / "leads.db", tmp_path / "backup.db")
    with open_store(f"sqlite:///{tmp_path}/leads.db") as store:
        record_many(store, 50, since=100)
        seal_all(store, 100)
    for path in tmp_path.glob("leads.db-*"):
        path.unlink()
    shutil.copy(tmp_path / "backup.db", tmp_path / "leads.db")
    with open_store(f"sqlite:///{tmp_path}/leads.db") as store:
        said = "goes up to position 600, and the log only to 400"
        with pytest.raises(ArchiveForeign, match=said) as caught:
            seal_all(store, 100)
        assert "--anew" in str(caught.value.hint)
        assert rows_from(store)["read"] == [(400, 400, 0)]
        record_many(store, 50, since=500)  # as long as the twin again, and other events
        with pytest.raises(ArchiveForeign, match="another log: at position 500"):
            seal_all(store, 100)


def test_an_event_that_cannot_be_read_keeps_its_segment_from_being_sealed(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/leads.db", create=True) as store:
        record_many(store, 100)
        with store.transaction(write=True) as cursor:
            cursor.execute("UPDATE stored_events SET state = ? WHERE position = 150", (b"{}",))
        done = seal_all(store, 100)
        assert [each.name for each in done.segments] == ["1-100", "201-300", "301-400"]
        assert done.end == 100
        assert [error.position for error in done.skipped] == [150]
        with pytest.raises(LogCorrupt, match="position 150"):
            rows_from(store)
        assert twin_status(store).tail == 100


def test_permissions_are_those_of_the_stores_file(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/leads.db", create=True) as store:
        record_many(store, 10)
        for mode, folder_mode in ((0o640, 0o750), (0o600, 0o700)):
            (tmp_path / "leads.db").chmod(mode)
            assert seal_log(store).end == 40
            folder = archive_of(store).folder
            assert stat.S_IMODE(folder.stat().st_mode) == folder_mode
            for pattern in ("*.json", "*.parquet"):
                [path] = folder.glob(pattern)
                assert stat.S_IMODE(path.stat().st_mode) == mode
            shutil.rmtree(folder)


def test_without_a_folder_nothing_is_sealed(lasting: Leadflow) -> None:
    record_many(lasting.store, 10)
    lasting.store.archive = None
    assert rows_from(lasting.store, seal=True) == rows_from(lasting.store, origin="log")
    with pytest.raises(ArchiveError, match="no folder is given"):
        seal_log(lasting.store)
    with sealing_behind(lasting.store) as sealer:
        sealer.reached(10_000_000)


def test_an_empty_log(lasting: Leadflow, tmp_path: Path) -> None:
    lasting.store.archive = tmp_path / "twin"
    assert seal_log(lasting.store).end == 0
    assert rows_from(lasting.store, seal=True)["read"] == [(0, 0, 0)]
    assert twin_status(lasting.store).segments == 0


def test_sealing_behind_a_runner(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behind, "LEAST_EVENTS", 1_000)
    with sealing_behind(store) as sealer:
        sealer.reached(999)
        assert twin_status(store).segments == 0
        sealer.reached(3_000)
        until = time.monotonic() + 60
        while twin_status(store).sealed_to < 3_000 and time.monotonic() < until:
            time.sleep(0.05)
            sealer.reached(3_200)
    assert twin_status(store).sealed_to == 3_000
    assert not verify_twin(store, archive_of(store)).differences


def test_segments_of_another_release_are_read_from_the_log_and_sealed_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from leadflow_projections.archive import manifest, writing

    for module in (manifest, writing):
        monkeypatch.setattr(module, "fingerprint", lambda: "another release!")
    seal_all(store, SIZE)
    monkeypatch.undo()
    status = twin_status(store)
    assert (status.outdated, status.segments, status.tail) == (4, 0, 3_200)
    assert rows_from(store) == rows_from(store, origin="log")
    with pytest.raises(ArchiveError, match="another release"):
        rows_from(twin_of(store))
    assert seal_all(store, SIZE).end == 3_200
    status = twin_status(store)
    assert (status.outdated, status.segments, status.leftovers) == (0, 4, ())


def test_verify_goes_on_behind_an_event_of_the_log_that_cannot_be_read(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/leads.db", create=True) as store:
        record_many(store, 100)
        seal_all(store, 100)
        with store.transaction(write=True) as cursor:
            cursor.execute("UPDATE stored_events SET state = ? WHERE position = 150", (b"{}",))
            cursor.execute(
                "UPDATE stored_events SET state ="
                " CAST(replace(CAST(state AS TEXT), ?, ?) AS BLOB) WHERE position = 203",
                ('"reason":"visit"', '"reason":"other"'),
            )
        found = verify_twin(store, twin_of(store, 100))
    assert [each.name for each in found.differences] == ["101-200", "201-300"]
    assert "the log itself cannot be read there" in found.differences[0].why
    assert found.differences[1].why == "it does not hold the events that the log has"
    assert found.segments == 2
