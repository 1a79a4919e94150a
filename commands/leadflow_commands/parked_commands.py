"""`leadflow projections parked`: leads that wait because of an event, and their way back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from leadflow_commands.build_options import count
from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import LEAD_HELP, Command, Group, pass_session
from leadflow_commands.output import Column
from leadflow_commands.projection_names import module_option, projection_names
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow import Leadflow
    from leadflow.persistence.store import Store
    from leadflow_projections.builds import Build
    from leadflow_projections.parking import Parked
    from leadflow_projections.retrying import Retried

Found = tuple["Build", "Parked"]


@click.group(
    cls=Group,
    examples="""
    leadflow projections parked list
    leadflow projections parked show shop:4711
    leadflow projections parked retry
    """,
)
def parked() -> None:
    """See and replay leads that are parked.

    An event that a read model cannot take in parks its lead there: the event and the lead's
    later ones wait, in order, and every other lead goes on. Once the cause is mended - by a
    newer leadflow that can read the event, or by bringing the event back as it was recorded -
    a retry takes them in, while runners go on.
    """


@parked.command("list", cls=Command, examples="leadflow projections parked list --json")
@projection_names
@pass_session
def list_all(session: Session, /, names: tuple[str, ...]) -> None:
    """List what is parked, and why."""
    from leadflow_projections.retrying import parked_streams

    with session.store() as store:
        found = parked_streams(store, names or None)

    def text() -> None:
        if not found:
            session.output.note("Nothing is parked.")
            return
        session.output.table(
            [
                Column("projection"),
                Column("build", right=True),
                Column("lead"),
                Column("position", right=True),
                Column("waiting", right=True),
                Column("reason", flexible=True),
            ],
            [
                (
                    build.projection,
                    f"{build.version}.{build.build}",
                    each.stream,
                    count(each.first_position),
                    count(each.events),
                    each.reason,
                )
                for build, each in found
            ],
        )

    session.output.result([_data(build, each) for build, each in found], text)


def _data(build: Build, each: Parked) -> dict[str, Any]:
    from leadflow_projections.moments import moment

    return {
        "projection": build.projection,
        "version": build.version,
        "build": build.build,
        "lead_id": each.stream,
        "first_position": each.first_position,
        "last_position": each.last_position,
        "events": each.events,
        "reason": each.reason,
        "parked_at": moment(each.parked_at),
    }


@parked.command(cls=Command, examples="leadflow projections parked show 9f1c")
@click.argument("lead", help=LEAD_HELP)
@module_option
@pass_session
def show(session: Session, /, lead: str) -> None:
    """Show what is parked of one lead: the event that is the cause, and what waits behind it."""
    with session.leads() as leads:
        found = _parked_of(leads, lead)
        events = _events(leads.store, found)
    stream = found[0][1].stream
    data = {
        "lead_id": stream,
        "parked": [_data(build, each) for build, each in found],
        "events": events,
    }

    def text() -> None:
        output = session.output
        for build, each in found:
            output.line(
                f"{build.projection} {build.version}.{build.build}: {each.events:,} "
                f"{'event waits' if each.events == 1 else 'events wait'} "
                f"from position {each.first_position:,} on."
            )
            output.line(f"  {each.reason}")
        output.line()
        output.table(
            [Column("position", right=True), Column("version", right=True), Column("type")],
            [(count(e["position"]), e["version"], e["type"]) for e in events],
        )
        output.note(
            "Once the cause is mended:", hint=f"`leadflow projections parked retry --lead {stream}`"
        )

    session.output.result(data, text)


def _events(store: Store, found: Sequence[Found]) -> list[dict[str, Any]]:
    """The events that wait, without their content, which may be anything."""
    from uuid import UUID

    first = min(each.first_position for _, each in found)
    last = max(each.last_position for _, each in found)
    return [
        {
            "position": event.position,
            "version": event.originator_version,
            "type": event.topic,
            "bytes": len(event.state),
        }
        for event in store.lead_events(UUID(found[0][1].stream))
        if first <= event.position <= last
    ]


@parked.command(
    cls=Command,
    examples="""
    # all that is parked
    leadflow projections parked retry
    # one lead, in one read model
    leadflow projections parked retry stage_board --lead shop:4711
    """,
)
@projection_names
@click.option("--lead", "wanted", multiple=True, metavar="LEAD", help=f"Only this. {LEAD_HELP}")
@pass_session
def retry(session: Session, /, names: tuple[str, ...], wanted: tuple[str, ...]) -> int:
    """Take in what waits, in order, as far as it can be read now; runners need not stop.

    Exit code 3 when something still waits.
    """
    from leadflow_projections.retrying import parked_streams

    with session.leads(write=True) as leads:
        found = parked_streams(leads.store, names or None)
        if wanted:
            streams = {each.stream for lead in wanted for _, each in _parked_of(leads, lead)}
            found = [(build, each) for build, each in found if each.stream in streams]
        done = [_retried(leads.store, build, each) for build, each in found]
    waiting = [each for each in done if each.left]
    still = {each.stream for each in waiting}
    back = {each.stream for each in done} - still
    replayed = sum(each.replayed for each in done)

    def text() -> None:
        for each in waiting:
            session.output.line(
                f"{each.build.projection} {each.build.version}.{each.build.build}: "
                f"{each.stream} still waits with {each.left:,}: {each.reason}"
            )
        taken = "1 event was" if replayed == 1 else f"{replayed:,} events were"
        told = f"{taken} taken in; leads that are back: {len(back):,}, that still wait: "
        session.output.line(f"{told}{len(still):,}." if done else "Nothing is parked.")

    session.output.result(
        {
            "replayed": replayed,
            "back": len(back),
            "waiting": len(still),
            "leads": [
                {
                    "projection": each.build.projection,
                    "version": each.build.version,
                    "build": each.build.build,
                    "lead_id": each.stream,
                    "replayed": each.replayed,
                    "left": each.left,
                    "reason": each.reason,
                }
                for each in done
            ],
        },
        text,
    )
    return DIFFERENCE if waiting else 0


def _retried(store: Store, build: Build, each: Parked) -> Retried:
    from leadflow_projections.registry import known
    from leadflow_projections.retrying import Retried, retry

    projection = known().get(build.projection)
    if projection is None or projection.fingerprint != build.fingerprint:
        why = f"the build is of another definition than this program's; first was: {each.reason}"
        return Retried(build, each.stream, 0, each.events, why)
    return retry(store, build, projection, each.stream)


def _parked_of(leads: Leadflow, lead: str) -> list[Found]:
    """What is parked of one lead, or other stream; at least something."""
    from leadflow.errors import AmbiguousLead, LeadNotFound
    from leadflow_projections.retrying import parked_streams

    found = parked_streams(leads.store)
    named = {each.stream for _, each in found if len(lead) >= 4 and each.stream.startswith(lead)}
    if len(named) > 1:
        raise AmbiguousLead(
            f"{len(named)} parked leads begin with {lead!r}",
            hint="write more of its id; `leadflow projections parked list` shows them",
        )
    stream = named.pop() if named else str(leads.resolve(lead))
    of_it = [(build, each) for build, each in found if each.stream == stream]
    if not of_it:
        raise LeadNotFound(
            f"nothing is parked of {lead}", hint="`leadflow projections parked list` shows what is"
        )
    return of_it
