"""The program: `leadflow`, its groups, and what becomes of errors and signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import FrameType
from typing import Any, Final, NoReturn

import click

from leadflow_commands.failures import (
    BROKEN_PIPE,
    INTERRUPTED,
    TERMINATED,
    Failure,
    failure_of,
    show_traceback,
)
from leadflow_commands.frame import Group, Lazy
from leadflow_commands.logs import logged
from leadflow_commands.session import Session

_START, _RECORD, _READ, _OPERATE = "Start", "Record", "Read", "Operate"

COMMANDS: Final = {
    "demo": Lazy(
        "leadflow_commands.generating.commands:demo",
        "Show a believable history: board, queue and funnel of a year.",
        _START,
    ),
    "generate": Lazy(
        "leadflow_commands.generating.commands:generate",
        "Write a synthetic history: leads of a year, from the first contact to the contract.",
        _START,
    ),
    "store": Lazy("leadflow_commands.store:store", "Make, look after and copy a store.", _START),
    "import": Lazy(
        "leadflow_commands.importing.commands:imports",
        "Bring in what other systems know: as facts, each recorded once.",
        _RECORD,
    ),
    "lead": Lazy(
        "leadflow_commands.lead:lead", "Record what happens to a lead, and read it.", _RECORD
    ),
    "queue": Lazy("leadflow_commands.queue:queue", "Work the queue of sales-ready leads.", _RECORD),
    "policy": Lazy(
        "leadflow_commands.policy:policy",
        "See, check, change and compare the scoring policy.",
        _RECORD,
    ),
    "board": Lazy(
        "leadflow_commands.board:board",
        "Show where every lead stands, the last to have changed first.",
        _READ,
    ),
    "metrics": Lazy(
        "leadflow_commands.metrics:metrics",
        "Figures that say how leads become customers, and how long it takes.",
        _READ,
    ),
    "projections": Lazy(
        "leadflow_commands.projections:projections", "Run and rebuild the read models.", _OPERATE
    ),
    "archive": Lazy(
        "leadflow_commands.archive:archive",
        "Keep the log as columns beside it, so that it is read many times as fast.",
        _OPERATE,
    ),
    "kafka": Lazy(
        "leadflow_commands.kafka:kafka",
        "Take facts in from Kafka and publish events to it.",
        _OPERATE,
    ),
    "dead-letters": Lazy(
        "leadflow_commands.dead_letters:dead_letters",
        "See, retry and discard messages that could not be recorded.",
        _OPERATE,
    ),
    "log": Lazy("leadflow_commands.log:log", "Count, verify and export the event log.", _OPERATE),
    "doctor": Lazy("leadflow_commands.doctor:doctor", "Check that everything is well.", _OPERATE),
    "completion": Lazy(
        "leadflow_commands.completion:completion",
        "Print the completion script of a shell.",
        _OPERATE,
    ),
}


def _version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"leadflow {version('leadflow')}")
        ctx.exit()


class ReaderGone(Exception):
    """Whoever read the output closed it, as `head` does; click would hide that as a failure."""


class Program(Group):
    """The root group: every error ends here, as one sentence and an exit code."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _noticing_a_closed_pipe():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _noticing_a_closed_pipe():
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run with the arguments given, else those of the process, and exit."""
        words = list(sys.argv[1:] if args is None else args)
        session = extra.setdefault("obj", Session())
        extra.pop("standalone_mode", None)
        sys.exit(_guarded(session, words, lambda: self._call(words, prog_name, extra)))

    def _call(self, words: list[str], prog_name: str | None, extra: dict[str, Any]) -> int:
        with logged(extra["obj"]):
            result = super().main(words, prog_name or "leadflow", standalone_mode=False, **extra)
        return result if isinstance(result, int) else 0


@contextmanager
def _noticing_a_closed_pipe() -> Generator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise ReaderGone from error


def _guarded(session: Session, words: Sequence[str], call: Callable[[], int]) -> int:
    """The exit code of a call, with what went wrong said on stderr."""
    try:
        return call()
    except click.Abort:
        return INTERRUPTED
    except ReaderGone as gone:
        show_traceback(gone)
        _forget_stdout()
        return BROKEN_PIPE
    except click.exceptions.NoArgsIsHelpError as error:
        if not _wants_json(session, words):
            click.echo(error.ctx.get_help(), err=True)
            return error.exit_code
        return _report(session, words, failure_of(error))
    except Exception as error:  # noqa: BLE001 - the program's edge: no traceback passes it
        show_traceback(error)
        return _report(session, words, failure_of(error))


def _report(session: Session, words: Sequence[str], failure: Failure) -> int:
    if _wants_json(session, words):
        session.give("json", True)
        vars(session).pop("output", None)
    session.output.error(failure.code, failure.message, failure.hint)
    return failure.exit_code


def _wants_json(session: Session, words: Sequence[str]) -> bool:
    """Whether errors are JSON, even when the command line could not be read to its end."""
    before = words[: words.index("--")] if "--" in words else words
    return session.json or "--json" in before


def _forget_stdout() -> None:
    """Keep the interpreter from complaining at exit of a reader that went away."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def _terminated(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


@click.group(
    cls=Program,
    lazy=COMMANDS,
    examples="""
    # a year of leads to look at, in demo/
    leadflow demo
    # a store of your own, and its first lead
    leadflow store init
    leadflow lead capture --id shop:4711 --name "Ada Example" --source paid_search
    # who should be called next, and how the funnel converts
    leadflow queue list
    leadflow metrics funnel --by source
    """,
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Record, replay and rebuild the whole life of your leads.

    Every command explains itself: leadflow COMMAND --help. Results go to stdout, all
    else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a check found a
    difference.
    """


def run() -> NoReturn:
    """The entry point of the installed program."""
    signal.signal(signal.SIGTERM, _terminated)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a sign gets its escape, not a failure.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    cli.main()
