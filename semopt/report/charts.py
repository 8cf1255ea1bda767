"""Charts as Vega-Lite specifications, made with Altair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from ..problem import Floats

POINTS = 200  # of a line


def profile(gaps: Mapping[str, Floats], least: float, x: str) -> dict[str, Any]:
    """Return the shares of slots whose gap is at most x, a line a method, x on a logarithmic axis.

    Parameters
    ----------
    gaps : of each method, (slots,) float64
    least : smaller gaps are drawn there
    x : title of the axis
    """
    rows = []
    for method, values in gaps.items():
        share = np.linspace(0.0, 1.0, POINTS)
        at = np.maximum(np.quantile(values, share), least)
        rows += [
            {"method": method, "gap": float(g), "share": float(s)}
            for g, s in zip(at, share, strict=True)
        ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("gap:Q", scale=alt.Scale(type="log"), title=x),
            y=alt.Y("share:Q", title="share of slots", axis=alt.Axis(format="%")),
            color=_by_method(list(gaps)),
            strokeDash=alt.StrokeDash("method:N", sort=list(gaps), legend=None),
            tooltip=["method:N", alt.Tooltip("gap:Q", format=".2g"), _percent("share")],
        )
    )
    return dict(chart.to_dict())


def intervals(
    rows: Sequence[tuple[str, float, float | None, float | None]], x: str
) -> dict[str, Any]:
    """Return means of methods with their intervals, a row a method.

    Parameters
    ----------
    rows : (method, mean, low, high); no interval where low is None
    x : title of the axis
    """
    names = ("method", "mean", "low", "high")
    data = alt.InlineData(values=[dict(zip(names, row, strict=True)) for row in rows])
    methods = [row[0] for row in rows]
    base = alt.Chart(data).encode(
        y=alt.Y("method:N", sort=methods, title=None, axis=alt.Axis(labelLimit=240)),
        color=_by_method(methods, legend=False),
    )
    tooltip = ["method:N", *(alt.Tooltip(f"{name}:Q", format=".5f") for name in names[1:])]
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("mean:Q", title=x), tooltip=tooltip
    )
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(x="low:Q", x2="high:Q")
    return dict((bars + points).to_dict())


def _by_method(methods: list[str], legend: bool = True) -> alt.Color:
    return alt.Color(
        "method:N",
        sort=methods,
        scale=alt.Scale(scheme="tableau10"),
        legend=alt.Legend(orient="bottom", title=None, columns=3, labelLimit=240)
        if legend
        else None,
    )


def _percent(name: str) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format=".1%")
