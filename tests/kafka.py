"""A Kafka broker for tests: the one that LEADFLOW_TEST_KAFKA names, or one of our own.

All pytest workers of one run share one, since each would take 350 MB and a core while it starts:
the first that needs it starts it, and it ends when the last has gone. Topics and groups have
names of their own per test. A test that crashes a broker makes its own `KafkaBroker`.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.broker.fetching import BrokerUnavailableError, programs
from tests.broker.server import KafkaBroker
from tests.postgres import cannot_run


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """The address (HOST:PORT) of a broker without security that all tests share."""
    if named := os.environ.get("LEADFLOW_TEST_KAFKA"):
        yield named
        return
    base = tmp_path_factory.getbasetemp()
    meeting = base if worker_id == "master" else base.parent
    try:
        address, held = _shared(meeting / "kafka")
    except (OSError, BrokerUnavailableError) as error:
        cannot_run(f"no Kafka broker: {error}")
    yield address
    os.close(held)


@pytest.fixture(scope="session")
def kafka_possible() -> None:
    """Skips, or in continuous integration fails, where no broker of our own can be had."""
    try:
        programs()
    except (OSError, BrokerUnavailableError) as error:
        cannot_run(f"no Kafka broker: {error}")


@pytest.fixture
def kafka_folder(kafka_possible: None, tmp_path: Path) -> Path:
    """A folder for a broker that this test has to itself."""
    folder = tmp_path / "broker"
    folder.mkdir()
    return folder


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Names for this test's own topics and groups: `unique("inbox")`."""
    test = uuid4().hex[:12]
    return lambda name: f"test.{test}.{name}"


def _shared(meeting: Path) -> tuple[str, int]:
    """The run's broker, started if need be: its address, and what is held to keep it."""
    meeting.mkdir(exist_ok=True)
    with (meeting / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pipe = meeting / "holders"
        if pipe.exists():
            try:  # fails when nobody reads: the broker has ended with its last holder
                held = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
                return (meeting / "address").read_text(), held
            except OSError:
                pipe.unlink()
        return _start(meeting, pipe)


def _start(meeting: Path, pipe: Path) -> tuple[str, int]:
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    held = os.open(pipe, os.O_WRONLY)
    os.set_blocking(reading, True)
    folder = Path(tempfile.mkdtemp(prefix="leadflow-kafka-broker-"))
    broker = KafkaBroker(folder)
    broker.start(until=reading, keep=False)
    os.close(reading)
    (meeting / "address").write_text(broker.address)
    return broker.address, held
