"""The demo: a history of its own, its read models, and what the commands say about it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from leadflow import Leadflow, LeadflowError
from leadflow.persistence.opening import open_store
from leadflow_commands.generating.plan import part_id
from leadflow_commands.generating.running import Generated, generate, planned
from leadflow_commands.generating.workers import telling_for
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow.persistence.store import Store
    from leadflow_commands.output import Output

SEED: Final = 42
DAYS: Final = 365
FOLDER: Final = Path("demo")
_NAME: Final = "leads.db"


class NotTheDemos(LeadflowError):
    """A file lies where the demo wants to write, and is not one of its own."""

    code = "not_the_demos"


@dataclass(frozen=True, slots=True)
class Files:
    """What the demo writes."""

    folder: Path = FOLDER

    @property
    def store(self) -> Path:
        return self.folder / _NAME

    @property
    def url(self) -> str:
        return f"sqlite:///{self.store.as_posix()}"

    @property
    def pictures(self) -> tuple[Path, Path]:
        return self.folder / "funnel.png", self.folder / "funnel.html"

    def clear(self) -> None:
        """Remove what an earlier demo wrote.

        Raises:
            NotTheDemos: when the store there is none of a demo.
        """
        if self.store.exists():
            _check_is_ours(self)
        for path in (*self.folder.glob(f"{_NAME}*"), *self.pictures):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _check_is_ours(files: Files) -> None:
    try:
        with open_store(files.url, must_write=False) as store:
            ours = store.head().position == 0 or _is_demo(store)
    except LeadflowError as error:
        raise NotTheDemos(
            f"{files.store} is no store of a demo: {error.message}",
            hint=f"remove the folder {files.folder} if it is of no use any more",
        ) from error
    if not ours:
        raise NotTheDemos(
            f"{files.store} holds other leads than the demo's",
            hint="move it away, or run the demo in another folder",
        )


def _is_demo(store: Store) -> bool:
    command_id = part_id(SEED, "plan")
    return command_id in store.commands([command_id])


def record(files: Files, count: int, output: Output) -> Generated:
    """Make the demo's history anew; it ends when today begins, in UTC."""
    files.folder.mkdir(exist_ok=True)
    files.clear()
    with Leadflow.open(files.url, create=True) as leads:
        plan = planned(leads.store, leads=count, seed=SEED, days=DAYS, until=None)
        telling = telling_for(leads.store, files.url, None, count)
        with output.progress("generating leads", count) as progress:
            return generate(leads, plan, telling, progress)


def project(files: Files) -> dict[str, Any]:
    """Build the read models from the log."""
    from leadflow_projections.runtime import rebuild

    with open_store(files.url) as store:
        return rebuild(store).as_data()


def stage_counts(files: Files) -> dict[str, int]:
    """How many leads stand at each stage, by the read model, in the order of the stages."""
    from leadflow.domain.stages import Stage

    with open_store(files.url, must_write=False) as store, store.transaction(write=False) as cursor:
        cursor.execute("SELECT stage, count(*) FROM stage_board GROUP BY stage")
        found: dict[str, int] = dict(cursor.fetchall())
    return {stage.value: found.get(stage.value, 0) for stage in Stage}


def call(session: Session, files: Files, words: Sequence[str]) -> None:
    """Run another command of the program within this one."""
    from leadflow_commands.main import cli

    inner = Session({**session.flags, "store": files.url})
    click.Group.main(cli, [*words], "leadflow", standalone_mode=False, obj=inner)


def typed(files: Files, words: Sequence[str]) -> str:
    """A command on the demo's store, as it is typed in a shell."""
    return f"leadflow {shlex.join(words)} --store {files.url}"


TOUR: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("A few of them, the latest first", ("board", "--limit", "8")),
    ("Who should be called next", ("queue", "list", "--limit", "8")),
    ("The funnel", ("metrics", "funnel")),
    ("The funnel by source", ("metrics", "funnel", "--by", "source")),
)
"""What is shown, and the command that shows it."""


def draw(session: Session, files: Files, picture: Path) -> None:
    """Draw the funnel into a file."""
    quiet = Session({**session.flags, "quiet": True, "store": files.url})
    with redirect_stdout(StringIO()):
        call(quiet, files, ("metrics", "funnel", "--plot", str(picture)))


def following(files: Files) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Commands to go on with, each with what it is for."""
    first = _first_waiting(files)
    if first is not None:
        yield "everything that ever happened to the first of the queue", ("lead", "history", first)
        yield "take it, and give it to sales", ("queue", "claim", first, "--owner", "me")
        yield "", ("queue", "hand-over", first, "--to-owner", "me")
    yield "how long it takes to win a lead", ("metrics", "durations")
    past = (datetime.now(UTC) - timedelta(days=182)).date().isoformat()
    yield "the funnel as it was half a year ago", ("metrics", "funnel", "--as-of", past)
    yield "that nobody altered the log", ("log", "verify")


def summary(files: Files, done: Generated, rebuilt: dict[str, Any]) -> dict[str, Any]:
    """What `demo --json` prints."""
    return {
        "store": files.url,
        "leads": done.leads,
        "events": done.events,
        "events_per_second": done.as_data()["events_per_second"],
        "stages": stage_counts(files),
        "rebuild": rebuilt,
        "pictures": [picture.as_posix() for picture in files.pictures],
    }


def _first_waiting(files: Files) -> str | None:
    """The beginning of the id of the lead that is to be called next."""
    from leadflow_projections.queue_reading import read_queue

    with Leadflow.open(files.url) as leads:
        entries = read_queue(leads.store, leads.policy(), leads.store.now(), limit=1)
    return entries[0].lead_id.hex[:8] if entries else None
