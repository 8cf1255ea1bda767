"""Charts of a queue whose slots share batteries: energy left over time, and what it was for."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ..actions import QUEUE_MODES, SKIP, mode_of
from ..figures import RECORDS
from .queue import worth
from .style import BOTTOM, GREY, PALETTE, beside, by_mode, by_name, in_rows, titled

if TYPE_CHECKING:
    from ..queue import QueueResult

WIDTH, HEIGHT = 520, 220  # pixels
POINTED = 50  # slots of a queue whose every slot has a point
BATTERY = next(figure for figure in RECORDS["user"] if figure.name == "battery")


def queue(result: QueueResult, name: str) -> alt.ChartType:
    """Return a queue drawn: energy left over time, and each slot's modes and skips below it."""
    slots, users = result.task.shape
    charts = [modes(result)]
    if (result.problem.users.battery < inf).any():
        charts.insert(0, energy(result))
    title = f"{name}: {result.method}, {slots} slots of {users} users, {result.status.word}"
    return titled(beside(charts, 1, WIDTH), title, [worth(result)])


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
    few = len(holders) <= len(PALETTE)
    names = [str(n) for n in holders]
    below = alt.Legend(orient="bottom", title="user", titleOrient="left")
    shades = alt.Color("user:Q", scale=alt.Scale(scheme="viridis"), legend=below)
    unit = BATTERY.unit[0]
    lines = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(point=slots <= POINTED)
        .encode(
            x=_slots(slots, "slots played"),
            y=alt.Y("left:Q", title=f"energy left, {unit}", scale=alt.Scale(zero=True)),
            color=by_name("user", names, below) if few else shades,
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
    """Return the mode of each user's task in each slot, skips among them."""
    slots, users = result.task.shape
    kinds, qoe = result.problem.tasks.names, result.outcome.qoe
    rows = []
    for t in range(slots):
        actions = result.actions.take(t)
        rows += [
            {
                "user": str(n),
                "from": t,
                "to": t + 1,
                "mode": QUEUE_MODES[SKIP] if result.skipped[t, n] else mode_of(actions, n),
                "task": kinds[result.task[t, n]],
                "QoE": float(qoe[t, n]),
                "energy": BATTERY.in_file(float(result.spent[t, n])),
            }
            for n in range(users)
        ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect(stroke="white", strokeWidth=1 if slots <= POINTED else 0)
        .encode(
            x=_slots(slots, "slot", "from:Q"),
            x2="to:Q",
            y=alt.Y("user:N", sort=[str(n) for n in range(users)], title="user"),
            color=by_mode(QUEUE_MODES, BOTTOM),
            tooltip=[
                *("user:N", alt.Tooltip("from:Q", title="slot"), "task:N", "mode:N"),
                alt.Tooltip("QoE:Q", format=".4f"),
                alt.Tooltip("energy:Q", title=f"energy, {BATTERY.unit[0]}", format=".4g"),
            ],
        )
    )
    return in_rows(chart, users)


def _slots(slots: int, title: str, field: str = "slot:Q") -> alt.X:
    axis = alt.Axis(tickMinStep=1, format="d")
    scale = alt.Scale(domain=[0, slots], nice=False)
    return alt.X(field, title=title, scale=scale, axis=axis)
