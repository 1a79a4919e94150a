"""Imports CloudEvents, one JSON document a line: what other systems say has happened."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from leadflow import Batch, Leadflow
from leadflow.domain import events, wire
from leadflow.errors import InvalidInput
from leadflow_commands.importing.report import Report
from leadflow_commands.importing.running import (
    ROWS_PER_TRANSACTION,
    Progress,
    in_slices,
    settle,
)

NOT_FOR_SENDERS: Final = {
    events.Merged.topic: "`leadflow lead merge` merges two leads",
    events.Unmerged.topic: "`leadflow lead unmerge` parts two leads",
    events.Erased.topic: "`leadflow lead erase` erases a lead",
    events.PolicyActivated.topic: "`leadflow policy activate` brings a policy into force",
}
"""Types that concern more than one lead's past, and the command that is for them."""


@dataclass(frozen=True, slots=True)
class Lines:
    """A source of lines, open."""

    name: str
    file: IO[bytes]
    count: int | None
    """How many lines there are, where that can be told beforehand."""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """The lines that are not blank, with their numbers from 1."""
        for number, line in enumerate(self.file, 1):
            text = line.strip().removeprefix(b"\xef\xbb\xbf")
            if text:
                yield number, text


@contextmanager
def opened_lines(path: Path | None, stdin: IO[bytes]) -> Generator[Lines]:
    """The lines of a file; those of standard input where there is no path.

    Raises:
        OSError: when the file cannot be read.
    """
    if path is None:
        yield Lines("standard input", stdin, None)
        return
    with path.open("rb") as file:
        count = None
        if file.seekable():
            count = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
            file.seek(0)
        yield Lines(str(path), file, count)


def import_lines(
    leads: Leadflow, lines: Lines, progress: Progress, *, dry_run: bool = False
) -> Report:
    """Record the messages, each once however often it comes.

    With `dry_run` the report is the same, and nothing is recorded.
    """
    report = Report()
    for some in in_slices(lines, None if dry_run else ROWS_PER_TRANSACTION):
        pending: list[tuple[int, int]] = []
        with leads.batch(errors="collect", dry_run=dry_run) as batch:
            for number, line in some:
                try:
                    pending.append((number, _record(batch, wire.decode_line(line))))
                except InvalidInput as error:
                    report.refuse(lines.name, number, error.message)
        for number, index in pending:
            settle(lines.name, number, [batch.results[index]], report)
        progress.advance(len(some))
    return report


def _record(batch: Batch, message: wire.Message) -> int:
    if message.topic in NOT_FOR_SENDERS:
        raise InvalidInput(
            f"type: {message.topic} may not be imported; {NOT_FOR_SENDERS[message.topic]}"
        )
    if message.topic == events.SpendRecorded.topic:
        return batch.record_spend(
            **message.fields,
            command_id=message.command_id,
            occurred_at=message.time,
            actor=message.actor,
            correlation_id=message.correlation_id,
            causation_id=message.causation_id,
        )
    return batch.record_fact(
        message.topic,
        message.subject,
        message.fields,
        message_id=message.command_id,
        producer=message.source,
        occurred_at=message.time,
        time_basis=message.time_basis,
        actor=message.actor,
        correlation_id=message.correlation_id,
        causation_id=message.causation_id,
    )
