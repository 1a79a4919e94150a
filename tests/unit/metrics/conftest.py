"""A store in memory, written to by facts."""

from collections.abc import Generator

import pytest

from leadflow.testing import in_memory
from tests.unit.metrics.histories import History


@pytest.fixture
def history() -> Generator[History]:
    """An empty store, and short words to record facts with."""
    with in_memory(producer="test") as leads:
        yield History(leads)
