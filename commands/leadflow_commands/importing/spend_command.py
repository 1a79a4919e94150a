"""`leadflow import spend`: what sources cost."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leadflow_commands.choices import PairType
from leadflow_commands.frame import Command, pass_session
from leadflow_commands.importing.carrying import finish, import_options, target
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from leadflow_commands.importing.mapping import Reading

FIELDS = (
    *("source", "campaign", "sales_type", "period", "first", "last", "kind"),
    *("amount", "currency", "id"),
)


@click.command(
    "spend",
    cls=Command,
    examples="""
    # columns source, campaign, period, kind, amount, currency: nothing else to say
    leadflow import spend SPEND.csv
    # an export with headers of its own, of one source, in one currency
    leadflow import spend ADS.csv --column amount=Costs --set source=social --set currency=EUR
    # as German spreadsheets write it
    leadflow import spend KOSTEN.csv --decimal , --thousands . --date-format %d.%m.%Y
    """,
)
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True), help="A CSV file, or -.")
@click.option(
    "--column",
    "columns",
    type=PairType(FIELDS),
    multiple=True,
    metavar="FIELD=HEADER",
    help="The column that a field stands in, by its header or as #3.",
)
@click.option(
    "--set",
    "values",
    type=PairType(FIELDS),
    multiple=True,
    metavar="FIELD=VALUE",
    help="What a field is where its column is not there, or blank.",
)
@click.option(
    "--rename",
    "renamed",
    type=PairType(),
    multiple=True,
    metavar="NAME=SOURCE",
    help="What the file calls a source, and what its leads have as their source.",
)
@click.option(
    "--decimal",
    type=click.Choice([".", ","]),
    default=".",
    show_default=True,
    help="The decimal mark of amounts.",
)
@click.option(
    "--thousands",
    type=click.Choice([".", ",", "'", " "]),
    help="What parts the thousands of amounts; without it nothing may.",
)
@click.option(
    "--date-format",
    default="%Y-%m-%d",
    show_default=True,
    metavar="FORMAT",
    help="How days are written; one without %d is a month.",
)
@click.option(
    "--delimiter",
    metavar="CHARACTER",
    help="What parts the fields; else the one that the header has most of.",
)
@click.option(
    "--encoding", default="utf-8", show_default=True, help="How the file's bytes are text."
)
@import_options
@pass_session
def spend(
    session: Session,
    file: Path,
    *,
    columns: tuple[tuple[str, str], ...],
    values: tuple[tuple[str, str], ...],
    renamed: tuple[tuple[str, str], ...],
    decimal: str,
    thousands: str | None,
    date_format: str,
    delimiter: str | None,
    encoding: str,
    dry_run: bool,
    max_refused: int,
) -> None:
    """Import what was spent from FILE: CSV with one row for each amount.

    Fields and the headers they are looked for under: source (utm_source, channel,
    platform), campaign, sales_type (spear, seed, net), period (month, date, …) or first
    and last (start, end, …), kind (media, sales, other), amount (cost, spend), currency.

    Rows of the same source, campaign, sales type, period, kind and currency add up: that
    sum is what was spent in all. The same file again changes nothing, and a corrected one
    records the difference. With --column id=HEADER each row is a booking of its own.
    """
    from leadflow_commands.importing.reading import opened_table
    from leadflow_commands.importing.spend import import_spend
    from leadflow_commands.importing.spend_rows import SpendForm, SpendReader
    from leadflow_commands.importing.whole_files import name_of, rereadable

    form = SpendForm(dict(columns), dict(values), dict(renamed), date_format, thousands or "")
    with ExitStack() as stack:
        kept = stack.enter_context(rereadable(file))
        reading = _reading(kept, encoding, delimiter, decimal, thousands or "")
        table = stack.enter_context(opened_table(kept, reading, name=name_of(file)))
        reader = SpendReader(table, form)
        leads = stack.enter_context(target(session, dry_run=dry_run))
        progress = stack.enter_context(session.output.progress("reading rows", table.rows))
        report = import_spend(leads, table, reader, progress, dry_run=dry_run)
    finish(session, report, max_refused, "rows", dry_run=dry_run)


def _reading(
    file: Path, encoding: str, delimiter: str | None, decimal: str, thousands: str
) -> Reading:
    from pydantic import ValidationError

    from leadflow.domain.validation import one_sentence
    from leadflow_commands.importing.mapping import Reading
    from leadflow_commands.importing.sniffing import likely_delimiter

    given = {"encoding": encoding, "decimal": decimal, "thousands": thousands}
    given |= {"delimiter": delimiter} if delimiter is not None else {}
    try:
        reading = Reading.model_validate(given)
    except ValidationError as error:
        raise click.UsageError(one_sentence(error)) from error
    if delimiter is not None:
        return reading
    return reading.model_copy(update={"delimiter": likely_delimiter(file, reading.encoding)})
