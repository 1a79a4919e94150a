"""`leadflow import mappings`: those that come with leadflow, to use or to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from leadflow_commands.frame import Command, pass_session
from leadflow_commands.session import Session

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    from click.shell_completion import CompletionItem

    from leadflow_commands.importing.named_mappings import shipped_names

    return [CompletionItem(name) for name in shipped_names() if name.startswith(incomplete)]


@click.command(
    "mappings",
    cls=Command,
    shares=(),
    examples="""
    # which there are
    leadflow import mappings
    # use one as it is
    leadflow import csv DEALS.csv --mapping hubspot-deals --dry-run
    # or take it as the beginning of your own
    leadflow import mappings hubspot-deals > MAP.toml
    # a small made file that it reads
    leadflow import mappings hubspot-deals --example > DEALS.csv
    """,
)
@click.argument(
    "name", required=False, shell_complete=_names, help="Print this one; without it, list them."
)
@click.option("--example", is_flag=True, help="Print a small made CSV file that it reads instead.")
@pass_session
def mappings(session: Session, name: str | None, example: bool) -> None:
    """List the mappings that come with leadflow, or print the one called NAME."""
    from leadflow.errors import InvalidInput
    from leadflow_commands.importing.named_mappings import (
        find_mapping,
        shipped_example,
        shipped_names,
        shipped_text,
    )
    from leadflow_commands.output import Column

    output = session.output
    if name is None:
        if example:
            raise click.UsageError("--example needs the NAME of a mapping")
        known = [(each, find_mapping(each).description) for each in shipped_names()]
        output.result(
            [{"name": each, "description": description} for each, description in known],
            lambda: output.table([Column("name"), Column("reads", flexible=True)], known),
        )
        return
    text = shipped_example(name) if example else shipped_text(name)
    if text is None:
        raise InvalidInput(
            f"{name} comes without an example", hint="it reads files that anybody can download"
        )
    output.result({"name": name, "text": text}, lambda: output.line(text.rstrip("\n")))
