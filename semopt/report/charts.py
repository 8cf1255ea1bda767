"""Charts of methods and measurements, made with Altair."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from ..problem import Floats
from ..statistics import band
from .style import GREY, by_name, dash_by_name, decades

POINTS = 200  # of a line
FEW = 12  # whole numbers, each of which an axis names
STEP = 30  # pixels of a row of a method
PHONE = 320  # pixels that a phone has for a chart
LETTER, SYMBOL = 6.5, 35  # pixels of a letter of a legend, and of what stands before its words
THOUSANDS = alt.Axis(labelExpr="datum.value < 1e4 ? datum.label : format(datum.value, '.3~s')")


def profile(
    gaps: Mapping[str, Floats],
    least: float,
    x: str,
    independent: Mapping[str, int] | None = None,
    units: str = "slots",
) -> alt.ChartType:
    """Return the shares of slots whose gap is at most x, a line a method, x on a logarithmic axis.

    Parameters
    ----------
    gaps : of each method, (slots,) float64; empty of one that has its place but no line
    least : smaller gaps are drawn there
    x : title of the axis
    independent : of a method, how many independent units its slots are worth: then its line lies
        in a shade, within which the share of all slots there may be is
    units : what there are shares of
    """
    rows: list[dict[str, Any]] = []
    for method, values in gaps.items():
        if not len(values):
            continue
        worth = (independent or {}).get(method)
        for gap, share in steps_of(np.maximum(np.sort(values), least).tolist()):
            row = {"method": method, "gap": gap, "share": share}
            if worth:
                width = band(worth)
                row |= {"low": max(share - width, 0.0), "high": min(share + width, 1.0)}
            rows.append(row)
    axis = decades([row["gap"] for row in rows])
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("gap:Q", scale=alt.Scale(type="log"), title=x, axis=axis),
        color=_by_method(list(gaps)),
    )
    lines = base.mark_line(interpolate="step-after").encode(
        y=alt.Y("share:Q", title=f"share of {units}", axis=alt.Axis(format="%")),
        strokeDash=dash_by_name("method", list(gaps), _lines(gaps)),
        tooltip=["method:N", alt.Tooltip("gap:Q", format=".2g"), _percent("share")],
    )
    shaded = [row for row in rows if "low" in row]
    if not shaded:
        return lines
    shades = base.properties(data=alt.InlineData(values=shaded)).mark_area(
        interpolate="step-after", opacity=0.2
    )
    return shades.encode(y=alt.Y("low:Q", title=f"share of {units}"), y2="high:Q") + lines


def steps_of(values: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Yield the steps of a distribution from 0 to 1: a value, and the share that is at most it.

    Of more than `POINTS` sorted values as many steps.
    """
    steps = min(POINTS, len(values))
    yield values[0], 0.0
    for step in range(1, steps + 1):
        yield values[-(-step * len(values) // steps) - 1], step / steps


def intervals(
    rows: Sequence[tuple[str, float | None, float | None, float | None]],
    x: str,
    seeds: Mapping[str, Sequence[float]] | None = None,
    optimum: float | None = None,
    published: Mapping[str, float] | None = None,
) -> alt.ChartType:
    """Return means of methods with their intervals, a row a method.

    Parameters
    ----------
    rows : (method, mean, low, high); no interval where low is None, no mark where the mean is
    x : title of the axis
    seeds : of a method that learns, what each training reached
    optimum : the certified one, a line
    published : of a method, the number that a paper has for it, a hollow mark
    """
    names = ("method", "mean", "low", "high")
    data = alt.InlineData(values=[dict(zip(names, row, strict=True)) for row in rows])
    methods = [row[0] for row in rows]
    base = alt.Chart(data).encode(
        y=alt.Y("method:N", sort=methods, title=None, axis=alt.Axis(labelLimit=300)),
        color=_by_method(methods, legend=False),
    )
    tooltip = ["method:N", *(alt.Tooltip(f"{name}:Q", format=".5f") for name in names[1:])]
    points = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("mean:Q", title=x, scale=alt.Scale(zero=optimum is None)), tooltip=tooltip
    )
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(x="low:Q", x2="high:Q")
    layers = [bars, points] if any(row[2] is not None for row in rows) else [points]
    singles = [{"method": name, "seed": at} for name, all in (seeds or {}).items() for at in all]
    if singles:
        single = alt.Chart(alt.InlineData(values=singles)).mark_tick(size=14, thickness=2)
        tip = ["method:N", alt.Tooltip("seed:Q", title="one training", format=".5f")]
        layers.insert(0, single.encode(y=alt.Y("method:N", sort=methods), x="seed:Q", tooltip=tip))
    if optimum is not None:
        line = alt.Chart(alt.InlineData(values=[{"optimum": optimum}]))
        tip = [alt.Tooltip("optimum:Q", title="certified optimum", format=".5f")]
        dashed = line.mark_rule(strokeDash=[6, 4], color=GREY, strokeWidth=2)
        layers.insert(0, dashed.encode(x="optimum:Q", tooltip=tip))
    if published:
        marks = [{"method": name, "published": value} for name, value in published.items()]
        hollow = alt.Chart(alt.InlineData(values=marks)).mark_point(
            shape="diamond", size=110, filled=False, strokeWidth=2, color=GREY, opacity=1
        )
        tip = ["method:N", alt.Tooltip("published:Q", title="the paper", format=".5g")]
        layers.append(
            hollow.encode(y=alt.Y("method:N", sort=methods), x="published:Q", tooltip=tip)
        )
    return alt.layer(*layers).properties(height=STEP * len(rows))


def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x: str,
    y: str,
    log: tuple[int, int] = (0, 0),
    seeds: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]] | None = None,
    point: bool = True,
    optimum: str = "",
    zero: bool = False,
    bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
) -> alt.ChartType:
    """Return lines with their points; NaN is left out.

    Parameters
    ----------
    series : of each name, what stands on the axes
    x, y : titles of the axes
    log : base of each axis where it is logarithmic, else 0
    seeds : of a name, the points of each training, drawn thin
    point : whether points are drawn
    optimum : the name of the certified one, drawn in grey
    zero : whether the y axis begins at 0, where it is not logarithmic
    bands : of a name, x and the ends of what is drawn light about its line
    """
    rows: list[dict[str, Any]] = [
        {"method": name, "x": float(at), "y": float(value)}
        for name, points in series.items()
        for at, value in zip(*points, strict=True)
        if value == value
    ]
    scales = [
        alt.Scale(type="log", base=base) if base else alt.Scale(zero=begins)
        for base, begins in zip(log, (False, zero), strict=True)
    ]
    axes = [
        decades([row[key] for row in rows]) if base == 10 else THOUSANDS
        for key, base in zip("xy", log, strict=True)
    ]
    places = sorted({row["x"] for row in rows})
    if not log[0] and len(places) <= FEW and all(place.is_integer() for place in places):
        axes[0] = alt.Axis(values=places, format="~r")  # no half users
    axes_of = {
        "x": alt.X("x:Q", title=x, scale=scales[0], axis=axes[0]),
        "y": alt.Y("y:Q", title=y, scale=scales[1], axis=axes[1]),
        "color": _by_method(list(series), len(series) > 1, optimum),
        "tooltip": [
            "method:N",
            alt.Tooltip("x:Q", title=x, format=".6g"),
            alt.Tooltip("y:Q", title=y, format=".4g"),
        ],
    }
    legend = _lines(series) if len(series) > 1 else None
    dash = dash_by_name("method", list(series), legend, optimum)
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(point=point)
    chart = line.encode(strokeDash=dash, **axes_of)
    singles = [
        {"method": name, "seed": seed, "x": float(at), "y": float(value)}
        for name, runs in (seeds or {}).items()
        for seed, points in enumerate(runs)
        for at, value in zip(*points, strict=True)
        if value == value
    ]
    if singles:
        thin = alt.Chart(alt.InlineData(values=singles)).mark_line(opacity=0.35, strokeWidth=1)
        chart = alt.layer(thin.encode(detail="seed:N", **axes_of), chart)
    within = [
        {"method": name, "x": float(at), "low": float(low), "high": float(high)}
        for name, ends in (bands or {}).items()
        for at, low, high in ends
    ]
    if within:
        area = alt.Chart(alt.InlineData(values=within)).mark_area(opacity=0.2)
        light = {"x": axes_of["x"], "y": alt.Y("low:Q", title=y), "color": axes_of["color"]}
        chart = alt.layer(area.encode(y2="high:Q", **light), chart)
    return chart


def surface(record: Mapping[str, Any]) -> alt.ChartType:
    """Return a modality's accuracy by SNR: lines of the fit, points as measured, levels beside.

    Parameters
    ----------
    record : as `semopt.semantic.measure.record.measure` returns it
    """
    accuracy, measured = record["accuracy"], record["accuracy"]["semantic"]
    rows = [
        {"extraction": extraction, "snr": snr}
        | {name: measured[name][i][j] for name in ("table", "low", "high")}
        | {"right": measured["right"][i][j] / measured["samples"]}
        for i, extraction in enumerate(measured["extraction"])
        for j, snr in enumerate(measured["snr_db"])
    ]
    floor = max(record["floors"], key=lambda name: float(record["floors"][name]["accuracy"]))
    levels = {name: accuracy[name]["accuracy"] for name in ("server", "local")}
    levels[f"floor: {floor}"] = record["floors"][floor]["accuracy"]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("snr:Q", title="SNR, dB"),
        color=alt.Color("extraction:O", scale=alt.Scale(scheme="plasma"), title="extraction"),
    )
    percent = alt.Axis(format="%")
    fit = base.mark_line().encode(
        y=alt.Y("table:Q", title="accuracy", axis=percent, scale=alt.Scale(zero=False))
    )
    spread = base.mark_rule(opacity=0.6).encode(y="low:Q", y2="high:Q")
    points = base.mark_point(filled=True, size=30, opacity=1).encode(
        y="right:Q", tooltip=["extraction:O", "snr:Q", *map(_percent, ("right", "low", "high"))]
    )
    beside = alt.InlineData(values=[{"level": k, "at": v} for k, v in levels.items()])
    rules = (
        alt.Chart(beside)
        .mark_rule(color=GREY, strokeWidth=1.5)
        .encode(y="at:Q", strokeDash=alt.StrokeDash("level:N", sort=list(levels), title=None))
    )
    title = f"{record['data']['title']}, {measured['samples']} test samples"
    return (fit + spread + points + rules).properties(title=title)


def spreads(rows: Sequence[tuple[str, float, float, float, str]], x: str) -> alt.ChartType:
    """Return ranges of parameters with their medians, a row a parameter, coloured by a verdict.

    Parameters
    ----------
    rows : (parameter, low, median, high, verdict), from 0 to 1
    x : title of the axis
    """
    names = ("parameter", "low", "median", "high", "verdict")
    data = alt.InlineData(values=[dict(zip(names, row, strict=True)) for row in rows])
    base = alt.Chart(data).encode(
        y=alt.Y(
            "parameter:N",
            sort=[row[0] for row in rows],
            title=None,
            axis=alt.Axis(labelLimit=240, labelFontSize=9),
        ),
        color=by_name("verdict", list(dict.fromkeys(row[4] for row in rows))),
    )
    tooltip = [
        "parameter:N",
        "verdict:N",
        *(alt.Tooltip(f"{name}:Q", format=".3f") for name in names[1:4]),
    ]
    scale = alt.Scale(domain=[0.0, 1.0])
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(
        x=alt.X("low:Q", title=x, scale=scale), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=50, opacity=1).encode(
        x=alt.X("median:Q", title=x), tooltip=tooltip
    )
    return bars + points


def _by_method(methods: list[str], legend: bool = True, optimum: str = "") -> alt.Color:
    return by_name("method", methods, _lines(methods) if legend else None, beside=optimum)


def _lines(names: Iterable[str]) -> alt.Legend:
    """Return the legend of lines, in as many columns, up to three, as a phone has room for."""
    letters, columns = [len(name) for name in names], 3
    while columns > 1:
        widest = sum(max(letters[at::columns], default=0) for at in range(columns))
        if LETTER * widest + SYMBOL * columns <= PHONE:
            break
        columns -= 1
    return alt.Legend(
        orient="bottom",
        title=None,
        columns=columns,
        labelLimit=300,
        symbolType="stroke",
        symbolSize=400,
        symbolOpacity=1.0,
        symbolStrokeWidth=2.0,
    )


def _percent(name: str) -> alt.Tooltip:
    return alt.Tooltip(f"{name}:Q", format=".1%")
