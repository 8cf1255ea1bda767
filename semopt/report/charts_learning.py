"""Charts of policies: how far they are from the optimum, and how they came there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import altair as alt
import numpy as np

from ..statistics import blocks
from .charts import curves, intervals, profile
from .lines import by_reason, short
from .style import NARROW, titled

if TYPE_CHECKING:
    from ..learn.scores import Evaluation

LEAST = 1e-6  # smallest gap that is drawn, QoE a task: what a certified optimum is asked for
HEIGHT = 220  # pixels of a chart beside others
STEPS, REGRET, OPTIMUM = "agent steps", "regret, QoE a task", "certified optimum"
ENTROPY = "entropy of a user's mode, nat"

Log = Sequence[Mapping[str, Any]]  # the lines of a training's log


def scores(evaluation: Evaluation) -> alt.ChartType:
    """Return scores drawn: how many slots are within which gap, and the mean gaps."""
    left_out = evaluation.infeasible_slots
    lines = [
        f"{evaluation.drawn}, seed {evaluation.seed}, against {evaluation.reference}"
        + (f"; {left_out} infeasible ones are left out" if left_out else ""),
        *bands(evaluation),
    ]
    charts = [within(evaluation).properties(height=HEIGHT), means(evaluation)]
    return titled(charts, f"{evaluation.scenario}: gaps to the {evaluation.best}", lines)


def within(evaluation: Evaluation) -> alt.ChartType:
    """Return the share of slots within each gap, a line a method; a band where it has intervals."""
    title, units = gap_to(evaluation), evaluation.units
    names = short(list(evaluation.gaps))
    gaps = {names[name]: gap for name, gap in evaluation.gaps.items()}
    in_time, without = evaluation.in_time, evaluation.without_interval
    independent = {
        names[name]: len(blocks([gap], in_time)) if in_time.depend else len(gap)
        for name, gap in evaluation.gaps.items()
        if name not in without
    }
    return profile(gaps, LEAST, title, independent, units)


def means(evaluation: Evaluation) -> alt.ChartType:
    """Return the mean gaps with their intervals, a row a method."""
    rows, names = [], short(list(evaluation.gaps))
    for name, gap in evaluation.gaps.items():
        ends = evaluation.interval(name)
        low, high = (None if np.isnan(end) else end for end in ends)
        rows.append((names[name], float(gap.mean()), low, high))
    return intervals(rows, gap_to(evaluation))


def gap_to(evaluation: Evaluation) -> str:
    """Return the title of an axis of gaps."""
    return f"gap to the {evaluation.best}, QoE a task"


def bands(evaluation: Evaluation) -> list[str]:
    """Say what the shades of `within` and the bars of `means` are, or why some have none."""
    without, names = evaluation.without_interval, short(list(evaluation.gaps))
    lines = list[str]()
    if len(without) < len(names):
        units = f"independent {evaluation.units}"
        if evaluation.in_time.depend:
            units = f"blocks of {evaluation.units}, since neighbours resemble each other"
        lines.append(f"shades: 95% bands of whole lines; bars: 95% intervals of means, of {units}")
    for why, of in by_reason((names[name], why) for name, why in without.items()).items():
        whose = f" of {of}" if len(without) < len(names) else ""
        lines.append(f"no bands and bars{whose}: {why}")
    return lines


def training(log: Log, title: str, ended: str) -> alt.ChartType:
    """Return a training drawn over its steps: regret, QoE, and entropy or losses."""
    charts = [regret(log), qoe(log), losses(log)]
    sized = [chart.properties(height=HEIGHT) for chart in charts]
    words = [f"{ended}; on the validation slots"]
    return titled(sized, title, words, len(sized), NARROW)


def regret(log: Log) -> alt.ChartType:
    """Return what the policy lacks of the certified optimum, over steps."""
    values = column(log, "regret")
    lines = {"policy": (column(log, "agent_steps"), values)}
    return curves(lines, STEPS, REGRET, (0, base_for(values)), zero=True)


def qoe(log: Log) -> alt.ChartType:
    """Return the QoE beside that of the certified optimum, over steps."""
    steps, reached = column(log, "agent_steps"), column(log, "qoe")
    best = [at + lacking for at, lacking in zip(reached, column(log, "regret"), strict=True)]
    lines = {"policy": (steps, reached), OPTIMUM: (steps, best)}
    return curves(lines, STEPS, "QoE a task", optimum=OPTIMUM)


def losses(log: Log) -> alt.ChartType:
    """Return the entropy of the modes over steps; of an algorithm without one, its losses."""
    names = list(dict.fromkeys(name for row in log for name in row["losses"]))
    if "entropy" in names:
        names = ["entropy"]
    steps = column(log, "agent_steps")
    lines = {
        name.replace("_", " "): [float(row["losses"].get(name, np.nan)) for row in log]
        for name in names
    }
    series = {name: (steps, line) for name, line in lines.items()}
    if names == ["entropy"]:
        return curves(series, STEPS, ENTROPY, zero=True)
    base = base_for([value for line in lines.values() for value in line])
    return curves(series, STEPS, "losses", (0, base))


def base_for(values: Sequence[float]) -> int:
    """Return the base of the axis of values: logarithmic where they span a decade, else 0."""
    return 10 if min(values) > 0.0 and max(values) > 10.0 * min(values) else 0


def column(log: Log, name: str) -> list[float]:
    """Return a figure of every line of a log."""
    return [float(row[name]) for row in log]
