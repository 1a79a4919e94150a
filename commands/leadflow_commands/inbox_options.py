"""On which terms messages are taken: what `kafka ingest` and `dead-letters retry` share."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from leadflow.kafka.intake import Terms
    from leadflow_commands.session import Session

allow_option: Final = click.option(
    "--allow",
    multiple=True,
    metavar="SOURCE=TYPE,…",
    help="Further types that a source may send, * for all of them and in the source for any "
    "characters; also LEADFLOW_INBOX_ALLOW, several separated by semicolons. Without it the "
    "inbox takes facts of marketing, sales and billing, and no scores, claims or erasures.",
)
score_option: Final = click.option(
    "--score/--no-score",
    default=True,
    show_default=True,
    help="Whether the scoring policy answers; not, where a history is brought in.",
)


def terms_of(
    session: Session,
    allow: tuple[str, ...],
    *,
    score: bool,
    hold: timedelta = timedelta(minutes=5),
    keep: timedelta = timedelta(days=30),
) -> Terms:
    """The terms from the options and the settings.

    Raises:
        InvalidInput: when what is allowed is not written as SOURCE=TYPE.
    """
    from leadflow.kafka.acceptance import acceptance
    from leadflow.kafka.intake import Terms

    entries = allow or [entry for entry in session.settings.inbox_allow.split(";") if entry.strip()]
    return Terms(acceptance=acceptance(entries), score=score, hold=hold, keep=keep)
