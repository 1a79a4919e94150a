"""The funnel as a chart: a bar for each step, stacked by what became of those that reached it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from leadflow.domain.stages import Stage
from leadflow_projections.metrics.selection import Basis
from leadflow_projections.metrics.wording import describe_moment, describe_selection
from leadflow_projections.pictures.theme import CONFIG, FAINT_INK, LABEL_COLORS, OUTCOME_COLORS

if TYPE_CHECKING:
    import altair as alt

    from leadflow_projections.metrics.figures import Funnel, Group, StepFigures

BAR_WIDTH: Final = 560
ROW_HEIGHT: Final = 46
PANEL_WIDTH: Final = 210
PANEL_ROW_HEIGHT: Final = 20
PANELS_A_ROW: Final = 4
MOST_PANELS: Final = 12
DIGIT_WIDTH: Final = 7

Chart = Any
"""A chart of altair, whose own types are only partial."""
Rows = list[dict[str, Any]]


def funnel_chart(funnel: Funnel) -> Chart:
    """The chart of a funnel: bars with their conversions, or a small one for each group."""
    return _panels(funnel) if funnel.groups else _bars(funnel)


def percent(ratio: float | None) -> str:
    """A ratio for a label; an undefined one is a dash."""
    return "–" if ratio is None else f"{100 * ratio:.1f} %"


def headline(funnel: Funnel) -> str:
    """The picture's title, with the one figure that it is about."""
    first, last = funnel.whole.steps[0], funnel.whole.steps[-1]
    arrived = f"{last.reached:,} reached {step_name(last.stage)}"
    if last.overall_conversion is None:
        return f"Lead funnel: {arrived}"
    rate = percent(last.overall_conversion)
    if funnel.selection.basis is Basis.PERIOD:
        # Those who arrived in the period need not be among those who set out in it.
        return f"Lead funnel: {arrived}, {first.reached:,} {step_name(first.stage)} ({rate})"
    return (
        f"Lead funnel: {last.reached:,} of {first.reached:,} reached "
        f"{step_name(last.stage)} ({rate})"
    )


def subtitle(funnel: Funnel) -> list[str]:
    """What was counted, and when and where it was read."""
    counted = describe_selection(funnel.selection)
    if funnel.selection.by is not None:
        counted += f", by {funnel.selection.by}"
        if len(funnel.groups) > MOST_PANELS:
            counted += f" (the {MOST_PANELS} largest of {len(funnel.groups)})"
    if funnel.strict:
        counted += ", entered steps only"
    if funnel.whole.immature:
        counted += f"; {funnel.whole.immature:,} still inside their window are not counted"
    return [counted, describe_moment(funnel.reading, funnel.selection.zone)]


def step_name(stage: str) -> str:
    """The stage as people read it."""
    return stage.replace("_", " ")


def _rows(group: Group) -> Rows:
    """A row for each part of each bar; `wide` are those with room for a label."""
    largest = max(step.reached for step in group.steps)
    return [
        {
            "step": step_name(step.stage),
            "outcome": outcome,
            "order": order,
            "count": count,
            "middle": sum(_parts(step)[:order]) + count / 2,
            "wide": _has_room(count, largest),
            "reached": step.reached,
            "entered": step.entered,
            "step conversion": percent(step.step_conversion),
            "overall conversion": percent(step.overall_conversion),
        }
        for step in group.steps
        for order, (outcome, count) in enumerate(zip(OUTCOME_COLORS, _parts(step), strict=True))
    ]


def _has_room(count: int, largest: int) -> bool:
    """Whether the count can be written on its part of a bar."""
    if not count:
        return False
    return BAR_WIDTH * count / largest >= DIGIT_WIDTH * (len(f"{count:,}") + 1)


def _parts(step: StepFigures) -> list[int]:
    """The parts of a bar in the order of their colours; who stands at customer, is one."""
    is_customer = step.stage == Stage.CUSTOMER
    customers, still_open = (step.open, 0) if is_customer else (0, step.open)
    return [step.went_on, customers, still_open, step.lost, step.disqualified]


def _bars(funnel: Funnel) -> Chart:
    """The whole funnel: bars on the left, the figures in columns on the right."""
    import altair

    alt: Any = altair
    rows = _rows(funnel.whole)
    steps = [step_name(step.stage) for step in funnel.whole.steps]
    height = ROW_HEIGHT * len(steps)
    bars = (
        alt.layer(_stack(rows, steps, bar_height=30), _part_labels(rows, steps))
        .resolve_scale(color="independent")
        .properties(width=BAR_WIDTH, height=height)
    )
    columns = [
        _column(rows, steps, title, field).properties(width=width, height=height)
        for title, field, width in (
            ("reached", "reached", 70),
            ("of the step before", "step conversion", 125),
            (f"of {steps[0]}", "overall conversion", 100),
        )
    ]
    return _finished(alt.hconcat(bars, *columns, spacing=8), funnel)


def _panels(funnel: Funnel) -> Chart:
    """One small funnel for each group, each to its own scale, so that shapes compare."""
    import altair as alt

    panels: list[Chart] = []
    for place, group in enumerate(funnel.groups[:MOST_PANELS]):
        rows = _rows(group)
        steps = [step_name(step.stage) for step in group.steps]
        labels = place % PANELS_A_ROW == 0
        bars = _stack(rows, steps, bar_height=14, labels=labels)
        counts = (
            _chart(rows)
            .transform_filter("datum.order === 0")
            .mark_text(align="left", dx=5, fontSize=12)
            .encode(
                y=_step_axis(steps, labels=labels),
                x=alt.X("reached:Q"),
                text=alt.Text("reached:Q", format=","),
            )
        )
        panels.append(
            alt.layer(bars, counts).properties(
                width=PANEL_WIDTH,
                height=PANEL_ROW_HEIGHT * len(steps),
                title=_panel_title(group),
            )
        )
    chart: Chart = alt.concat(*panels, columns=PANELS_A_ROW, spacing={"row": 22, "column": 34})
    return _finished(chart.resolve_scale(x="independent"), funnel)


def _panel_title(group: Group) -> alt.TitleParams:
    import altair as alt

    last = group.steps[-1]
    return alt.TitleParams(
        group.value or "(blank)",
        subtitle=f"{percent(last.overall_conversion)} reached {step_name(last.stage)}",
        fontSize=15,
        subtitleFontSize=12,
        offset=8,
        frame="group",
    )


def _chart(rows: Rows) -> Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=rows))


def _stack(rows: Rows, steps: list[str], *, bar_height: int, labels: bool = True) -> Chart:
    """A bar for each step, stacked by what became of those that reached it."""
    import altair as alt

    return (
        _chart(rows)
        .mark_bar(height=bar_height)
        .encode(
            y=_step_axis(steps, labels=labels),
            x=alt.X("count:Q", axis=None, scale=alt.Scale(nice=False)),
            color=alt.Color(
                "outcome:N",
                scale=alt.Scale(domain=list(OUTCOME_COLORS), range=list(OUTCOME_COLORS.values())),
            ),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("step:N"),
                alt.Tooltip("outcome:N"),
                alt.Tooltip("count:Q", format=","),
                alt.Tooltip("reached:Q", format=","),
                alt.Tooltip("entered:Q", format=","),
                alt.Tooltip("step conversion:N"),
                alt.Tooltip("overall conversion:N"),
            ],
        )
    )


def _part_labels(rows: Rows, steps: list[str]) -> Chart:
    """The count on each part of a bar that has room for it."""
    import altair as alt

    return (
        _chart(rows)
        .transform_filter("datum.wide")
        .mark_text(fontSize=12)
        .encode(
            y=_step_axis(steps, labels=True),
            x=alt.X("middle:Q", axis=None),
            text=alt.Text("count:Q", format=","),
            color=alt.Color(
                "outcome:N",
                legend=None,
                scale=alt.Scale(domain=list(LABEL_COLORS), range=list(LABEL_COLORS.values())),
            ),
        )
    )


def _column(rows: Rows, steps: list[str], title: str, field: str) -> Chart:
    """A column of figures, each beside its bar, under a title."""
    import altair as alt

    is_count = field == "reached"
    return (
        _chart(rows)
        .properties(
            title=alt.TitleParams(
                title,
                anchor="end",
                frame="group",
                fontSize=12,
                fontWeight="normal",
                color=FAINT_INK,
                offset=4,
            )
        )
        .transform_filter("datum.order === 0")
        .mark_text(align="right", fontSize=15, fontWeight="bold" if is_count else "normal")
        .encode(
            y=_step_axis(steps, labels=False),
            x=alt.value("width"),
            text=alt.Text(f"{field}:Q", format=",") if is_count else alt.Text(f"{field}:N"),
        )
    )


def _step_axis(steps: list[str], *, labels: bool) -> alt.Y:
    import altair as alt

    axis = alt.Axis(title=None) if labels else None
    return alt.Y("step:N", sort=steps, scale=alt.Scale(domain=steps), axis=axis)


def _finished(chart: Chart, funnel: Funnel) -> Chart:
    """The chart with its title and our theme."""
    import altair as alt

    title = alt.TitleParams(headline(funnel), subtitle=subtitle(funnel))
    finished = chart.properties(title=title)
    finished.config = alt.Config(**CONFIG)
    return finished


def vega_lite_version() -> str:
    """The version of the language that the charts are written in, such as 6.1."""
    import altair as alt

    return alt.SCHEMA_VERSION.removeprefix("v").rpartition(".")[0]
