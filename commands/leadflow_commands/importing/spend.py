"""Imports what was spent: `spend.recorded`, once, whatever is imported how often.

Without ids a file says how much was spent in all on each key (source, campaign, sales
type, period, kind, currency): rows of one key add up, and what the log lacks to that sum
is recorded. The same file again lacks nothing; a corrected amount lacks the difference,
which is the further record that corrects. With ids each row is a booking of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from leadflow import Batch, CommandReused, Leadflow, Recorded
from leadflow.domain.events import SpendRecorded
from leadflow.domain.identity import message_id, spend_stream
from leadflow.domain.values import TimeBasis
from leadflow.errors import LeadflowError
from leadflow_commands.importing.reading import Table
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.running import Progress, in_slices
from leadflow_commands.importing.spend_rows import (
    Spend,
    SpendKey,
    SpendReader,
    SpendRefused,
)

RECORDS_PER_TRANSACTION = 1_000


@dataclass(frozen=True, slots=True)
class Posting:
    """What is to be recorded, and the lines that ask for it."""

    key: SpendKey
    minor: int
    id: str
    """Identifies the record for ever."""
    lines: tuple[int, ...]


def import_spend(
    leads: Leadflow,
    table: Table,
    reader: SpendReader,
    progress: Progress,
    *,
    dry_run: bool = False,
) -> Report:
    """Record what the rows of a file say was spent.

    With `dry_run` the report is the same, and nothing is recorded.
    """
    report = Report()
    spends = list(_read(table, reader, report, progress))
    bookings = bool(spends) and spends[0].id is not None
    postings = _bookings(spends) if bookings else lacking(leads, spends, report)
    record(leads, table.name, postings, report, dry_run=dry_run)
    return report


def record(
    leads: Leadflow,
    file: str,
    postings: Iterable[Posting],
    report: Report,
    *,
    dry_run: bool = False,
) -> None:
    """Record postings, each once, and count their rows."""
    for some in in_slices(postings, RECORDS_PER_TRANSACTION):
        with leads.batch(errors="collect", dry_run=dry_run) as batch:
            indexes = [_add(batch, posting) for posting in some]
        for posting, index in zip(some, indexes, strict=True):
            _settle(file, posting, batch.results[index], report)


def _read(table: Table, reader: SpendReader, report: Report, progress: Progress) -> Iterator[Spend]:
    """The rows that are spends. Where one of a key is refused, so are the others of it:
    their sum would not be what was spent, and would correct what the log has to it.
    """
    read: list[Spend] = []
    refused: dict[SpendKey, int] = {}
    for row in table:
        try:
            read.append(reader.read(row))
        except SpendRefused as error:
            report.refuse(table.name, row.line, str(error))
            if error.key is not None:
                refused.setdefault(error.key, row.line)
        progress.advance()
    for spend in read:
        if spend.id is None and spend.key in refused:
            line = refused[spend.key]
            report.refuse(table.name, spend.line, f"line {line} is of the same sum, and refused")
        else:
            yield spend


def _bookings(spends: Iterable[Spend]) -> Iterator[Posting]:
    for spend in spends:
        yield Posting(spend.key, spend.minor, f"id\n{spend.id}", (spend.line,))


def lacking(leads: Leadflow, spends: Sequence[Spend], report: Report) -> Iterator[Posting]:
    """The difference, by key, between what a file says in all and what the log has."""
    by_key: dict[SpendKey, list[Spend]] = {}
    for spend in spends:
        by_key.setdefault(spend.key, []).append(spend)
    sources = {key.source for key in by_key}
    recorded = {source: _recorded(leads, source) for source in sources}
    for key, rows in by_key.items():
        amounts = recorded[key.source].get(key, ())
        lacking = sum(row.minor for row in rows) - sum(amounts)
        if lacking == 0:
            report.unchanged += len(rows)
            continue
        # After as many records of this key: two imports at once cannot both add theirs.
        identity = f"sum\n{key}\n{len(amounts)}"
        yield Posting(key, lacking, identity, tuple(row.line for row in rows))


def _recorded(leads: Leadflow, source: str) -> dict[SpendKey, list[int]]:
    """The amounts that the log has for each key of a source."""
    amounts: dict[SpendKey, list[int]] = {}
    for event in leads.store.load(spend_stream(source)):
        if isinstance(event, SpendRecorded):
            amounts.setdefault(_key_of(event), []).append(event.amount.minor)
    return amounts


def _key_of(event: SpendRecorded) -> SpendKey:
    return SpendKey(
        source=event.source,
        campaign=event.campaign,
        sales_type=event.sales_type,
        first=event.period.first,
        last=event.period.last,
        kind=event.kind,
        currency=event.amount.currency,
    )


def _add(batch: Batch, posting: Posting) -> int:
    key = posting.key
    last = date.fromisoformat(key.last)
    return batch.record_spend(
        key.source,
        period={"first": key.first, "last": key.last},
        amount={"minor": posting.minor, "currency": key.currency},
        campaign=key.campaign,
        sales_type=key.sales_type,
        kind=key.kind,
        command_id=message_id("import:spend", posting.id),
        # Known when its period was over: the same whenever it is imported.
        occurred_at=datetime.combine(last, time(), UTC),
        time_basis=TimeBasis.DAY,
    )


def _settle(file: str, posting: Posting, outcome: Recorded | LeadflowError, report: Report) -> None:
    if isinstance(outcome, LeadflowError):
        for line in posting.lines:
            report.refuse(file, line, _reason(outcome, posting))
        return
    if outcome.repeated:
        report.unchanged += len(posting.lines)
    else:
        report.accepted += len(posting.lines)
        report.events += len(outcome.events)


def _reason(error: LeadflowError, posting: Posting) -> str:
    if not isinstance(error, CommandReused):
        return error.message
    if posting.id.startswith("id\n"):
        return (
            "a booking of this id is recorded with other content; "
            "correct it by a booking with an id of its own"
        )
    return "another import has just recorded this sum; import again"
