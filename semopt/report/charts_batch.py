"""Charts of many slots: how tasks are executed, and what slots are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ..model import MODES
from ..problem import Floats
from ..worth import tasks_in
from .style import NARROW, PALETTE, WIDTH, by_mode, in_rows, titled

if TYPE_CHECKING:
    from ..solvers.slots import Batch

BINS = 40  # of a histogram
HEIGHT = 160  # pixels of one beside other charts


def many(batch: Batch, name: str) -> alt.ChartType:
    """Return many slots drawn: the shares of modes, and the distribution of what slots are worth.

    Where slots have no decision, also how all ended.
    """
    mean, slots = batch.mean(), len(batch.objective)
    title = f"{name}: {batch.method}, {slots} slots"
    known = worth(batch)
    charts: list[alt.ChartType] = []
    if len(known):
        charts = [modes(batch), distribution(known, "QoE a task").properties(height=HEIGHT)]
    if len(known) < slots:
        charts.append(endings(batch))
    words = "no slot has a decision" if mean["qoe"] is None else f"QoE a task {mean['qoe']:.5f}"
    width = WIDTH if len(charts) <= 2 else NARROW
    return titled(charts, title, [words], len(charts), width)


def endings(batch: Batch) -> alt.ChartType:
    """Return how many slots ended in which way."""
    words, counts = np.unique(batch.statuses.astype(str), return_counts=True)
    rows = [{"ended": w, "slots": int(n)} for w, n in zip(words, counts, strict=True)]
    bars = alt.Chart(alt.InlineData(values=rows)).mark_bar(color=PALETTE[0])
    chart = bars.encode(
        x=alt.X("slots:Q", title="slots", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("ended:N", title=None),
        tooltip=["ended:N", "slots:Q"],
    )
    return in_rows(chart, len(rows))


def worth(batch: Batch) -> Floats:
    """Return the QoE a task of the slots that have a decision."""
    known: Floats = batch.objective[~np.isnan(batch.objective)] / tasks_in(batch.problem)
    return known


def distribution(values: Floats, x: str, y: str = "slots") -> alt.ChartType:
    """Return a histogram of figures (n,); `x` and `y`, what is counted, are its axes' titles."""
    counts, edges = np.histogram(values, BINS)
    rows = [
        {"from": float(low), "to": float(high), y: int(number)}
        for low, high, number in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color=PALETTE[0])
        .encode(
            x=alt.X("from:Q", title=x, bin="binned", scale=alt.Scale(zero=False)),
            x2="to:Q",
            y=alt.Y(f"{y}:Q", title=y, axis=alt.Axis(tickMinStep=1)),
            tooltip=[
                *(alt.Tooltip(f"{name}:Q", format=".4g") for name in ("from", "to")),
                f"{y}:Q",
            ],
        )
    )
    return chart


def modes(batch: Batch) -> alt.ChartType:
    """Return the shares of modes over many slots, a bar a kind of task."""
    shares = batch.modes()
    rows = [
        {"task": task, "mode": mode, "order": place, "share": share[mode]}
        for task, share in shares.items()
        for place, mode in enumerate(MODES)
    ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="share of tasks", axis=alt.Axis(format="%"), stack="zero"),
            y=alt.Y("task:N", sort=list(shares), title=None),
            color=by_mode(list(MODES)),
            order=alt.Order("order:Q"),
            tooltip=["task:N", "mode:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return in_rows(chart, len(shares))
