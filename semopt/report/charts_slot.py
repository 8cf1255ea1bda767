"""Charts of decisions: who offloads where, where time and energy go, what slots are worth.

Each function takes results and returns a Vega-Lite specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from ..actions import mode_of
from ..figures import USER_LIMITS, Limit
from ..limits import of_user
from ..model import MODES, Actions, costs, decibel, snr
from ..problem import Floats, Problem
from .slot import all_local

if TYPE_CHECKING:
    from ..result import Result
    from ..solvers.slots import Batch

STEP = 26  # pixels of a row
TERMS = ("device", "air", "server")  # of `Costs`
NAMES = {
    "device": "on the user's GPU",
    "air": "on the air",
    "server": "on the server",
}
BINS = 40  # of a histogram


def users(problem: Problem) -> list[str]:
    """Return what charts call the users: number and task."""
    return [f"{n} {problem.tasks.names[kind]}" for n, kind in enumerate(problem.task)]


def decision(result: Result) -> Actions:
    """Return a result's decision, or raise ValueError where it has none."""
    if result.actions is None:
        raise ValueError(f"{result.method}: there is no decision to draw ({result.status.word})")
    return result.actions


def places(result: Result) -> dict[str, Any]:
    """Return who offloads where: the SNR at full power by user and sub-channel, and the choices.

    Of a result without a decision, the SNR alone.
    """
    problem, actions, names = result.problem, result.actions, users(result.problem)
    channels = [str(k) for k in range(problem.gain.shape[1])]
    strongest = decibel(snr(problem.gain, problem.users.power_max[:, None], problem.system.noise))
    signals = [
        {"user": names[n], "place": channels[k], "SNR": float(strongest[n, k])}
        for n, k in np.ndindex(strongest.shape)
    ]
    chosen = (
        []
        if actions is None
        else [
            {
                "user": name,
                "place": "local" if actions.channel[n] < 0 else channels[actions.channel[n]],
                "mode": mode_of(actions, n),
            }
            for n, name in enumerate(names)
        ]
    )
    x = alt.X(
        "place:N",
        sort=["local", *channels],
        scale=alt.Scale(domain=["local", *channels]),
        title="local, or sub-channel",
        axis=alt.Axis(labelAngle=0, labelOverlap=True),
    )
    cells = (
        alt.Chart(alt.InlineData(values=signals))
        .mark_rect()
        .encode(
            x=x,
            y=_rows(names),
            color=alt.Color(
                "SNR:Q",
                scale=alt.Scale(scheme="blues"),
                title="SNR at full power, dB",
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=["user:N", "place:N", alt.Tooltip("SNR:Q", format=".1f")],
        )
    )
    marks = (
        alt.Chart(alt.InlineData(values=chosen))
        .mark_point(filled=True, size=110, opacity=1, stroke="white", strokeWidth=1)
        .encode(
            x=x,
            y=_rows(names),
            shape=alt.Shape(
                "mode:N",
                scale=alt.Scale(domain=list(MODES), range=["circle", "square", "triangle-up"]),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            color=alt.value("#e45756"),
            tooltip=["user:N", "place:N", "mode:N"],
        )
    )
    return _sized(cells + marks, len(names))


def spent(result: Result, figure: str) -> dict[str, Any]:
    """Return where the time or the energy of each user goes, and its limit.

    Parameters
    ----------
    figure : "latency" or "energy"
    """
    problem, names = result.problem, users(result.problem)
    quantity = {"latency": "time", "energy": "energy"}[figure]
    terms, _ = costs(problem, decision(result))
    limits = [limit for limit in USER_LIMITS if limit.figure == figure and limit.worse > 0]
    row = limits[0].row
    unit = row.unit[0]
    rows = [
        {
            "user": name,
            "part": NAMES[term],
            "order": place,
            "amount": row.in_file(float(getattr(terms, f"{term}_{quantity}")[n])),
        }
        for n, name in enumerate(names)
        for place, term in enumerate(TERMS)
    ]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("sum(amount):Q", title=f"{figure}, {unit}"),
            y=_rows(names),
            color=alt.Color(
                "part:N",
                sort=list(NAMES.values()),
                scale=alt.Scale(domain=list(NAMES.values()), scheme="tableau10"),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            order=alt.Order("order:Q"),
            tooltip=["user:N", "part:N", alt.Tooltip("amount:Q", format=".4g", title=unit)],
        )
    )
    return _with_ticks(bars, names, tightest(problem, limits), f"limit, {unit}")


def tightest(problem: Problem, limits: Sequence[Limit]) -> list[float | None]:
    """Return each user's least upper limit in the unit of files; None where there is none."""
    least = (min(of_user(problem, x, n) for x in limits) for n in range(len(problem.task)))
    return [limits[0].row.in_file(x) if x < inf else None for x in least]


def worth(result: Result) -> dict[str, Any]:
    """Return each user's QoE, with a tick where its best local execution stands."""
    problem, names = result.problem, users(result.problem)
    reached = result.outcome().qoe
    rows = [{"user": name, "QoE": float(reached[n])} for n, name in enumerate(names)]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color="#4c78a8")
        .encode(
            x=alt.X("QoE:Q", title="QoE", scale=alt.Scale(domain=[0, 1])),
            y=_rows(names),
            tooltip=["user:N", alt.Tooltip("QoE:Q", format=".4f")],
        )
    )
    local = [float(x) if np.isfinite(x) else None for x in all_local(problem)]
    return _with_ticks(bars, names, local, "best local execution")


def distribution(values: Floats, x: str) -> dict[str, Any]:
    """Return a histogram of finite figures of slots (S,); `x` is the axis' title."""
    counts, edges = np.histogram(values, BINS)
    rows = [
        {"from": float(low), "to": float(high), "slots": int(number)}
        for low, high, number in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color="#4c78a8")
        .encode(
            x=alt.X("from:Q", title=x, bin="binned", scale=alt.Scale(zero=False)),
            x2="to:Q",
            y=alt.Y("slots:Q", title="slots"),
            tooltip=[
                *(alt.Tooltip(f"{name}:Q", format=".4g") for name in ("from", "to")),
                "slots:Q",
            ],
        )
    )
    return dict(chart.to_dict())


def modes(batch: Batch) -> dict[str, Any]:
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
            color=alt.Color(
                "mode:N",
                sort=list(MODES),
                scale=alt.Scale(domain=list(MODES), scheme="tableau10"),
                legend=alt.Legend(orient="bottom", title=None),
            ),
            order=alt.Order("order:Q"),
            tooltip=["task:N", "mode:N", alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return _sized(chart, len(shares))


def _rows(names: Sequence[str]) -> alt.Y:
    return alt.Y("user:N", sort=list(names), title="user", axis=alt.Axis(labelLimit=160))


def _with_ticks(
    bars: alt.Chart, names: Sequence[str], values: Sequence[float | None], what: str
) -> dict[str, Any]:
    """Return bars with a tick on each user's row, where it has a value."""
    rows = [
        {"user": name, "at": value}
        for name, value in zip(names, values, strict=True)
        if value is not None
    ]
    if not rows:
        return _sized(bars, len(names))
    ticks = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_tick(color="#888", thickness=3, height=STEP)
        .encode(x="at:Q", y=_rows(names), tooltip=["user:N", alt.Tooltip("at:Q", title=what)])
    )
    return _sized(bars + ticks, len(names))


def _sized(chart: Any, rows: int) -> dict[str, Any]:
    return dict(chart.properties(height=STEP * rows).to_dict())
