"""`leadflow log export`: the log as lines of CloudEvents."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from leadflow_commands.choices import Among
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow.persistence.store import Store

_PAGE: Final = 5_000


@click.command(
    cls=Command,
    examples="""
    leadflow log export --format jsonl events.jsonl
    # to another program, or into another store
    leadflow log export --format jsonl - | jq .type
    # with names and addresses: keep that file as safe as the store
    leadflow log export --format jsonl --with-personal events.jsonl
    """,
)
@click.option(
    "--format",
    "form",
    type=Among(["jsonl"], what="format"),
    default="jsonl",
    show_default=True,
    help="jsonl: one CloudEvents 1.0 document a line.",
)
@click.option("--with-personal", is_flag=True, help="Personal data too, decrypted; else none.")
@click.argument("path", help="The file to write; - is stdout.")
@pass_session
def export(session: Session, /, form: str, with_personal: bool, path: str) -> None:
    """Write every event of the log, in order.

    The file appears when it is whole.
    """
    with session.store() as store:
        end = store.head().position
        with session.output.progress("Exporting", end) as progress, _target(path) as write:
            _write_events(store, end, with_personal, write, progress.reach)
    if path == "-":
        session.output.note(f"{end:,} events written.")
        return
    session.output.result(
        {"events": end, "path": path, "format": form, "personal": with_personal},
        lambda: session.output.line(f"{end:,} events written to {path}."),
    )


def _write_events(
    store: Store,
    end: int,
    with_personal: bool,
    write: Callable[[bytes], object],
    reached: Callable[[int], object],
) -> None:
    import orjson

    from leadflow.domain.events import LogEvent
    from leadflow.domain.wire import encode

    position = 0
    while position < end:
        events = store.page(after=position, limit=min(_PAGE, end - position)).events
        if not events:
            return
        lines: list[bytes] = []
        for stored in events:
            event = store.mapper.to_domain_event(stored)
            assert isinstance(event, LogEvent)
            document = encode(event, personal=with_personal)
            lines.append(orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE))
        write(b"".join(lines))
        position = events[-1].position
        reached(position)


@contextmanager
def _target(path: str) -> Generator[Callable[[bytes], object]]:
    """Where the lines go; a file is written beside its name, and named when it is whole."""
    if path == "-":
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
        return
    target = Path(path)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as stream:
            yield stream.write
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
