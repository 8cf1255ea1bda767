"""What charts share: colours, rows, and how several stand together.

Colours are told apart by whoever sees few of them, on white and on black. The first eight are those
of Okabe and Ito (2008), with grey in place of black.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from math import ceil, floor, log10
from textwrap import wrap
from typing import Any

import altair as alt

from ..problem import Problem
from .page import AXIS

PALETTE = (
    *("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#999999", "#f0e442"),
    *("#882255", "#44aa99"),
)
DASHES = (  # of lines, in the order of their colours: told apart in grey print too
    *([1, 0], [8, 3], [3, 2], [8, 3, 2, 3], [12, 4], [1, 3], [12, 3, 1, 3, 1, 3]),
    *([5, 5], [10, 2, 4, 2], [2, 6]),
)
BESIDE = [6, 4]  # of lines of what stands beside the data
GREY = "#888888"  # what stands beside the data: limits, an optimum, what is known without a policy
MARK = "#d55e00"  # on shades of blue
MODES = {
    **{"local": "#999999", "raw": "#e69f00", "semantic": "#0072b2"},
    **{"skip": "#4d4d4d", "none": MARK},
}
USERS = (  # of lines beside modes: none of their colours
    *("#117733", "#aa4499", "#44aa99", "#882255", "#999933", "#7a5fc0", "#ddcc77", "#cc6677"),
)
WIDTH, NARROW = 320, 240  # pixels of a chart that stands beside another, or beside two
STEP, LEAST, HIGH = 26, 4, 400  # pixels of a row, at least, and of all rows where that allows it
FEW = 2  # decades
SPACING = 24  # pixels between charts
LETTER = 5  # pixels of a letter above charts, about
BOTTOM = alt.Legend(orient="bottom", title=None)


def by_name(
    field: str,
    names: Sequence[str],
    legend: alt.Legend | None = BOTTOM,
    palette: Sequence[str] = PALETTE,
    beside: str = "",
) -> alt.Color:
    """Return the colour by names of a field, in their order, grey of what stands beside them."""
    scale = alt.Scale(domain=[*names], range=in_order(names, palette, beside, GREY))
    return alt.Color(f"{field}:N", sort=[*names], scale=scale, legend=legend)


def dash_by_name(
    field: str, names: Sequence[str], legend: alt.Legend | None = BOTTOM, beside: str = ""
) -> alt.StrokeDash:
    """Return the dash by names of a field, in their order, as `by_name` does the colour."""
    scale = alt.Scale(domain=[*names], range=in_order(names, DASHES, beside, BESIDE))
    return alt.StrokeDash(f"{field}:N", sort=[*names], scale=scale, legend=legend)


def in_order(names: Sequence[str], cycle: Sequence[Any], beside: str, mark: Any) -> list[Any]:
    """Return one of a cycle for each name, and a mark of its own for what stands beside them."""
    others = (cycle[i % len(cycle)] for i in count())
    return [mark if name == beside else next(others) for name in names]


def by_mode(modes: Sequence[str], legend: alt.Legend | None = BOTTOM) -> alt.Color:
    """Return the colour by a field `mode`, of which these are drawn."""
    return alt.Color("mode:N", sort=[*modes], scale=scale_of(modes), legend=legend)


def scale_of(modes: Sequence[str]) -> alt.Scale:
    """Return the colours of modes."""
    return alt.Scale(domain=[*modes], range=[MODES[mode] for mode in modes])


def users(problem: Problem) -> list[str]:
    """Return what charts call the users: number and task."""
    return [f"{n} {problem.tasks.names[kind]}" for n, kind in enumerate(problem.task)]


def user_axis(names: Sequence[str]) -> alt.Y:
    """Return the axis of a field `user`, which has these names, a row each."""
    axis = alt.Axis(labelLimit=160, labelOverlap=True)
    return alt.Y("user:N", sort=[*names], title="user", axis=axis)


def place_axis(places: Sequence[str]) -> alt.X:
    """Return the axis of a field `place`: local, and the sub-channels."""
    axis = alt.Axis(labelAngle=0, labelOverlap=True)
    scale = alt.Scale(domain=[*places])
    return alt.X("place:N", sort=[*places], scale=scale, title="local, or sub-channel", axis=axis)


def decades(values: Sequence[float]) -> alt.Axis:
    """Return the axis of positive values on a logarithmic scale: a line a decade, of few three.

    Of nothing, which a study that was cut may have, it is a plain one.
    """
    if not values:
        return alt.Axis()
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    lines = (1.0,) if high - low > FEW else (1.0, 2.0, 5.0)
    at = [line * 10.0**decade for decade in range(low, high + 1) for line in lines]
    return alt.Axis(
        values=at,
        labelExpr="format(datum.value, datum.value < 1e-3 ? '~e' : '~g')",
        labelOverlap="greedy",
        labelSeparation=6,
    )


def beside(charts: Sequence[alt.ChartType], columns: int = 2, width: int = WIDTH) -> alt.ChartType:
    """Return charts beside and below each other, each with legends of its own."""
    sized = [chart.properties(width=width) for chart in charts]
    return alt.concat(*sized, columns=columns, spacing=SPACING).resolve_scale(
        color="independent", shape="independent", strokeDash="independent"
    )


def titled(
    charts: Sequence[alt.ChartType],
    title: str,
    subtitle: Sequence[str],
    columns: int = 2,
    width: int = WIDTH,
) -> alt.ChartType:
    """Return charts beside each other, below a title and the sentences that say what they show."""
    line = min(columns, len(charts)) * width // LETTER
    lines = [part for text in subtitle for part in wrap(text, line)]
    words = alt.TitleParams(title, subtitle=lines, anchor="start", offset=12)
    return beside(charts, columns, width).properties(title=words).configure_axis(**AXIS)


def in_rows(chart: alt.ChartType, rows: int) -> alt.ChartType:
    """Return a chart of so many rows, as high as they are."""
    return chart.properties(height=row_height(rows) * rows)


def row_height(rows: int) -> int:
    """Return the pixels of a row of so many."""
    return min(STEP, max(LEAST, HIGH // rows))
