"""How far the figures that the paper does not publish may move a scenario's optimum.

The preset `paper` assumes them; the draws of its calibration's posterior explain the paper with
others. What the optimum reaches on nine of ten draws is explained by the assumed figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import nan
from typing import Any

import numpy as np

from ...scenario import Scenario
from ...solvers.batch import solve_batch
from ...worth import figures
from ..calibrate.draws import draws
from .measures import FIGURE_LABELS, SCALE
from .setup import DRAW, SLOTS, Setup, weighted

MIDDLE = 0.05, 0.95  # of the draws

Ranges = Mapping[str, tuple[float, float]]


def ranges(setup: Setup, method: str, weights: tuple[float, ...] = ()) -> Ranges:
    """Return between which means the optimum of a method of `solve` lies on the draws.

    Parameters
    ----------
    method : of `solve`; "" has no optimum
    weights : of latency, energy and accuracy; the scenario's unless given

    Returns
    -------
    From 5% to 95% of the draws for each figure of `FIGURE_LABELS`, in the units of tables, on the
    slots of the test; none for a scenario that is not the preset, which the draws say nothing of.
    """
    known = method and _numbers(setup.scenario) == _numbers(Scenario.load("paper"))
    return _ranges(method, setup.episodes * SLOTS, weights) if known else {}


def _numbers(scenario: Scenario) -> dict[str, Any]:
    """Return a scenario without its words."""
    words = "name", "description", "assumed"
    return {key: value for key, value in scenario.to_dict().items() if key not in words}


@cache
def _drawn() -> list[Scenario]:
    return draws()


@cache
def _ranges(method: str, slots: int, weights: tuple[float, ...]) -> Ranges:
    means: dict[str, list[float]] = {figure: [] for figure in FIGURE_LABELS}
    for scenario in _drawn():
        changed = weighted(scenario, *weights) if weights else scenario
        gain, task = changed.draw(slots, DRAW, part="evaluation")
        batch = solve_batch(changed, gain, task, method)
        decided = ~np.isnan(batch.objective)
        reached = figures(changed.template(), batch.actions, gain, task)
        undecided = {"qoe": 0.0, "latency_ms": changed.system.latency_max_ms or nan}
        for figure, values in means.items():
            kept = np.where(decided, reached[figure], undecided.get(figure, nan))
            values.append(float(np.nanmean(kept)) * SCALE.get(figure, 1.0))
    return {
        figure: (float(np.quantile(values, MIDDLE[0])), float(np.quantile(values, MIDDLE[1])))
        for figure, values in means.items()
    }
