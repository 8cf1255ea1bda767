"""Figures 10 to 12 of the paper: what happens as weight moves from one figure to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ...report.charts import curves
from ...report.page import Figure, Table
from ...scenario import Scenario
from ..cells import Cell, Store
from .measures import FIGURE_LABELS, Claim, Sample, View, cell_list, sample
from .setup import CERTIFIED, SERIES, Setup
from .tables import preference

JUMP = 0.3  # share of the whole range that one step must make to be a jump
FLAT = 0.05  # share of the whole range that a curve may go the other way
TENTHS = tuple(tenth / 10 for tenth in range(11))

Points = tuple[list[float], list[float]]


class Move(NamedTuple):
    """From which figure of the QoE weight moves to which, and the weights that MAPPO is trained at.

    Names are those of the preferences of Table V; weights are of what gains.
    """

    loses: str
    gains: str
    trained: tuple[float, ...]


MOVES = {
    "fig10": Move("accuracy", "latency", (0.0, 0.33, 0.5, 0.67, 1.0)),
    "fig11": Move("energy", "accuracy", (0.0, 0.33, 0.5, 0.67, 1.0)),
    "fig12": Move("energy", "latency", (0.0, 0.3, 0.5, 0.7, 1.0)),
}
KEYS = {"latency": "latency_ms", "energy": "energy_mj", "accuracy": "accuracy"}


def moved(setup: Setup, move: Move, weight: float) -> Scenario:
    """Return the scenario in which what gains has this weight, and what loses the rest.

    At the ends it is that of a preference of Table V, whose policies are the same then.
    """
    if weight in (0.0, 1.0):
        return preference(setup, move.gains if weight else move.loses)
    weights = {move.loses: round(1.0 - weight, 6), move.gains: weight}
    return setup.weighted(*(weights.get(name, 0.0) for name in KEYS))


def cells_of(part: str) -> Callable[[Setup], list[Cell]]:
    """Return what gives the cells of a figure."""
    move = MOVES[part]

    def cells(setup: Setup) -> list[Cell]:
        policies = [setup.cells("mappo", moved(setup, move, weight)) for weight in move.trained]
        optima = [setup.cells(CERTIFIED, moved(setup, move, weight)) for weight in grid(move)]
        return [*cell_list(*policies, *optima)]

    return cells


def grid(move: Move) -> list[float]:
    """Return the weights at which the certified optimum is drawn."""
    return sorted({*TENTHS, *move.trained})


def view_of(part: str) -> Callable[[Setup, Store], View]:
    """Return what makes the view of a figure."""
    move = MOVES[part]

    def view(setup: Setup, store: Store) -> View:
        command = setup.command(part, store.folder)
        sweep: Sweep = {
            name: {
                weight: reached
                for weight in weights
                if (reached := sample(setup, store, name, moved(setup, move, weight)))
            }
            for name, weights in ((CERTIFIED, grid(move)), ("mappo", move.trained))
        }
        lines: Lines = {
            KEYS[figure]: {
                name: [(w, each) for w, each in reached.items() if w != unweighted]
                for name, reached in sweep.items()
            }
            for figure, unweighted in ((move.loses, 1.0), (move.gains, 0.0))
        }
        drawn = [
            _drawn(
                part,
                key,
                f"weight of {move.gains}, that of {move.loses} is the rest",
                each,
                command,
            )
            for key, each in lines.items()
            if any(each.values())
        ]
        return View(
            f"Fig. {part[3:]}: weight moves from {move.loses} to {move.gains}",
            "MAPPO trained anew for each weight, and the certified optimum. A figure is not drawn "
            "where it has no weight: decisions of equal QoE leave it open there.",
            claims=SHAPES[part](lines),
            figures=drawn,
            tables=[_listed(part, move, sweep)],
        )

    return view


Sweep = Mapping[str, Mapping[float, Sample]]
Lines = Mapping[str, Mapping[str, list[tuple[float, Sample]]]]


def _drawn(
    part: str, key: str, x: str, lines: Mapping[str, list[tuple[float, Sample]]], command: str
) -> Figure:
    """Return a figure over a weight."""
    series, runs = dict[str, Points](), dict[str, list[Points]]()
    for name, points in lines.items():
        label = SERIES[name].label
        series[label] = [w for w, _ in points], [each.mean(key) for _, each in points]
        count = min((len(each.runs(key)) for _, each in points), default=0)
        if SERIES[name].algorithm:
            runs[label] = [
                (series[label][0], [float(each.runs(key)[run]) for _, each in points])
                for run in range(count)
            ]
    spec = curves(series, x, FIGURE_LABELS[key], seeds=runs, optimum=SERIES[CERTIFIED].label)
    title = FIGURE_LABELS[key].capitalize().replace("mj", "mJ")
    name = f"{part}-{key}"
    text = "Each training is a thin line, their mean the thick one."
    return Figure(name, title, spec, text, command)


def _listed(part: str, move: Move, sweep: Sweep) -> Table:
    """Return the numbers of a figure."""
    figures = move.loses, move.gains
    rows = [
        [
            *(SERIES[name].label, round(1.0 - weight, 6), weight),
            *(each.mean(KEYS[figure]) for figure in figures),
        ]
        for name, reached in sweep.items()
        for weight, each in reached.items()
    ]
    titles = [f"weight of {figure}" for figure in figures]
    columns = ("", *titles, *(FIGURE_LABELS[KEYS[figure]] for figure in figures))
    return Table(part, "The numbers of the figure", columns, rows)


def _moving(lines: Lines, key: str, name: str) -> tuple[list[float], list[float]]:
    points = lines[key][name]
    return [w for w, _ in points], [each.mean(key) for _, each in points]


def _falls(lines: Lines, key: str, word: str, name: str) -> Claim:
    """Return the claim that a figure falls all along."""
    words = f"{SERIES[name].label}, {word} falls as latency gains weight"
    at, values = _moving(lines, key, name)
    if len(values) < 3:
        return Claim(words, None, "cells are missing")
    steps, points = -np.diff(values), [f"{v:.4g} at {w:g}" for w, v in zip(at, values, strict=True)]
    worst = int(steps.argmin())
    holds = bool(steps.sum() > 0.0 and steps[worst] >= -FLAT * (max(values) - min(values)))
    back = "" if holds else f", but from {points[worst]} to {points[worst + 1]}"
    return Claim(words, holds, f"from {points[0]} to {points[-1]}{back}")


def _falls_together(lines: Lines) -> list[Claim]:
    return [
        _falls(lines, KEYS[figure], figure, name)
        for name in ("mappo", CERTIFIED)
        for figure in ("latency", "accuracy")
    ]


def _jumps_together(lines: Lines) -> list[Claim]:
    """Return the claims that energy and accuracy jump at (0.67, 0.33), for each reading."""
    claims = []
    for name in ("mappo", CERTIFIED):
        for key, word in (("energy_mj", "energy"), ("accuracy", "accuracy")):
            at, values = _moving(lines, key, name)
            for weight, reading in JUMPS.items():
                words = f"{SERIES[name].label}, {word} jumps at (0.67, 0.33), {reading}"
                if len(values) < 3:
                    claims.append(Claim(words, None, "cells are missing"))
                    continue
                steps, span = np.diff(values), max(values) - min(values)
                largest = int(steps.argmax())
                low, high = at[largest], at[largest + 1]
                measured = (
                    f"the largest step, {steps[largest]:+.4g} of {span:.4g} in all, lies between "
                    f"weights of accuracy of {low:g} and {high:g}"
                )
                holds = low <= weight <= high and steps[largest] >= JUMP * span
                claims.append(Claim(words, bool(holds), measured))
    return claims


def _turns(lines: Lines) -> list[Claim]:
    """Return the claims that latency falls and energy rises beyond (0.3, 0.7), for each reading."""
    claims = []
    for name in ("mappo", CERTIFIED):
        for key, word, sign in (
            ("latency_ms", "latency falls", -1.0),
            ("energy_mj", "energy rises", 1.0),
        ):
            at, values = _moving(lines, key, name)
            for weight, reading in TURNS.items():
                words = f"{SERIES[name].label}, beyond (0.3, 0.7) {word}, not before, {reading}"
                if len(values) < 3 or weight not in at[1:-1]:
                    claims.append(Claim(words, None, "cells are missing"))
                    continue
                first, turn, last = values[0], values[at.index(weight)], values[-1]
                flat = FLAT * (max(values) - min(values))
                holds = abs(turn - first) <= flat < sign * (last - turn)
                path = {at[0]: first, weight: turn, at[-1]: last}
                measured = ", ".join(f"{value:.4g} at {w:g}" for w, value in path.items())
                claims.append(Claim(words, bool(holds), f"{measured} of latency's weight"))
    return claims


# The paper writes pairs of weights without saying which is whose: by the weight of what gains.
JUMPS = {0.33: "energy named first", 0.67: "accuracy named first"}
TURNS = {0.7: "energy named first", 0.3: "latency named first"}
SHAPES: dict[str, Callable[[Lines], list[Claim]]] = {
    "fig10": _falls_together,
    "fig11": _jumps_together,
    "fig12": _turns,
}
