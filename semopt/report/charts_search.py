"""Charts of a search between bounds: how they closed over time, and where it worked."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from .style import (
    BOTTOM,
    GREY,
    PALETTE,
    WIDTH,
    by_name,
    decades,
    in_rows,
    place_axis,
    user_axis,
    users,
)

if TYPE_CHECKING:
    from ..problem import Problem
    from ..result import Result, Search

HEIGHT = 180  # pixels
FEW = 12  # users whose boxes are drawn
SIDES = ("proven upper bound", "best decision known")
TIME = "time, ms"


def search(result: Result) -> list[alt.ChartType]:
    """Return the charts of the search that led to a result; none where it was no search.

    Where it worked is drawn for `FEW` users at most.
    """
    if result.search is None:
        return []
    charts = [
        bounds(result.search).properties(height=HEIGHT),
        gap(result.search, result.details["gap"]).properties(height=HEIGHT),
    ]
    if len(result.problem.task) <= FEW:
        charts.append(boxes(result.search, result.problem))
    return charts


def bounds(search: Search) -> alt.ChartType:
    """Return the proven bound and the value of the best decision over time."""
    rows = [
        {"side": side, "time": 1e3 * time, "QoE": value}
        for side, values in zip(SIDES, (search.bound, search.value), strict=True)
        for time, value in zip(search.time.tolist(), values.tolist(), strict=True)
        if isfinite(value)
    ]
    lines = alt.Chart(alt.InlineData(values=rows)).mark_line(interpolate="step-after", point=True)
    return lines.encode(
        x=alt.X("time:Q", title=TIME, scale=alt.Scale(zero=True)),
        y=alt.Y("QoE:Q", title="total QoE", scale=alt.Scale(zero=False)),
        color=by_name("side", SIDES),
        tooltip=["side:N", alt.Tooltip("time:Q", format=".4g"), alt.Tooltip("QoE:Q", format=".9g")],
    )


def gap(search: Search, asked: float) -> alt.ChartType:
    """Return the difference of bound and value over time, and the one that was asked for."""
    left = np.maximum(search.bound - search.value, asked / 10.0)  # of less, the axis has no room
    rows = [
        {"time": 1e3 * time, "gap": value}
        for time, value in zip(search.time.tolist(), left.tolist(), strict=True)
        if isfinite(value)
    ]
    axis = decades([asked, *(row["gap"] for row in rows)])
    line = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(
            interpolate="step-after", point=alt.OverlayMarkDef(color=PALETTE[0]), color=PALETTE[0]
        )
        .encode(
            x=alt.X("time:Q", title=TIME, scale=alt.Scale(zero=True)),
            y=alt.Y("gap:Q", title="gap, QoE", scale=alt.Scale(type="log"), axis=axis),
            tooltip=[alt.Tooltip("time:Q", format=".4g"), alt.Tooltip("gap:Q", format=".3g")],
        )
    )
    what = "asked for"
    rule = (
        alt.Chart(alt.InlineData(values=[{"gap": asked, "what": what}]))
        .mark_rule(color=GREY, strokeWidth=1.5)
        .encode(
            y="gap:Q",
            strokeDash=alt.StrokeDash(
                "what:N", scale=alt.Scale(domain=[what], range=[[4, 4]]), legend=BOTTOM
            ),
        )
    )
    return alt.layer(line, rule)


def boxes(search: Search, problem: Problem) -> alt.ChartType:
    """Return how many boxes were bounded for each user, locally and on each sub-channel."""
    count, names = search.boxes, users(problem)
    places = ["local", *map(str, range(count.shape[1] - 1))]
    rows = [
        {"user": names[n], "place": places[k], "boxes": int(count[n, k])}
        for n, k in np.argwhere(count > 0).tolist()
    ]
    legend = alt.Legend(orient="bottom", gradientLength=WIDTH // 2, titleLimit=WIDTH)
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect()
        .encode(
            x=place_axis(places),
            y=user_axis(names),
            color=alt.Color(
                "boxes:Q",
                scale=alt.Scale(scheme="blues", type="log", nice=True),
                title="boxes bounded, whatever the number of offloaders",
                legend=legend,
            ),
            tooltip=["user:N", "place:N", "boxes:Q"],
        )
    )
    return in_rows(chart, len(names))
