"""What the projections are like, as Prometheus metrics: printed, or served over HTTP.

Every part of leadflow that has figures adds a `Source`; none of them is labelled by lead.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from leadflow.errors import LeadflowError, StoreError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

    from leadflow.persistence.store import Store

Source = Callable[[], Iterable["Metric"]]
"""Gives metrics as they are at the moment."""

_LABELS: Final = ("projection", "version", "build", "role")
_GAUGES: Final = {
    "position": "The last log position whose event is in the rows.",
    "lag_events": "Events of the log that are not in the rows yet.",
    "lag_seconds": "How long the first of them has been in the log.",
    "parked_leads": "Leads that wait because an event of theirs could not be taken in.",
    "parked_events": "Events that wait with them.",
    "running": "1 when a runner that lives holds every part of the build, else 0.",
    "last_commit_timestamp_seconds": "When rows were last written; 0 when never.",
}


def projection_metrics(store: Store) -> Iterable[Metric]:
    """The log's end, and every build of the store; only that it is down when it is."""
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    # Info metrics get the suffix `_info`.
    info = InfoMetricFamily("leadflow_build", "The leadflow that says all this.")
    info.add_metric([], {"version": version("leadflow")})
    yield info
    up = "Whether the store answers."
    try:
        position, rows = _read(store)
    except LeadflowError:
        yield GaugeMetricFamily("leadflow_store_up", up, 0)
        return
    yield GaugeMetricFamily("leadflow_store_up", up, 1)
    yield GaugeMetricFamily("leadflow_log_position", "The position of the last event.", position)
    for name, documentation in _GAUGES.items():
        family = GaugeMetricFamily(f"leadflow_projection_{name}", documentation, labels=_LABELS)
        for row in rows:
            family.add_metric([str(row[label]) for label in _LABELS], row[name])
        yield family


def _read(store: Store) -> tuple[int, Sequence[dict[str, Any]]]:
    from leadflow_projections.checkpoints import all_builds
    from leadflow_projections.status import status

    builds = {build.key: build for build in all_builds(store)}
    rows: list[dict[str, Any]] = []
    for row in status(store):
        build = builds.get((row["projection"], row["version"], row["build"]))
        moved = 0 if build is None else build.moved_at or 0
        rows.append(
            {
                **row,
                "parked_leads": row["parked"],
                "running": int(row["state"] not in {"stopped", "failed"}),
                "last_commit_timestamp_seconds": moved / 1_000_000,
            }
        )
    return store.head().position, rows


def registry_of(*sources: Source) -> CollectorRegistry:
    """A registry that asks each source whenever it is read."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

    class Asking(Collector):
        def collect(self) -> Iterable[Metric]:
            for source in sources:
                yield from source()

        def describe(self) -> Iterable[Metric]:
            return ()  # else the sources would be asked when it is registered

    registry = CollectorRegistry()
    registry.register(Asking())
    return registry


def as_text(*sources: Source) -> str:
    """Everything in Prometheus's text format."""
    from prometheus_client import generate_latest

    return generate_latest(registry_of(*sources)).decode()


@contextmanager
def served(port: int, *sources: Source, address: str = "0.0.0.0") -> Generator[int]:
    """Serve the sources at `/metrics` within the block; gives the port, a free one for 0.

    Raises:
        StoreError: when the port cannot be had.
    """
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, address, registry_of(*sources))
    except OSError as error:
        raise StoreError(
            f"metrics cannot be served on port {port}: {error.strerror}",
            hint="name another by --metrics-port; 0 takes one that is free",
        ) from None
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
