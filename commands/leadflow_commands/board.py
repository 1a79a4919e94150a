"""`leadflow board`: where every lead stands."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from leadflow.domain.stages import Stage
from leadflow.domain.temperature import decayed_score, temperature
from leadflow_commands.choices import Among, PairType
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.lead_state import latest_name
from leadflow_commands.moments import iso, when
from leadflow_commands.money import show_revenue
from leadflow_commands.output import Column
from leadflow_commands.read_models import asking, bring_up_to_date
from leadflow_commands.session import Session
from leadflow_projections.stage_board import STAGE_BOARD
from leadflow_projections.views import public_types

if TYPE_CHECKING:
    from leadflow import Leadflow
    from leadflow.domain.policy import Policy

Row = dict[str, Any]

_FIELDS: Final = (*public_types(STAGE_BOARD.tables[0]), "temperature")
_MOST_FOR_PEOPLE: Final = 50


@click.command(
    cls=Command,
    shares=("store", "tz"),
    examples="""
    leadflow board
    leadflow board --stage handed_over --where owner=grace
    # as many as there are, for a spreadsheet or a script
    leadflow board --where temperature=hot --json
    """,
)
@click.option(
    "--stage", type=Among([stage.value for stage in Stage], what="stage"), help="Only this stage."
)
@click.option(
    "--where",
    "conditions",
    type=PairType(_FIELDS),
    multiple=True,
    help="Only leads that have this value: FIELD=VALUE, or FIELD= where it is unknown. "
    f"Repeatable. Fields: {', '.join(_FIELDS)}.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"At most N leads; else {_MOST_FOR_PEOPLE}, and with --json all.",
)
@pass_session
def board(
    session: Session,
    /,
    stage: str | None,
    conditions: tuple[tuple[str, str], ...],
    limit: int | None,
) -> None:
    """Show where every lead stands, the last to have changed first.

    Reads the read model stage_board and brings it up to date first. Leads that are one
    person are one row.
    """
    where: dict[str, str | None] = {field: value or None for field, value in conditions}
    if stage is not None:
        where["stage"] = stage
    by_now = {field: where.pop(field) for field in ("temperature", "owner") if field in where}
    with session.leads() as leads:
        rows, position = _rows(session, leads, where)
        rows = [row for row in rows if all(row[field] == by_now[field] for field in by_now)]
        shown = rows[: limit or (None if session.json else _MOST_FOR_PEOPLE)]
        if session.json:
            session.output.document([_document(row) for row in shown])
            return
        _print(session, leads, shown)
    if len(shown) < len(rows):
        session.output.note(f"{len(shown):,} of {len(rows):,} leads; --limit shows more.")
    elif not rows:
        session.output.note(f"No lead fits, up to position {position:,} of the log.")


def _rows(session: Session, leads: Leadflow, where: dict[str, str | None]) -> tuple[list[Row], int]:
    """The rows asked for, with what only now can tell, and the position they stand at."""
    from leadflow_projections.reading import read_model

    bring_up_to_date(session, leads.store, "stage_board")
    model = asking(lambda: read_model(leads.store, "stage_board", where=where))
    policy, now = leads.policy(), leads.store.now()
    rows = [_at(row, policy, now) for row in model.rows]
    rows.sort(key=lambda row: (row["last_event_at"], str(row["lead_id"])), reverse=True)
    return rows, model.position


def _at(row: Row, policy: Policy, now: datetime) -> Row:
    by_day: dict[str, int] = row["points_by_day"] or {}
    points = {int(day): total for day, total in by_day.items()}
    confirmed = row["confirmed_at"] is not None
    claim_ended = row["lease_until"] is not None and row["lease_until"] <= now
    return {
        **row,
        "owner": None if claim_ended else row["owner"],
        "temperature": temperature(points, now, policy, confirmed=confirmed).value,
        "score": row["points"],
        "score_now": decayed_score(points, now, policy.half_life_days),
    }


def _document(row: Row) -> Row:
    return {
        name: iso(value) if isinstance(value, datetime) else value for name, value in row.items()
    }


def _print(session: Session, leads: Leadflow, rows: list[Row]) -> None:
    session.output.table(
        [
            Column("lead"),
            Column("name", flexible=True),
            Column("stage"),
            Column("since"),
            Column("temp"),
            Column("score", right=True),
            Column("tier"),
            Column("owner", flexible=True),
            Column("source", flexible=True),
            Column("revenue", right=True, spare=True),
        ],
        [
            (
                short(row["lead_id"]),
                latest_name(leads, row["lead_id"]),
                row["stage"],
                when(row["since"], session.zone)[:10],
                row["temperature"],
                row["score"],
                row["tier"],
                row["owner"],
                row["source"],
                show_revenue(row["revenue"]),
            )
            for row in rows
        ],
    )


def short(lead_id: UUID) -> str:
    """The beginning of a lead's id, which names it as well as the whole nearly always."""
    return str(lead_id)[:8]
