"""A diff of read models in words, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leadflow_commands.output import Column

if TYPE_CHECKING:
    from leadflow_commands.output import Output
    from leadflow_projections.differing import Diff, ProjectionDiff, TableDiff
    from leadflow_projections.figures_moved import FigureMoved

_MOST_COLUMNS = 8


def tell_diff(output: Output, diff: Diff) -> None:
    """Print what would change."""
    if not diff.changed:
        where = ", ".join(f"{p.projection} {p.live} and {p.shadow}" for p in diff.projections)
        output.line(f"No lead changes: {where} show the same.")
    for projection in diff.projections:
        news = [t for t in projection.tables if t.columns_added or t.columns_removed]
        if projection.changed or news:
            _tell_projection(output, projection)
    if diff.changed:
        output.line(f"In all, {_leads(diff.changed)} would change.")


def _tell_projection(output: Output, projection: ProjectionDiff) -> None:
    output.heading(
        f"{projection.projection}: {projection.live} live, {projection.shadow} new, both at "
        f"position {projection.position:,}: {_leads(projection.changed)} would change"
    )
    for table in projection.tables:
        _tell_table(output, table)


def _tell_table(output: Output, table: TableDiff) -> None:
    for change in table.stages:
        output.line(
            f"  stage: {_leads(change.leads)} from {_named(change.before)} to "
            f"{_named(change.after)}, such as {', '.join(change.examples)}"
        )
    where = "the queue" if table.table == "sales_queue" else table.table
    for number, keys, verb in (
        (table.comparison.extra, table.entering, "enter"),
        (table.comparison.missing, table.leaving, "leave"),
    ):
        if number:
            verb_form = verb if number != 1 else f"{verb}s"
            output.line(f"  {_leads(number)} {verb_form} {where}, such as {', '.join(keys)}")
    _tell_columns(output, table)
    if table.figures:
        output.table(
            [Column("  metric"), Column("of"), *(Column(c, right=True) for c in _SIDES)],
            [(f"  {figure.metric}", figure.of, *_values(figure)) for figure in table.figures],
        )


_SIDES = ("live", "new", "change")


def _tell_columns(output: Output, table: TableDiff) -> None:
    for verb, names in (("new", table.columns_added), ("gone", table.columns_removed)):
        if names:
            output.line(f"  {verb} columns: {', '.join(names)}")
    differing = sorted(table.comparison.by_column.items(), key=lambda item: -item[1])
    if differing:
        some = ", ".join(f"{name} ({rows:,})" for name, rows in differing[:_MOST_COLUMNS])
        more = len(differing) - _MOST_COLUMNS
        rest = f" and {more} more" if more > 0 else ""
        output.line(f"  columns that differ, in so many rows: {some}{rest}")
    for example in table.comparison.examples:
        if example.kind == "altered":
            key = " ".join(str(part) for part in example.key.values())
            output.line(f"  {key}: {_both(example.columns)}")


def _both(columns: Any) -> str:
    parts = [
        f"{name} {_named(live)} -> {_named(new)}"
        for name, (live, new) in list(columns.items())[:_MOST_COLUMNS]
    ]
    more = len(columns) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def _values(figure: FigureMoved) -> tuple[str, str, str]:
    data = figure.as_data()
    return _figure(data["live"]), _figure(data["shadow"]), _figure(data["change"], signed=True)


def _figure(value: float | None, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    sign = "+" if signed else ""
    return format(value, f"{sign},d") if isinstance(value, int) else format(value, f"{sign},.4f")


def _named(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _leads(number: int) -> str:
    return f"{number:,} {'lead' if number == 1 else 'leads'}"
