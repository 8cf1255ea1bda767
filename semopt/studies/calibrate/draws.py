"""Draws of the posterior of the paper's calibration: what explains the paper, as often as it does.

`semopt study calibrate --legs 34` made them, whose two chains have mixed (R-hat 1.09), and
bench/fit.py ships them. The preset `paper` is none of them: it lies where the largest miss is
smallest.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ...problem import Floats
from ...scenario import Scenario
from ...solvers.batch import solve_batch
from .model import Model
from .targets import load

DRAWS = Path(__file__).with_suffix(".csv")  # as tables/draws.csv of `semopt study calibrate`


def draws() -> list[Scenario]:
    """Return the paper's scenario at each shipped draw."""
    model = Model(load(), gains=1)
    with DRAWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [[float(row[key]) for key in model.prior.keys] for row in rows]
    return [
        model.scenario(np.array(row)).replace(name=f"{model.base.name}-draw-{at}")
        for at, row in enumerate(values)
    ]


def qoe_over_draws(methods: Iterable[str], slots: int = 1000, seed: int = 0) -> dict[str, Floats]:
    """Return the mean QoE a task that methods of `solve` reach on each draw: (D,) of each method.

    Methods of a draw decide on the same slots; a slot without a decision scores 0.
    """
    figures: dict[str, list[float]] = {method: [] for method in methods}
    for scenario in draws():
        gain, task = scenario.draw(slots, seed)
        for method, means in figures.items():
            batch = solve_batch(scenario, gain, task, method)
            means.append(float(np.nan_to_num(batch.objective).mean()) / scenario.users)
    return {method: np.array(means) for method, means in figures.items()}
