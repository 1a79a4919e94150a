"""What every test may use: Hypothesis profiles, real data, PostgreSQL and Kafka."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kafka import kafka_broker, kafka_folder, kafka_possible, unique
from tests.postgres import cannot_run, postgres_database, postgres_server, postgres_url

__all__ = [
    "kafka_broker",
    "kafka_folder",
    "kafka_possible",
    "olist_dir",
    "postgres_database",
    "postgres_server",
    "postgres_url",
    "unique",
]

# A slow machine is no failure, so no deadlines; a failure prints what brings it back.
settings.register_profile("dev", deadline=None, print_blob=True)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("torture", settings.get_profile("ci"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

OLIST_FILES = (
    "olist_marketing_qualified_leads_dataset.csv",
    "olist_closed_deals_dataset.csv",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres_url" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)
        if {"kafka_broker", "kafka_possible"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.kafka)


@pytest.fixture(scope="session")
def olist_dir() -> Path:
    """The folder with the two Olist files, a company's real leads and deals."""
    named = os.environ.get("LEADFLOW_OLIST_DIR")
    if not named:
        pytest.skip("LEADFLOW_OLIST_DIR does not say where the Olist files are")
    folder = Path(named)
    missing = [name for name in OLIST_FILES if not (folder / name).is_file()]
    if missing:
        cannot_run(f"LEADFLOW_OLIST_DIR is set, but {folder} has no {' and no '.join(missing)}")
    return folder
