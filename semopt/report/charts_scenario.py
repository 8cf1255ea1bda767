"""Charts of a scenario: accuracy by SNR, the gains of its law, and where each mode is the best."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import altair as alt
import numpy as np

from ..allowed import whole
from ..model import MODES, RAW, SEMANTIC, decibel, snr
from ..problem import Floats, Problem
from ..solvers.cells import best_local, best_offloads
from .charts_batch import distribution
from .style import GREY, MARK, PALETTE, beside, by_mode, in_rows, titled, user_axis
from .style import MODES as MODE_COLOURS

if TYPE_CHECKING:
    from ..scenario import Scenario

HEIGHT = 180  # pixels
DRAWN = 20_000  # gains, about, that stand for the law
GAINS = 64  # of the map of modes, from one end of those drawn to the other
LOADS = 16  # numbers of offloaders of that map, at most
MIDDLE = (0.05, 0.5, 0.95)  # of a user's gains
LOCAL_LINE, LEAST_LINE, RAW_LINE = "local", "least allowed", "raw"
LINES = {  # colour and dashes
    LOCAL_LINE: (MODE_COLOURS["local"], [2, 2]),
    LEAST_LINE: (MARK, [8, 4]),
    RAW_LINE: (MODE_COLOURS["raw"], [1, 0]),
}
GAIN = "power gain, dB"


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
        "left: accuracy; grey: the middle 90% of the SNR at full power",
        f"right: the best mode of user {user} on its grid, by gain and load",
        source,
    ]
    title = f"{subject.name}: {subject.users} users, {subject.channels} sub-channels"
    return titled(beside(charts), title, lines)


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
    tasks, table = problem.tasks, problem.tasks.accuracy[kind]
    levels, signals = [f"{mu:.3g}" for mu in table.extraction], table.snr_db.tolist()
    low, high = np.clip(reached, signals[0], signals[-1]).tolist()
    shade = alt.Chart(alt.InlineData(values=[{"from": low, "to": high}])).mark_rect(
        color=GREY, opacity=0.15
    )
    x = alt.X("snr:Q", title="SNR, dB", scale=alt.Scale(nice=False))
    y = alt.Y("accuracy:Q", title=f"accuracy, {tasks.names[kind]}", scale=alt.Scale(zero=False))
    tooltip = ["snr:Q", alt.Tooltip("accuracy:Q", format=".4f")]
    rows = [
        {"extraction": level, "snr": snr, "accuracy": accuracy}
        for level, line in zip(levels, table.table.tolist(), strict=True)
        for snr, accuracy in zip(signals, line, strict=True)
    ]
    shades = alt.Color(
        "extraction:O",
        sort=levels,
        scale=alt.Scale(scheme="viridis", reverse=True),
        legend=alt.Legend(orient="bottom", title="extraction", columns=6, symbolLimit=30),
    )
    semantic = alt.Chart(alt.InlineData(values=rows)).mark_line(point=alt.OverlayMarkDef(size=12))
    lines = {
        LOCAL_LINE: [float(tasks.local_accuracy[kind])] * len(signals),
        LEAST_LINE: [float(tasks.accuracy_min[kind])] * len(signals),
        RAW_LINE: table.raw.tolist(),
    }
    absent = {LEAST_LINE: tasks.accuracy_min[kind] <= 0.0}
    absent |= {RAW_LINE: np.array_equal(table.raw, table.table[-1])}
    drawn = [name for name in lines if not absent.get(name)]
    rows = [
        {"line": name, "snr": snr, "accuracy": accuracy}
        for name in drawn
        for snr, accuracy in zip(signals, lines[name], strict=True)
    ]
    legend = alt.Legend(orient="top", title=None)
    colours = alt.Scale(domain=drawn, range=[LINES[name][0] for name in drawn])
    dashes = alt.Scale(domain=drawn, range=[LINES[name][1] for name in drawn])
    others = alt.Chart(alt.InlineData(values=rows)).mark_line(strokeWidth=2.5)
    return (
        alt.layer(
            shade.encode(x="from:Q", x2="to:Q"),
            semantic.encode(x=x, y=y, color=shades, tooltip=["extraction:N", *tooltip]),
            others.encode(
                x=x,
                y=y,
                color=alt.Color("line:N", sort=drawn, scale=colours, legend=legend),
                strokeDash=alt.StrokeDash("line:N", sort=drawn, scale=dashes, legend=legend),
                tooltip=["line:N", *tooltip],
            ),
        )
        .resolve_scale(color="independent", strokeDash="independent")
        .properties(height=HEIGHT)
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
        worth = [home, *(best_offloads(task, 0, load, mode)[0] for mode in (RAW, SEMANTIC))]
        best = np.argmax(worth, axis=0)
        rows += [
            {
                "load": str(load),
                "from": float(edges[i]),
                "to": float(edges[i + 1]),
                "mode": MODES[best[i]] if worth[best[i]][i] > -np.inf else "none",
                "QoE": float(worth[best[i]][i]) if worth[best[i]][i] > -np.inf else None,
            }
            for i in range(len(gain))
        ]
    modes = [*MODES, *(["none"] if any(row["mode"] == "none" for row in rows) else [])]
    name = problem.tasks.names[kind]
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_rect()
        .encode(
            x=alt.X("from:Q", title=f"{GAIN}, {name}", scale=alt.Scale(zero=False, nice=False)),
            x2="to:Q",
            y=alt.Y("load:N", sort=[str(m) for m in loads[::-1]], title="offloaders"),
            color=by_mode(modes),
            tooltip=["load:N", alt.Tooltip("from:Q", title=GAIN, format=".1f"), "mode:N", "QoE:Q"],
        )
    )
    return chart.properties(height=HEIGHT)
