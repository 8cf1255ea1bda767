"""Figures 10 to 12 of the paper: what happens as weight moves from one figure to another."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ...report.charts import curves
from ...report.page import Figure, Table
from ...scenario import Scenario
from ..cells import Cell, Store
from .measures import FIGURE_LABELS, Claim, Sample, View, cell_list, sample, word_of
from .orders import all_of
from .setup import CERTIFIED, SERIES, Setup
from .tables import preference

STEEP = 2.0  # mean slopes that a jump must exceed
NEAR = 0.1  # weight to both sides of a jump within which it counts as there
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
    "fig11": Move("energy", "accuracy", (0.0, 0.23, 0.33, 0.43, 0.57, 0.67, 0.77, 1.0)),
    "fig12": Move("energy", "latency", (0.0, 0.15, 0.3, 0.4, 0.7, 0.8, 1.0)),
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
        weights = {CERTIFIED: grid(move), "mappo": move.trained}
        sweep: Sweep = {
            name: {
                weight: reached
                for weight in at
                if (reached := sample(setup, store, name, moved(setup, move, weight)))
            }
            for name, at in weights.items()
        }
        lines: Lines = {
            KEYS[figure]: {
                name: [(w, each) for w, each in reached.items() if w != unweighted]
                for name, reached in sweep.items()
            }
            for figure, unweighted in ((move.loses, 1.0), (move.gains, 0.0))
        }
        whole = {
            key: {
                n: points if len(sweep[n]) == len(weights[n]) else [] for n, points in each.items()
            }
            for key, each in lines.items()
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
            claims=SHAPES[part](whole),
            figures=drawn,
            tables=[_listed(part, move, sweep)],
        )

    return view


Sweep = Mapping[str, Mapping[float, Sample]]
Lines = Mapping[str, Mapping[str, list[tuple[float, Sample]]]]
Shape = Callable[[list[float], list[float], float], tuple[bool | None, str]]


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
    notes = [
        f"{each.label} at a weight of {weight:g}."
        for points in lines.values()
        for weight, each in points
        if each.failed
    ]
    return Figure(name, title, spec, text, command, notes)


def _listed(part: str, move: Move, sweep: Sweep) -> Table:
    """Return the numbers of a figure."""
    figures = move.loses, move.gains
    rows = [
        [
            *(each.label, round(1.0 - weight, 6), weight),
            *(each.mean(KEYS[figure]) for figure in figures),
        ]
        for reached in sweep.values()
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


def _claims(
    lines: Lines, words: str, readings: Mapping[float, str], shapes: Mapping[str, Shape]
) -> list[Claim]:
    """Return the claims that all these figures have their shapes at one weight, for each reading.

    Parameters
    ----------
    words : of the claim
    readings : at which weights of what gains the paper's pair may lie, and which it names first
    shapes : of each figure
    """
    claims = []
    for name in ("mappo", CERTIFIED):
        for weight, reading in readings.items():
            claim = f"{SERIES[name].label}, {words}, {reading}"
            curves = [(*_moving(lines, key, name), key, shape) for key, shape in shapes.items()]
            if any(len(at) < 3 for at, *_ in curves):
                claims.append(Claim(claim, None, "cells are missing"))
                continue
            found = [shape(at, values, weight) for at, values, _, shape in curves]
            measured = "; ".join(
                f"{word_of(key)} {text}"
                for (*_, key, _), (_, text) in zip(curves, found, strict=True)
            )
            holds = all_of(answer for answer, _ in found)
            claims.append(Claim(claim, holds, measured, "the grid cannot tell"))
    return claims


def _jumps(at: list[float], values: list[float], weight: float) -> tuple[bool | None, str]:
    """Tell whether a curve rises near a weight at more than twice its mean slope.

    Near is within `NEAR`. Where a point of the grid is missing at an end of that, the next one
    inside says how little the rise may be, the next one outside how much.
    """
    low, high = round(weight - NEAR, 6), round(weight + NEAR, 6)
    needed = STEEP * (max(values) - min(values)) / (at[-1] - at[0]) * 2.0 * NEAR
    points = [*zip(at, values, strict=True)]
    inside = [v for w, v in points if low <= w <= high]
    least = inside[-1] - inside[0] if inside else 0.0
    start = [v for w, v in points if w <= low] or values[:1]
    end = [v for w, v in points if w >= high] or values[-1:]
    most = end[0] - start[-1]
    holds = True if least > needed else False if most <= needed else None
    rise = f"{least:.3g}" if least == most else f"{least:.3g} to {most:.3g}"
    return holds, (
        f"rises by {rise} between weights of {low:g} and {high:g}, where a jump is more than "
        f"{needed:.3g}"
    )


def _turns(sign: float) -> Shape:
    """Return what tells whether a curve is flat up to a weight and rises right beyond, or falls.

    A first point beyond it that lies farther than `NEAR` cannot tell where between the turn is.
    """

    def shape(at: list[float], values: list[float], weight: float) -> tuple[bool | None, str]:
        if weight not in at[1:-1]:
            return None, f"has no points on both sides of {weight:g}"
        place = at.index(weight)
        first, turn, beyond, last = values[0], values[place], values[place + 1], values[-1]
        flat = FLAT * (max(values) - min(values))
        holds = abs(turn - first) <= flat < min(sign * (beyond - turn), sign * (last - turn))
        path = {at[0]: first, weight: turn, at[place + 1]: beyond, at[-1]: last}
        near = at[place + 1] - weight <= NEAR + 1e-9
        return holds if near or not holds else None, "has " + ", ".join(
            f"{value:.4g} at {w:g}" for w, value in path.items()
        )

    return shape


def _jumps_together(lines: Lines) -> list[Claim]:
    """Return the claims that energy and accuracy jump at (0.67, 0.33)."""
    words = "energy and accuracy jump at (0.67, 0.33)"
    return _claims(lines, words, JUMPS, {"energy_mj": _jumps, "accuracy": _jumps})


def _turns_together(lines: Lines) -> list[Claim]:
    """Return the claims that latency falls and energy rises beyond (0.3, 0.7)."""
    words = "beyond (0.3, 0.7), not before, latency falls and energy rises"
    return _claims(lines, words, TURNS, {"latency_ms": _turns(-1.0), "energy_mj": _turns(1.0)})


# The paper writes pairs of weights without saying which is whose: by the weight of what gains.
JUMPS = {0.33: "energy named first", 0.67: "accuracy named first"}
TURNS = {0.7: "energy named first", 0.3: "latency named first"}
SHAPES: dict[str, Callable[[Lines], list[Claim]]] = {
    "fig10": _falls_together,
    "fig11": _jumps_together,
    "fig12": _turns_together,
}
