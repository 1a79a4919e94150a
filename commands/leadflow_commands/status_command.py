"""`leadflow projections status`: how every build is; once, or again and again."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import click

from leadflow_commands.build_options import count, megabytes
from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.moments import DURATION, duration
from leadflow_commands.output import Column
from leadflow_commands.projection_names import module_option
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow.persistence.store import Store

Row = Mapping[str, Any]

_REDRAW_SECONDS: Final = 1.0
_LINES_SECONDS: Final = 10.0
_CLEAR: Final = "\x1b[H\x1b[2J"


class _Lag(click.ParamType[Mapping[str, float]]):
    """A duration such as `5s`, or a number of events."""

    name = "lag"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Mapping[str, float]:
        if isinstance(value, Mapping):
            return cast("Mapping[str, float]", value)
        if re.fullmatch(r"\d{1,15}", value):
            return {"events": int(value)}
        return {"seconds": DURATION.convert(value, param, ctx).total_seconds()}


LAG: Final = _Lag()


@click.command(
    cls=Command,
    examples="""
    leadflow projections status
    leadflow projections status --watch
    # for node_exporter's textfile collector, where no runner serves it
    leadflow projections status --prometheus
    # in a monitoring check: exit 3 where a read model is behind for longer
    leadflow projections status --fail-if-lag-over 5s --json
    """,
)
@module_option
@click.option("--watch", is_flag=True, help="Show it again and again, until Ctrl-C.")
@click.option(
    "--fail-if-lag-over",
    "limit",
    type=LAG,
    metavar="5s|N",
    help="Exit with 3 where a live build is further behind: a time, or a number of events.",
)
@click.option("--prometheus", is_flag=True, help="As Prometheus reads it, in its text format.")
@pass_session
def status(
    session: Session, /, *, watch: bool, limit: Mapping[str, float] | None, prometheus: bool
) -> int:
    """Say how far each build is behind the log, who runs it, and its last error.

    A live build is *following*, *catching_up*, *stopped* (nobody runs it, or whoever did has
    given no sign of life for 15 s) or *failed*; a new one *building*, *catching_up*,
    *ready*, *stopped* or *failed*.
    """
    if prometheus and (watch or session.json):
        raise click.UsageError("--prometheus goes with neither --watch nor --json")
    with session.store() as store:
        if prometheus:
            return _export(session, store, limit)
        if watch:
            return _watch(session, store, limit)
        rows = _read(store)
        session.output.result(rows, lambda: _show(session, rows))
        return _judge(session, store, rows, limit)


def _export(session: Session, store: Store, limit: Mapping[str, float] | None) -> int:
    from leadflow_projections.exporting import as_text, projection_metrics

    click.echo(as_text(lambda: projection_metrics(store)), nl=False)
    return _judge(session, store, _read(store), limit)


def _read(store: Store) -> list[dict[str, Any]]:
    from leadflow_projections.status import status as read_status

    return read_status(store)


def _watch(session: Session, store: Store, limit: Mapping[str, float] | None) -> int:
    redraws = sys.stdout.isatty() and not session.json
    while True:
        rows = _read(store)
        if session.json:
            from leadflow_commands.output import as_json

            click.echo(as_json(rows, indent=False))
        else:
            if redraws:
                click.echo(_CLEAR, nl=False)
            _show(session, rows)
        sys.stdout.flush()
        code = _judge(session, store, rows, limit)
        if code:
            return code
        time.sleep(_REDRAW_SECONDS if redraws else _LINES_SECONDS)


def _judge(
    session: Session, store: Store, rows: Sequence[Row], limit: Mapping[str, float] | None
) -> int:
    if limit is None:
        return 0
    from leadflow_projections.status import too_far_behind

    events = limit.get("events")
    behind = too_far_behind(
        rows, seconds=limit.get("seconds"), events=None if events is None else int(events)
    )
    for row in behind:
        session.output.warn(
            f"{row['projection']} is {_events(row['lag_events'])} behind the log, for "
            f"{duration(row['lag_seconds'])}; it is {row['state']}.",
            hint="`leadflow projections run` keeps it with the log",
        )
    if not any(row["role"] == "live" for row in rows) and store.head().position:
        session.output.warn(
            "No projection is built yet.", hint="`leadflow projections run --once` builds them"
        )
        return DIFFERENCE
    return DIFFERENCE if behind else 0


_COLUMNS: Final = [
    Column("projection"),
    Column("build", right=True),
    Column("role"),
    Column("state"),
    Column("position", right=True),
    Column("lag", right=True),
    Column("since"),
]


def _show(session: Session, rows: Sequence[Row]) -> None:
    if not rows:
        session.output.note(
            "No projection is built yet.", hint="`leadflow projections run --once` builds them"
        )
        return
    optional: list[tuple[Column, Callable[[Row], object]]] = [
        (Column("left"), _left),
        (Column("parked", right=True), lambda row: row["parked"] or ""),
        (Column("disk", right=True), lambda row: megabytes(row["disk_bytes"])),
    ]
    given = [(column, read) for column, read in optional if any(read(row) for row in rows)]
    session.output.table(
        [
            *_COLUMNS,
            *(column for column, _ in given),
            Column("runner", flexible=True),
            Column("last error", flexible=True),
        ],
        [
            (
                row["projection"],
                f"{row['version']}.{row['build']}",
                row["role"],
                row["state"],
                count(row["position"]),
                count(row["lag_events"]),
                duration(row["lag_seconds"]) if row["lag_events"] else "",
                *(read(row) for _, read in given),
                _runner(row),
                row["last_error"],
            )
            for row in rows
        ],
    )


def _events(number: int) -> str:
    return f"{number:,} {'event' if number == 1 else 'events'}"


def _left(row: Row) -> str:
    """How long catching up will take, where somebody is at it."""
    if row["state"] != "catching_up" or not row["eta_seconds"]:
        return ""
    return duration(max(1, row["eta_seconds"]))


def _runner(row: Row) -> str:
    runner = row["runner"]
    if runner is None:
        return ""
    others = f" and {row['runners'] - 1} more" if row["runners"] > 1 else ""
    age = runner["heartbeat_age_seconds"]
    silent = f", silent for {duration(age)}" if age > 15 else ""
    return f"{runner['host']}:{runner['pid']}{others}{silent}"
