"""Charts of a slot: who offloads where, where time and energy go, and what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ..actions import mode_of
from ..figures import USER_LIMITS, Limit
from ..limits import of_user
from ..model import MODES, Actions, costs, decibel, snr
from ..problem import Problem
from .charts_search import search
from .slot import all_local, reasons, verdict
from .style import (
    GREY,
    MARK,
    PALETTE,
    WIDTH,
    by_name,
    in_rows,
    place_axis,
    row_height,
    titled,
    user_axis,
    users,
)

if TYPE_CHECKING:
    from ..result import Result

FAR = 4.0  # a limit so many times what is spent is named, not drawn: all else would be small
TERMS = ("device", "air", "server")  # of `Costs`
NAMES = {
    "device": "on the user's GPU",
    "air": "on the air",
    "server": "on the server",
}
TICK = alt.Legend(orient="bottom", title=None, symbolType="stroke", symbolStrokeColor=GREY)


def decision(result: Result) -> Actions:
    """Return a result's decision, or raise ValueError where it has none."""
    if result.actions is None:
        raise ValueError(f"{result.method}: there is no decision to draw ({result.status.word})")
    return result.actions


def slot(result: Result, name: str) -> alt.ChartType:
    """Return one slot drawn: who offloads where, and what time, energy and QoE each user has.

    Of a result without a decision, the SNR alone and why there is none.
    """
    if result.actions is None:
        subtitle = [f"{result.status.word}: {result.status.sentence}", *reasons(result)]
    else:
        subtitle = verdict(result)[:1]
    title = f"{name}: {result.method}, {result.status.word}"
    return titled([*panels(result), *search(result)], title, subtitle)


def panels(result: Result) -> list[alt.ChartType]:
    """Return the charts of one slot; of a result without a decision, the SNR alone."""
    if result.actions is None:
        return [places(result)]
    return [places(result), worth(result), spent(result, "latency"), spent(result, "energy")]


def places(result: Result) -> alt.ChartType:
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
    x = place_axis(["local", *channels])
    cells = (
        alt.Chart(alt.InlineData(values=signals))
        .mark_rect()
        .encode(
            x=x,
            y=user_axis(names),
            color=alt.Color(
                "SNR:Q",
                scale=alt.Scale(scheme="blues"),
                title="SNR at full power, dB",
                legend=alt.Legend(orient="bottom", gradientLength=WIDTH // 2),
            ),
            tooltip=["user:N", "place:N", alt.Tooltip("SNR:Q", format=".1f")],
        )
    )
    if actions is None:
        return in_rows(cells, len(names))
    chosen = [
        {
            "user": name,
            "place": "local" if actions.channel[n] < 0 else channels[actions.channel[n]],
            "mode": mode_of(actions, n),
        }
        for n, name in enumerate(names)
    ]
    marks = (
        alt.Chart(alt.InlineData(values=chosen))
        .mark_point(
            filled=True, size=4 * row_height(len(names)), opacity=1, stroke="white", strokeWidth=1
        )
        .encode(
            x=x,
            y=user_axis(names),
            shape=alt.Shape(
                "mode:N",
                scale=alt.Scale(domain=list(MODES), range=["circle", "square", "triangle-up"]),
                legend=alt.Legend(orient="bottom", title=None, symbolFillColor=MARK),
            ),
            color=alt.value(MARK),
            tooltip=["user:N", "place:N", "mode:N"],
        )
    )
    return in_rows(cells + marks, len(names))


def spent(result: Result, figure: str) -> alt.ChartType:
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
    amounts = np.array(
        [[row.in_file(x) for x in getattr(terms, f"{term}_{quantity}")] for term in TERMS]
    )
    rows = [
        {"user": name, "part": NAMES[term], "order": place, "amount": float(amounts[place, n])}
        for n, name in enumerate(names)
        for place, term in enumerate(TERMS)
    ]
    ends = tightest(problem, limits)
    furthest = FAR * float(amounts.sum(axis=0).max())
    ticks = [None if end is None or end > furthest else end for end in ends]
    far = [end for end in ends if end is not None and end > furthest]
    title = f"{figure}, {unit}" + (f" (limit {min(far):.4g} {unit})" if far else "")
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("sum(amount):Q", title=title),
            y=user_axis(names),
            color=by_name("part", list(NAMES.values())),
            order=alt.Order("order:Q"),
            tooltip=["user:N", "part:N", alt.Tooltip("amount:Q", format=".4g", title=unit)],
        )
    )
    return _with_ticks(bars, names, ticks, f"limit, {unit}")


def tightest(problem: Problem, limits: Sequence[Limit]) -> list[float | None]:
    """Return each user's least upper limit in the unit of files; None where there is none."""
    least = (min(of_user(problem, x, n) for x in limits) for n in range(len(problem.task)))
    return [limits[0].row.in_file(x) if x < inf else None for x in least]


def worth(result: Result) -> alt.ChartType:
    """Return each user's QoE, with a tick where its best local execution stands."""
    problem, names = result.problem, users(result.problem)
    reached = result.outcome().qoe
    rows = [{"user": name, "QoE": float(reached[n])} for n, name in enumerate(names)]
    bars = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(color=PALETTE[0])
        .encode(
            x=alt.X("QoE:Q", title="QoE", scale=alt.Scale(domain=[0, 1])),
            y=user_axis(names),
            tooltip=["user:N", alt.Tooltip("QoE:Q", format=".4f")],
        )
    )
    local = [float(x) if np.isfinite(x) else None for x in all_local(problem)]
    return _with_ticks(bars, names, local, "best local execution")


def _with_ticks(
    bars: alt.Chart, names: Sequence[str], values: Sequence[float | None], what: str
) -> alt.ChartType:
    """Return bars with a tick on each user's row, where it has a value."""
    rows = [
        {"user": name, "at": value, "what": what}
        for name, value in zip(names, values, strict=True)
        if value is not None
    ]
    if not rows:
        return in_rows(bars, len(names))
    scale = alt.Scale(domain=[what], range=[GREY])
    ticks = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_tick(thickness=3, height=row_height(len(names)))
        .encode(
            x="at:Q",
            y=user_axis(names),
            color=alt.Color("what:N", scale=scale, legend=TICK),
            tooltip=["user:N", alt.Tooltip("at:Q", title=what, format=".4g")],
        )
    )
    return in_rows(alt.layer(bars, ticks).resolve_scale(color="independent"), len(names))
