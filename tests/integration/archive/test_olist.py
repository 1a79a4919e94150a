"""A real company's leads: the twin gives the read models and figures that the log gives."""

from __future__ import annotations

import pytest

from leadflow.persistence.opening import open_store
from tests.integration.archive.twins import TABLES, rows_from, seal_all, twin_of
from tests.integration.metrics.conftest import olist_files, olist_store

__all__ = ["olist_files", "olist_store"]


def test_the_twin_folds_as_the_log_does(olist_store: str) -> None:
    with open_store(olist_store) as store:
        seal_all(store, 5_000)
        assert len(twin_of(store, 5_000).survey().segments) > 1
        for table in TABLES:
            from_log = rows_from(store, origin="log", tables=[table])
            assert rows_from(store, origin="archive", tables=[table]) == from_log
            assert len(from_log[table.name]) >= 8_000, "Olist's leads"


@pytest.mark.torture
def test_many_sizes_of_segments(olist_store: str) -> None:
    with open_store(olist_store) as store:
        from_log = rows_from(store, origin="log")
        for size in (500, 1_001, 20_000):
            for path in twin_of(store).folder.glob("*"):
                path.unlink()
            seal_all(store, size)
            assert rows_from(store, origin="archive") == from_log
