"""The child process that seals while its parent follows the log, at the lowest priority.

`python -m leadflow_projections.archive.seal_child` reads one line of JSON from stdin (an
`Order`; its URI may hold a password, so it is no argument). It opens the database by ADBC
alone, which a process that holds a SQLite file by `sqlite3` must never do.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Literal, TypedDict

from leadflow.errors import LeadflowError
from leadflow_projections.archive.logs import ChildLog
from leadflow_projections.archive.sealing import seal, sealing
from leadflow_projections.archive.twin import Archive
from leadflow_projections.errors import ArchiveBusy

_LOWEST = 19


class Order(TypedDict):
    """What to seal: a log up to a position, into a folder, with a file's permissions."""

    dialect: Literal["sqlite", "postgresql"]
    uri: str
    folder: str
    like: str | None
    upto: int


def main() -> None:
    """Seal what the line on stdin asks for; a failure is one line on stderr and exit 1."""
    os.nice(_LOWEST)
    order: Order = json.loads(sys.stdin.readline())
    log = ChildLog(order["dialect"], order["uri"])
    like = None if order["like"] is None else Path(order["like"])
    try:
        with sealing(Archive(Path(order["folder"])), log, threads=1, like=like) as sealer:
            if sealer.survey.outdated:
                return  # an older release's program may still run beside this one
            done = seal(sealer, log, order["upto"])
    except ArchiveBusy:
        return
    except LeadflowError as error:
        sys.exit(error.message)
    if done.skipped:
        sys.exit(done.skipped[0].message)


if __name__ == "__main__":
    main()
