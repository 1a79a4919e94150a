"""Imports CloudEvents, one JSON document a line: what other systems say has happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Final

from leadflow import Leadflow
from leadflow.domain import events, wire
from leadflow.errors import InvalidInput, LeadflowError
from leadflow_commands.importing.drafting import Drafted
from leadflow_commands.importing.line_sources import LONGEST_LINE, TOO_LONG, Lines
from leadflow_commands.importing.placing import Placed, Placing, reason_of
from leadflow_commands.importing.rehearsing import rehearsal
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.running import ROWS_PER_TRANSACTION, Progress, in_slices
from leadflow_commands.importing.statements import Entry, Refusal, Statement
from leadflow_commands.importing.workers import Drafting, Here, Some, Work

NOT_FOR_SENDERS: Final = {
    events.Merged.topic: "`leadflow lead merge` merges two leads",
    events.Unmerged.topic: "`leadflow lead unmerge` parts two leads",
    events.Erased.topic: "`leadflow lead erase` erases a lead",
    events.PolicyActivated.topic: "`leadflow policy activate` brings a policy into force",
}
"""Types that concern more than one lead's past, and the command that is for them."""


class LineStatements:
    """Reads lines as what they state."""

    def read(self, raw: tuple[int, bytes]) -> Entry | Refusal:
        """What a line states, or why it cannot be read."""
        line = raw[1]
        if len(line) > LONGEST_LINE:
            return Refusal(TOO_LONG)
        try:
            message = wire.decode_line(line)
        except InvalidInput as error:
            return Refusal(error.message)
        if message.topic in NOT_FOR_SENDERS:
            return Refusal(
                f"type: {message.topic} may not be imported; {NOT_FOR_SENDERS[message.topic]}"
            )
        return Entry(message.subject, "", [_statement(message)])


def line_readers() -> list[LineStatements]:
    """What reads the one source that lines come from."""
    return [LineStatements()]


def import_lines(
    leads: Leadflow,
    lines: Lines,
    progress: Progress,
    *,
    dry_run: bool = False,
    drafting: Drafting | None = None,
) -> Report:
    """Record the messages, each once however often it comes.

    With `dry_run` the report is the same, and nothing is recorded.
    """
    report = Report()
    reader = LineStatements()
    work = Work(line_readers, leads.policy(), seal=not dry_run)
    batches = (Some(0, some) for some in in_slices(lines, ROWS_PER_TRANSACTION))
    with ExitStack() as stack:
        target = stack.enter_context(rehearsal(leads)) if dry_run else leads
        draft = stack.enter_context((drafting or Here(leads.store.keys))(work))
        placing = Placing(target)
        for some, drafts in draft(batches):
            for number, placed in _placed(some, drafts, target, placing, reader):
                report.take(placed)
                if placed.refused is not None:
                    report.refuse(lines.name, number, placed.refused)
            progress.advance(len(some.raw))
    return report


def _placed(
    some: Some,
    drafts: Sequence[Drafted | Refusal],
    leads: Leadflow,
    placing: Placing,
    reader: LineStatements,
) -> Iterator[tuple[int, Placed]]:
    """What became of each line of a batch, by its number in the file."""

    def statements(index: int) -> Sequence[Statement]:
        entry = reader.read(some.raw[index])
        assert isinstance(entry, Entry)  # it could be read before
        return entry.statements

    good = [(i, draft) for i, draft in enumerate(drafts) if isinstance(draft, Drafted)]
    placed = placing.place([pair for pair in good if pair[1].lead], statements)
    for index, draft in enumerate(drafts):
        if isinstance(draft, Refusal):
            yield some.raw[index][0], Placed(refused=draft.reason)
        elif draft.lead:
            yield some.raw[index][0], placed[index]
        else:
            yield some.raw[index][0], _spent(leads, statements(index)[0])


def _spent(leads: Leadflow, spend: Statement) -> Placed:
    """Record a spend, which is no lead's and has a stream of its own."""
    try:
        recorded = leads.record_spend(
            **spend.fields,
            command_id=spend.message_id,
            occurred_at=spend.occurred_at,
            actor=spend.actor,
            correlation_id=spend.correlation_id,
            causation_id=spend.causation_id,
        )
    except LeadflowError as error:
        return Placed(refused=reason_of(error))
    return Placed(events=0 if recorded.repeated else len(recorded.events))


def _statement(message: wire.Message) -> Statement:
    return Statement(
        topic=message.topic,
        lead=message.subject if message.topic != events.SpendRecorded.topic else "",
        fields=message.fields,
        message_id=message.command_id,
        producer=message.source,
        occurred_at=message.time,
        time_basis=message.time_basis,
        actor=message.actor,
        correlation_id=message.correlation_id,
        causation_id=message.causation_id,
    )
