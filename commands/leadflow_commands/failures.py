"""From an exception to what the user sees: one sentence, a hint, and an exit code."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Final

import click

from leadflow_commands.suggestions import one_of

_WRONG_SETTINGS: Final = ("invalid_setting", "invalid_kafka_setting")
FAILED: Final = 1
WRONG_USAGE: Final = 2
DIFFERENCE: Final = 3
"""A check found a difference, or a limit was passed."""
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
TERMINATED: Final = 143


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told of an error, and what the program exits with."""

    code: str
    message: str
    hint: str | None = None
    exit_code: int = FAILED


def failure_of(error: Exception) -> Failure:
    """What to tell of any error; an unexpected one is said to be just that."""
    if isinstance(error, click.ClickException):
        return _of_click(error)
    known = _of_leadflow(error)
    if known is not None:
        return known
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        place = error.filename if error.filename is not None else "reading or writing failed"
        return Failure("file_error", f"{place}: {reason}")
    if isinstance(error, UnicodeDecodeError):
        return Failure(
            "invalid_input",
            f"the input is no {error.encoding.upper()} text: {error.reason} at byte {error.start}",
            "name its encoding, or convert it to UTF-8",
        )
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("leadflow"):
        return _of_missing_module(error.name or "")
    return Failure(
        "unexpected",
        f"something unexpected went wrong: {type(error).__name__}: {_first_line(error)}",
        "LEADFLOW_DEBUG=1 shows where; please report it with that",
    )


def show_traceback(error: BaseException) -> None:
    """Print where an error came from, for those who asked by LEADFLOW_DEBUG=1."""
    if os.environ.get("LEADFLOW_DEBUG"):
        import traceback

        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)


def _of_click(error: click.ClickException) -> Failure:
    hint = None
    message = error.message
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        message = f"{error.ctx.command_path} needs a command"
    if isinstance(error, (click.exceptions.NoSuchOption, click.exceptions.NoSuchCommand)):
        if error.possibilities:
            hint = f"did you mean {one_of(error.possibilities)}?"
    elif isinstance(error, click.UsageError):
        message = error.format_message()
    if isinstance(error, click.UsageError):
        if hint is None and error.ctx is not None:
            hint = f"`{error.ctx.command_path} --help` says how it is used"
        return Failure("usage", _sentence(message), hint, WRONG_USAGE)
    if isinstance(error, click.FileError):
        return Failure("file_error", _sentence(error.format_message()))
    return Failure("not_confirmed", message)


def _of_leadflow(error: Exception) -> Failure | None:
    # Nothing of leadflow may be imported before it is needed: help must be quick. An
    # error of its tree cannot be there unless its module is.
    if "leadflow.errors" not in sys.modules:
        return None
    from leadflow.errors import InvalidStoreURL, LeadflowError

    if not isinstance(error, LeadflowError):
        return None
    wrong_usage = isinstance(error, InvalidStoreURL) or error.code in _WRONG_SETTINGS
    return Failure(error.code, error.message, error.hint, WRONG_USAGE if wrong_usage else FAILED)


def _of_missing_module(name: str) -> Failure:
    extras = {
        "psycopg": "postgres",
        "psycopg_pool": "postgres",
        "kafka": "kafka",
        "rich": "cli",
        "platformdirs": "cli",
    }
    package = name.partition(".")[0]
    extra = extras.get(package, "analytics")
    return Failure(
        "missing_package",
        f"this needs the package {package}, which is not installed",
        f"pip install 'leadflow[{extra}]'",
    )


def _sentence(text: str) -> str:
    """Click's message as one line, begun like the rest of ours."""
    line = " ".join(text.split()).removesuffix(".")
    return line[:1].lower() + line[1:] if line[1:2].islower() else line


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or "no further word"
