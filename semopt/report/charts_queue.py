"""Charts of a queue whose slots share batteries: energy left over time, and what it was for."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from ..actions import QUEUE_MODES, SKIP
from ..figures import RECORDS
from .queue import worth
from .style import BOTTOM, GREY, USERS, by_mode, by_name, in_rows, scale_of, titled

if TYPE_CHECKING:
    from ..queue import QueueResult

WIDTH, HEIGHT = 520, 220  # pixels
POINTED = 50  # slots of a queue whose every slot has a point
SINGLE, BLOCKS = 130, 104  # slots drawn one by one, at most; of more, blocks, about
FILLED = 0.9  # of the height of a row
BATTERY = next(figure for figure in RECORDS["user"] if figure.name == "battery")


def queue(result: QueueResult, name: str) -> alt.ChartType:
    """Return a queue drawn: energy left over time, and each slot's modes and skips below it."""
    slots, users = result.task.shape
    charts = [modes(result)]
    if (result.problem.users.battery < inf).any():
        charts.insert(0, energy(result))
    title = f"{name}: {result.method}, {slots} slots of {users} users, {result.status.word}"
    return titled(charts, title, [worth(result)], 1, WIDTH)


def energy(result: QueueResult) -> alt.ChartType:
    """Return what is left in each battery over time, and what even spending would leave."""
    battery, slots = result.problem.users.battery, len(result.task)
    left = np.vstack([battery, result.energy_left()])
    holders = np.flatnonzero(battery < inf).tolist()
    rows = [
        {"user": str(n), "slot": t, "left": BATTERY.in_file(float(left[t, n]))}
        for n in holders
        for t in range(slots + 1)
    ]
    few = len(holders) <= len(USERS)
    names = [str(n) for n in holders]
    below = alt.Legend(orient="bottom", title="user", titleOrient="left")
    greens = alt.SchemeParams(name="greens", extent=[0.3, 1.0])
    shades = alt.Color("user:Q", scale=alt.Scale(scheme=greens), legend=below)
    unit = BATTERY.unit[0]
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=slots <= POINTED)
        .encode(
            x=_slots("slot:Q", "slots played", [0, slots]),
            y=alt.Y("left:Q", title=f"energy left, {unit}", scale=alt.Scale(zero=True)),
            color=by_name("user", names, below, USERS) if few else shades,
            detail="user:N",
            tooltip=["user:N", "slot:Q", alt.Tooltip("left:Q", title=unit, format=".4g")],
        )
    )
    even = [
        {"of": end, "slot": t, "left": end * (1 - t / slots), "what": "spent evenly"}
        for end in sorted({BATTERY.in_file(float(battery[n])) for n in holders})
        for t in (0, slots)
    ]
    dash = alt.Scale(domain=["spent evenly"], range=[[4, 4]])
    dashed = (
        alt.Chart(alt.InlineData(values=even))
        .mark_line(color=GREY, strokeWidth=1.5)
        .encode(
            x="slot:Q",
            y="left:Q",
            detail="of:N",
            strokeDash=alt.StrokeDash("what:N", scale=dash, legend=BOTTOM),
        )
    )
    return alt.layer(dashed, lines).properties(height=HEIGHT)


def modes(result: QueueResult) -> alt.ChartType:
    """Return the mode of each user's task in each slot, skips among them.

    Of more than `SINGLE` slots, the shares of modes in blocks of slots.
    """
    slots, users = result.task.shape
    size = 1 if slots <= SINGLE else -(-slots // BLOCKS)
    unit = BATTERY.unit[0]
    single = [
        *("user:N", alt.Tooltip("from:Q", title="slot"), "task:N", "mode:N"),
        alt.Tooltip("QoE:Q", format=".4f"),
        alt.Tooltip("energy:Q", title=f"energy, {unit}", format=".4g"),
    ]
    block = [
        *("user:N", alt.Tooltip("from:Q", title="from slot"), "last:Q", "mode:N"),
        alt.Tooltip("share:Q", format=".1%"),
        alt.Tooltip("QoE:Q", title="QoE a task", format=".4f"),
        alt.Tooltip("energy:Q", title=f"energy, {unit}", format=".4g"),
    ]
    title = "slot" if size == 1 else f"slot; shares of modes in each {size} slots"
    rows = alt.Axis(
        values=[n + 0.5 for n in range(users)],
        labelExpr="format(floor(datum.value), 'd')",
        labelOverlap=True,
        ticks=False,
        grid=False,
    )
    few = slots <= POINTED
    seam = alt.Stroke("mode:N", sort=[*QUEUE_MODES], scale=scale_of(QUEUE_MODES), legend=None)
    chart = (
        alt.Chart(alt.InlineData(values=list(blocks(result, size))))
        .mark_rect(strokeWidth=1.0 if few else 0.6)
        .encode(
            x=_slots("left:Q", title, [-0.5, slots - 0.5]),
            x2="right:Q",
            y=alt.Y(
                "top:Q",
                title="user",
                axis=rows,
                scale=alt.Scale(domain=[0, users], reverse=True, nice=False),
            ),
            y2="bottom:Q",
            color=by_mode(QUEUE_MODES, BOTTOM),
            stroke=alt.value("white") if few else seam,
            tooltip=single if size == 1 else block,
        )
    )
    return in_rows(chart, users)


def blocks(result: QueueResult, size: int) -> Iterator[dict[str, Any]]:
    """Yield each user's modes in each block of so many slots: a share, below the one before."""
    slots, users = result.task.shape
    kinds, qoe = result.problem.tasks.names, result.outcome.qoe
    code = np.where(result.skipped, SKIP, result.actions.mode)
    for first in range(0, slots, size):
        last = min(first + size, slots) - 1
        for n in range(users):
            here, top = np.arange(first, last + 1), n + (1.0 - FILLED) / 2
            for place, mode in enumerate(QUEUE_MODES):
                those = here[code[here, n] == place]
                if not len(those):
                    continue
                share = len(those) / len(here)
                yield {
                    "user": str(n),
                    "from": first,
                    "last": last,
                    "left": first - 0.5,
                    "right": last + 0.5,
                    "top": top,
                    "bottom": top + FILLED * share,
                    "mode": mode,
                    "share": share,
                    "task": kinds[result.task[first, n]] if size == 1 else None,
                    "QoE": float(qoe[those, n].mean()),
                    "energy": BATTERY.in_file(float(result.spent[those, n].sum())),
                }
                top += FILLED * share


def _slots(field: str, title: str, ends: list[float]) -> alt.X:
    axis = alt.Axis(tickMinStep=1, format="d")
    return alt.X(field, title=title, scale=alt.Scale(domain=ends, nice=False), axis=axis)
