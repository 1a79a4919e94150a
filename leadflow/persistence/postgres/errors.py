"""What PostgreSQL and its driver report, in leadflow's words."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors as pg

from leadflow.errors import (
    ConnectionLost,
    LeadflowError,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreLocked,
    StoreNotFound,
    StoreReadOnly,
    StoreUnreachable,
)
from leadflow.persistence.urls import PostgresURL

_CHECK_HINT = "Check host, port and whether the server runs: `pg_isready` tells."


@contextmanager
def in_our_words(target: PostgresURL) -> Generator[None]:
    """Turn what psycopg raises about a store into one clear sentence."""
    try:
        yield
    except psycopg.IntegrityError:
        raise  # what was violated is for the caller to say
    except psycopg.Error as error:
        raise translated(error, target) from error


_REFUSALS: Final[tuple[tuple[tuple[type[psycopg.Error], ...], type[StoreError], str, str], ...]] = (
    (
        (pg.LockNotAvailable,),
        StoreLocked,
        "the store {url} is locked: another transaction keeps the log from being written",
        "Try again once it is done; pg_stat_activity lists open transactions.",
    ),
    (
        (pg.InsufficientPrivilege, pg.ReadOnlySqlTransaction),
        StoreReadOnly,
        "the store {url} refuses: {said}",
        "Connect as a role that may write, to a server that is no standby.",
    ),
    (
        (pg.DiskFull,),
        StoreFull,
        "there is no room left for the store {url}; nothing was recorded",
        "Free some space on the server and try again.",
    ),
    (
        (pg.UndefinedTable,),
        StoreNotFound,
        "the store {url} is not whole: {said}",
        "`leadflow store init` makes one where there is none.",
    ),
    (
        (pg.DataCorrupted, pg.IndexCorrupted),
        StoreDamaged,
        "the store {url} is damaged: {said}",
        "Bring back a backup.",
    ),
)
"""From PostgreSQL's errors to ours; the first that fits."""
_LOST: Final = (
    ConnectionLost,
    "the connection to {url} was lost: {said}",
    "Try again: a command with the same id is recorded once.",
)
_OTHERWISE: Final = (
    StoreError,
    "PostgreSQL refused to work on {url}: {said}",
    "The server's log may say more.",
)


def translated(error: psycopg.Error, target: PostgresURL) -> LeadflowError:
    """The error that a caller of leadflow sees."""
    ours, message, hint = next(
        (row[1:] for row in _REFUSALS if isinstance(error, row[0])),
        _LOST if _is_lost(error) else _OTHERWISE,
    )
    return ours(message.format(url=target.url, said=_first_line(error)), hint=hint)


def _is_lost(error: psycopg.Error) -> bool:
    """Whether the session is over: ended by the server, or by what lies between."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    # connection exceptions; server shut down, crashed, starting, database dropped; idle too long
    return error.sqlstate.startswith(("08", "57P")) or error.sqlstate == "25P03"


def not_connected(error: psycopg.Error, target: PostgresURL) -> LeadflowError:
    """Why no connection could be made, from the server's or the client library's words."""
    said = str(error)
    if re.search(r'database ".*" does not exist', said):
        return StoreNotFound(
            f"no store at {target.url}: the server has no database {target.database!r}",
            hint=f"Make it first: createdb {target.database}",
        )
    if "password authentication failed" in said or "no password supplied" in said:
        return StoreUnreachable(
            f"{target.url} does not let this user in: the password is wrong or missing",
            hint="Put it into ~/.pgpass or the variable PGPASSWORD.",
        )
    if re.search(r'role ".*" does not exist|no pg_hba.conf entry|authentication failed', said):
        return StoreUnreachable(
            f"{target.url} does not let this user in: {_first_line(error)}",
            hint="Check the user's name and what the server allows it.",
        )
    return StoreUnreachable(
        f"{target.url} cannot be reached: {_first_line(error)}", hint=_CHECK_HINT
    )


def _first_line(error: psycopg.Error) -> str:
    """The server's own sentence, without its trailer and without anything secret."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    text = re.sub(r"^(connection failed|connection to server .*? failed): ", "", text)
    text = re.sub(r"(FATAL|ERROR):\s+", "", text)
    return re.sub(r"(password=)\S+", r"\1***", text) or type(error).__name__
