"""Charts of a scenario: accuracy by SNR, the gains of its law, and where each mode is the best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from math import inf
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ..allowed import whole
from ..model import MODES, RAW, SEMANTIC, decibel, snr
from ..problem import AccuracyTable, Floats, Grid, Problem
from ..solvers.cells import best_local, best_offloads
from .charts_batch import distribution
from .style import GREY, MARK, PALETTE, by_mode, in_rows, titled, user_axis
from .style import MODES as MODE_COLOURS

if TYPE_CHECKING:
    from ..scenario import Scenario

HEIGHT = 180  # pixels
BEYOND = 0.05  # of the span of an axis of SNR, what it shows beyond
IN_LEGEND = 6  # extractions in a line of a legend
DRAWN = 20_000  # gains, about, that stand for the law
GAINS = 64  # of the map of modes, from one end of those drawn to the other
COARSE = 10  # levels of each variable there, at most
LOADS = 16  # numbers of offloaders of that map, at most
MIDDLE = (0.05, 0.5, 0.95)  # of a user's gains
LOCAL_LINE, LEAST_LINE, RAW_LINE = "local", "least allowed", "raw"
LINES = {  # colour and dashes
    LOCAL_LINE: (MODE_COLOURS["local"], [2, 2]),
    LEAST_LINE: (MARK, [8, 4]),
    RAW_LINE: (MODE_COLOURS["raw"], [1, 0]),
}
POINT = alt.Tooltip("snr:Q", title="SNR, dB"), alt.Tooltip("accuracy:Q", format=".4f")
GAIN = "power gain, dB"
NONE = "none"  # of the modes is within the limits


def scenario(
    subject: Scenario, user: int = 0, tick: Callable[[float], None] = lambda done: None
) -> alt.ChartType:
    """Return a scenario drawn.

    Parameters
    ----------
    user : whose modes are compared
    tick : takes the share of that comparison that is done
    """
    whole("user", user, 0, subject.users - 1)
    problem, (gain, source) = subject.template(), gains_of(subject)
    grid = Grid(*(min(levels, COARSE) for levels in astuple(problem.grid)))
    problem = replace(problem, grid=grid)
    strength = decibel(snr(gain, problem.users.power_max[:, None], problem.system.noise))
    reached = np.quantile(strength, [MIDDLE[0], MIDDLE[-1]])
    names = problem.tasks.names
    ends = np.quantile(gain, [0.005, 0.995])
    charts: list[alt.ChartType] = []
    for kind in range(len(names)):
        charts += [surface(problem, kind, reached), winners(problem, user, kind, ends)]
        tick((kind + 1) / len(names))
    charts += [gains(gain), gains_by_user(gain)]
    lines = [
        "left: accuracy, points where the table has values; "
        "grey: the middle 90% of the SNR at full power",
        f"right: the best mode of user {user} by gain and load, "
        f"{grid.power} x {grid.frequency} x {grid.extraction} levels",
        source,
    ]
    title = f"{subject.name}: {subject.users} users, {subject.channels} sub-channels"
    return titled(charts, title, lines)


def gains_of(subject: Scenario) -> tuple[Floats, str]:
    """Return gains (S, N, K) that stand for a scenario's law, and what they are."""
    if subject.channel is None:
        pinned = np.array([slot.gain for slot in subject.pinned()])
        return pinned, "gains: those that are pinned"
    slots = max(DRAWN // (subject.users * subject.channels), 10)
    slots = min(slots, subject.length() or slots)
    law = f"gains: {subject.channel.model}, {slots} slots drawn with seed 0"
    return subject.draw(slots, 0)[0], law


def surface(problem: Problem, kind: int, reached: Floats) -> alt.ChartType:
    """Return the accuracy of a kind of task by SNR: a line an extraction, and what it is beside.

    Parameters
    ----------
    reached : (2,) float64, dB, the SNR between which most of the slots are
    """
    table, title = problem.tasks.accuracy[kind], f"accuracy, {problem.tasks.names[kind]}"
    low, high = reached.tolist()
    ends = [min(low, table.snr_db[0]), max(high, table.snr_db[-1])]
    beyond = max(BEYOND * (ends[1] - ends[0]), 1.0)
    ends = [ends[0] - beyond, ends[1] + beyond]
    shade = alt.Chart(alt.InlineData(values=[{"from": low, "to": high}])).mark_rect(
        color=GREY, opacity=0.15
    )
    x = alt.X("snr:Q", title="SNR, dB", scale=alt.Scale(domain=ends, nice=False))
    y = alt.Y("accuracy:Q", title=title, scale=alt.Scale(zero=False))
    layers = (
        shade.encode(x="from:Q", x2="to:Q"),
        by_extraction(table, ends).encode(x=x, y=y),
        references(problem, kind, ends).encode(x=x, y=y),
    )
    apart = alt.layer(*layers).resolve_scale(color="independent", strokeDash="independent")
    return apart.properties(height=HEIGHT)


def held(snr_db: Floats, values: Floats, ends: Sequence[float]) -> list[tuple[float, float]]:
    """Return the points of a line by SNR, which holds its first and last value as far as `ends`."""
    return [
        (ends[0], float(values[0])),
        *zip(snr_db.tolist(), values.tolist(), strict=True),
        (ends[1], float(values[-1])),
    ]


def by_extraction(table: AccuracyTable, ends: Sequence[float]) -> alt.ChartType:
    """Return the lines of a table, and points where it has values, without axes."""
    rows = [
        {"extraction": mu, "snr": snr, "accuracy": accuracy}
        for mu, line in zip(table.extraction.tolist(), table.table, strict=True)
        for snr, accuracy in held(table.snr_db, line, ends)
    ]
    points = [row for row in rows if row["snr"] not in ends]
    legend = alt.Legend(
        orient="bottom",
        symbolType="stroke",
        symbolStrokeWidth=2.0,
        symbolOpacity=1.0,
        columns=IN_LEGEND,
        values=every(table.extraction.tolist(), 2 * IN_LEGEND),
    )
    scale = alt.Scale(scheme="viridis", reverse=True)
    colour = alt.Color("extraction:O", scale=scale, legend=legend)
    base = alt.Chart().encode(color=colour, tooltip=["extraction:O", *POINT])
    return alt.layer(
        base.mark_line().properties(data=alt.InlineData(values=rows)),
        base.mark_point(filled=True, size=12).properties(data=alt.InlineData(values=points)),
    )


def every(values: Sequence[float], most: int) -> list[float]:
    """Return so many of values at most, evenly from the first to the last."""
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), most)).round().astype(int))
    return [values[i] for i in at]


def references(problem: Problem, kind: int, ends: Sequence[float]) -> alt.ChartType:
    """Return the lines that accuracies are compared with, without axes.

    They are that of local execution, the least that is allowed, and raw mode's where it has one.
    """
    tasks, table = problem.tasks, problem.tasks.accuracy[kind]
    least, level = tasks.accuracy_min[kind], np.ones_like(table.snr_db)
    lines = {LOCAL_LINE: tasks.local_accuracy[kind] * level}
    if least > 0.0:
        lines[LEAST_LINE] = least * level
    if not np.array_equal(table.raw, table.table[-1]):
        lines[RAW_LINE] = table.raw
    rows = [
        {"line": name, "snr": snr, "accuracy": accuracy}
        for name, values in lines.items()
        for snr, accuracy in held(table.snr_db, values, ends)
    ]
    legend, names = alt.Legend(orient="top", title=None), list(lines)
    colours = alt.Scale(domain=names, range=[LINES[name][0] for name in names])
    dashes = alt.Scale(domain=names, range=[LINES[name][1] for name in names])
    return (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2.5)
        .encode(
            color=alt.Color("line:N", sort=names, scale=colours, legend=legend),
            strokeDash=alt.StrokeDash("line:N", sort=names, scale=dashes, legend=legend),
            tooltip=["line:N", *POINT],
        )
    )


def gains(gain: Floats) -> alt.ChartType:
    """Return the distribution of gains (S, N, K), in dB."""
    return distribution(decibel(gain).ravel(), GAIN, "gains").properties(height=HEIGHT)


def gains_by_user(gain: Floats) -> alt.ChartType:
    """Return the median and the middle 90% of each user's gains (S, N, K), in dB."""
    low, middle, high = np.quantile(decibel(gain), MIDDLE, axis=(0, 2))
    names = [str(n) for n in range(gain.shape[1])]
    rows = [
        {"user": name, "low": float(low[n]), "median": float(middle[n]), "high": float(high[n])}
        for n, name in enumerate(names)
    ]
    base = alt.Chart(alt.InlineData(values=rows)).encode(y=user_axis(names))
    ends = [alt.Tooltip(f"{key}:Q", format=".1f") for key in ("low", "median", "high")]
    scale = alt.Scale(zero=False)
    bars = base.mark_rule(strokeWidth=3, opacity=0.5, color=PALETTE[0]).encode(
        x=alt.X("low:Q", title=f"{GAIN}: median, middle 90%", scale=scale), x2="high:Q"
    )
    points = base.mark_point(filled=True, size=60, opacity=1, color=PALETTE[0]).encode(
        x="median:Q", tooltip=["user:N", *ends]
    )
    return in_rows(bars + points, len(names))


def winners(problem: Problem, user: int, kind: int, ends: Floats) -> alt.ChartType:
    """Return a user's best mode for a kind of task, by its gain and the number of offloaders.

    Parameters
    ----------
    ends : (2,) float64, the least and the greatest gain
    """
    low, high = decibel(ends).tolist()
    edges = np.linspace(low, high, GAINS + 1) if low < high else np.array([low - 1.0, high + 1.0])
    gain = 10.0 ** ((edges[1:] + edges[:-1]) / 20.0)
    task = replace(problem.only(user), gain=gain[None, :], task=np.array([kind]))
    most = min(len(problem.task), problem.gain.shape[1])
    loads = np.unique(np.linspace(1, most, min(most, LOADS)).round().astype(int)).tolist()
    home = np.full(len(gain), best_local(task, 0)[0])
    rows = []
    for load in loads:
        offloaded = [best_offloads(task, 0, load, mode)[0] for mode in (RAW, SEMANTIC)]
        worth = np.array([home, *offloaded])
        best, value = worth.argmax(axis=0), worth.max(axis=0)
        rows += [
            {
                "load": str(load),
                "from": float(edges[i]),
                "to": float(edges[i + 1]),
                "mode": MODES[best[i]] if value[i] > -inf else NONE,
                "QoE": float(value[i]) if value[i] > -inf else None,
            }
            for i in range(len(gain))
        ]
    modes = [*MODES, *([NONE] if any(row["mode"] == NONE for row in rows) else [])]
    name = problem.tasks.names[kind]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect()
        .encode(
            x=alt.X("from:Q", title=f"{GAIN}, {name}", scale=alt.Scale(zero=False, nice=False)),
            x2="to:Q",
            y=alt.Y("load:N", sort=[str(m) for m in loads[::-1]], title="offloaders"),
            color=by_mode(modes),
            tooltip=[
                *("load:N", alt.Tooltip("from:Q", title=GAIN, format=".1f"), "mode:N"),
                alt.Tooltip("QoE:Q", format=".4f"),
            ],
        )
    )
    return chart.properties(height=HEIGHT)
