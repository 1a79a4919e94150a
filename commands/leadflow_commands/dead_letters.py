"""`leadflow dead-letters`: messages that could not be recorded, and their way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

import click

from leadflow_commands.failures import DIFFERENCE
from leadflow_commands.frame import Command, Group, pass_session
from leadflow_commands.inbox_options import allow_option, score_option, terms_of
from leadflow_commands.moments import DURATION, MOMENT, GivenMoment, from_microseconds, iso, when
from leadflow_commands.output import Column
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow.kafka.records import Kept
    from leadflow.persistence.inbox import DeadLetterRow
    from leadflow.persistence.inbox_tables import LetterFilter
    from leadflow.persistence.store import Store

REASONS: Final = (
    *("invalid", "not_accepted", "refused", "reused", "predecessor_missing"),
    *("unreadable_lead", "unexpected"),
)
_ID_DIGITS: Final = 8
_AT_ONCE: Final = 500

_FILTERS: Final = (
    click.option("--reason", type=click.Choice(REASONS), help="Only those that failed for this."),
    click.option("--source", help="Only those of this source, the system that sent them."),
    click.option("--type", "type_", metavar="TYPE", help="Only those of this type of event."),
    click.option("--topic", help="Only those of this topic."),
    click.option("--lead", metavar="LEAD", help="Only those of this lead, where it is known."),
    click.option("--since", type=MOMENT, metavar="WHEN", help="Only what failed since."),
    click.option("--until", type=MOMENT, metavar="WHEN", help="Only what failed before."),
    click.option("--older-than", type=DURATION, help="Only what failed so long ago, such as 7d."),
)


def _filtered(command: Callable[..., Any]) -> Callable[..., Any]:
    return reduce(lambda made, option: option(made), reversed(_FILTERS), command)


@click.group(
    cls=Group,
    examples="""
    leadflow dead-letters list --reason refused
    leadflow dead-letters show 3fa1b2c4
    # once the cause is mended
    leadflow dead-letters retry --source shop/web --since 2026-11-01
    """,
)
def dead_letters() -> None:
    """See, retry and discard messages that could not be recorded.

    The store keeps them encrypted until their time is up; the topic of dead letters has them
    byte for byte. Nothing waits behind a dead letter.
    """


@dead_letters.command("list", cls=Command, examples="leadflow dead-letters list --json")
@_filtered
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many."
)
@pass_session
def list_all(session: Session, /, limit: int, **which: Any) -> None:
    """List dead letters, the oldest first, and why each is one."""
    from leadflow.persistence.inbox_tables import count_dead_letters
    from leadflow.persistence.inbox_tables import dead_letters as select

    with session.store() as store:
        rows = select(store, _filter(session, store, which), limit=limit)
        letters = [(row, _kept(store, row)) for row in rows]
        total = sum(count_dead_letters(store).values())

    def text() -> None:
        if not letters:
            session.output.note("There is no such dead letter.")
            return
        session.output.table(
            [
                Column("letter"),
                Column(f"failed ({session.zone})", spare=True),
                Column("reason"),
                Column("source", flexible=True),
                Column("type", flexible=True),
                Column("why", flexible=True),
            ],
            [
                (
                    str(row.letter_id)[:_ID_DIGITS],
                    when(from_microseconds(row.failed_at), session.zone),
                    *(row.reason, row.source, row.type, kept.said),
                )
                for row, kept in letters
            ],
        )
        if len(letters) == limit < total:
            session.output.note(f"{total:,} there are; --limit shows more.")

    session.output.result([_data(row, kept) for row, kept in letters], text)


@dead_letters.command(cls=Command, examples="leadflow dead-letters show 3fa1b2c4")
@click.argument("letter", help="Its id, or a unique beginning of it.")
@pass_session
def show(session: Session, /, letter: str) -> None:
    """Show one message as it was sent, personal data included."""
    with session.store() as store:
        row = _one(store, letter)
        kept = _kept(store, row)

    def shown(value: bytes | None) -> str:
        return "(null)" if value is None else value.decode("utf-8", "backslashreplace")

    def text() -> None:
        data = _data(row, kept)
        session.output.pairs((name.replace("_", " "), value) for name, value in data.items())
        session.output.pairs((f"header {name}", shown(value)) for name, value in kept.headers)
        session.output.pairs([("key", shown(kept.key))])
        session.output.heading("value")
        session.output.line(shown(kept.value))
        session.output.note(
            "Once the cause is mended:",
            hint=f"`leadflow dead-letters retry {str(row.letter_id)[:_ID_DIGITS]}`",
        )

    message = {
        "key": None if kept.key is None else shown(kept.key),
        "value": None if kept.value is None else shown(kept.value),
        "headers": [
            [name, None if value is None else shown(value)] for name, value in kept.headers
        ],
    }
    session.output.result({**_data(row, kept), **message}, text)


@dead_letters.command(
    cls=Command,
    examples="""
    leadflow dead-letters retry 3fa1b2c4
    # from a source that is allowed now
    leadflow dead-letters retry --reason not_accepted --allow scoring=lead.scored
    """,
)
@click.argument("letters", nargs=-1, help="Their ids, or unique beginnings; else by the filters.")
@_filtered
@allow_option
@score_option
@pass_session
def retry(
    session: Session,
    /,
    *,
    letters: tuple[str, ...],
    allow: tuple[str, ...],
    score: bool,
    **which: Any,
) -> int:
    """Try to record them once more; what is recorded is no dead letter any more.

    It needs no broker, and ingest may go on meanwhile: facts that wait for one of these are
    recorded by it within a second. Exit code 3 when some failed again; they stay.
    """
    from leadflow.kafka.dead_letters import retry as take_again
    from leadflow.kafka.intake import Taken

    terms = terms_of(session, allow, score=score)
    total = Taken()
    with session.leads(write=True) as leads:
        rows = _chosen(session, leads.store, letters, which)
        with session.output.progress("Retrying", len(rows)) as progress:
            for start in range(0, len(rows), _AT_ONCE):
                part = rows[start : start + _AT_ONCE]
                total.add(take_again(leads, part, terms))
                progress.advance(len(part))
    data = {
        "tried": len(rows),
        "recorded": total.recorded,
        "repeated": total.repeated,
        "failed": total.buried,
        "failures": [
            {
                "letter_id": str(row.letter_id),
                "reason": row.reason,
                "why": total.said[row.letter_id],
            }
            for row in total.dead
        ],
    }

    def text() -> None:
        for row in total.dead:
            session.output.line(
                f"{str(row.letter_id)[:_ID_DIGITS]} failed again, {row.reason}:"
                f" {total.said[row.letter_id]}"
            )
        done = total.recorded + total.repeated
        session.output.line(
            f"{done:,} of {len(rows):,} recorded, {total.repeated:,} of them before;"
            f" {total.buried:,} failed again."
            if rows
            else "There is no such dead letter."
        )

    session.output.result(data, text)
    return DIFFERENCE if total.buried else 0


@dead_letters.command(
    cls=Command,
    examples="""
    leadflow dead-letters discard 3fa1b2c4
    leadflow dead-letters discard --reason invalid --older-than 7d --yes
    """,
)
@click.argument("letters", nargs=-1, help="Their ids, or unique beginnings; else by the filters.")
@_filtered
@click.option("--all", "everything", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_session
def discard(
    session: Session, /, *, letters: tuple[str, ...], everything: bool, yes: bool, **which: Any
) -> None:
    """Remove dead letters from the store for good; their topic keeps its own.

    Asks before.
    """
    from leadflow.persistence.inbox_tables import discard as remove

    if not letters and not everything and not any(value is not None for value in which.values()):
        raise click.UsageError("Say which: by their ids, by a filter, or --all.")
    with session.store(write=True) as store:
        rows = _chosen(session, store, letters, which)
        if rows:
            one = len(rows) == 1
            question = f"Discard {len(rows):,} {'message' if one else 'messages'} for good?"
            session.output.confirm(question, yes=yes)
        removed = remove(store, [row.letter_id for row in rows])
    session.output.result(
        {"discarded": removed}, lambda: session.output.line(f"{removed:,} discarded.")
    )


def _chosen(
    session: Session, store: Store, letters: Sequence[str], which: dict[str, Any]
) -> list[DeadLetterRow]:
    from leadflow.persistence.inbox_tables import dead_letters as select

    if letters and any(value is not None for value in which.values()):
        raise click.UsageError("Name letters by their ids or by filters, not by both.")
    if letters:
        return [_one(store, letter) for letter in dict.fromkeys(letters)]
    return select(store, _filter(session, store, which))


def _one(store: Store, letter: str) -> DeadLetterRow:
    from leadflow.errors import InvalidInput
    from leadflow.persistence.inbox_tables import dead_letters as select

    wanted = letter.lower()
    found = [row for row in select(store) if str(row.letter_id).startswith(wanted)]
    if len(found) == 1:
        return found[0]
    raise InvalidInput(
        f"{letter!r} fits {len(found):,} dead letters" if found else f"no dead letter {letter!r}",
        hint="`leadflow dead-letters list` shows them",
    )


def _filter(session: Session, store: Store, which: dict[str, Any]) -> LetterFilter:
    from leadflow import Leadflow
    from leadflow.persistence.codec import to_microseconds
    from leadflow.persistence.inbox_tables import LetterFilter

    def instant(given: GivenMoment | None, edge: str) -> int | None:
        return None if given is None else to_microseconds(getattr(given, edge)(session.zone))

    until = instant(which["until"], "last")
    age: timedelta | None = which["older_than"]
    if age is not None:
        aged = to_microseconds(store.now() - age)
        until = aged if until is None else min(until, aged)
    return LetterFilter(
        reason=which["reason"],
        source=which["source"],
        type=which["type_"],
        topic=which["topic"],
        since=instant(which["since"], "first"),
        until=until,
        lead_id=None if which["lead"] is None else Leadflow(store).resolve(which["lead"]),
    )


def _kept(store: Store, row: DeadLetterRow) -> Kept:
    from leadflow.kafka.records import unseal

    return unseal(store.keys, row.letter_id, row.sealed)


def _data(row: DeadLetterRow, kept: Kept) -> dict[str, Any]:
    return {
        "letter_id": str(row.letter_id),
        "reason": row.reason,
        "why": kept.said,
        "attempt": row.attempt,
        "failed_at": iso(from_microseconds(row.failed_at)),
        "expires_at": iso(from_microseconds(row.expires_at)),
        "source": row.source,
        "type": row.type,
        "lead_id": None if row.lead_id is None else str(row.lead_id),
        "topic": row.origin.topic,
        "partition": row.origin.partition,
        "offset": row.origin.offset,
        "published": row.published,
    }
