"""Learned methods in the JSON of marl-eval, which draws and compares learning curves.

`{environment: {task: {algorithm: {run: {step_0: {...}, "absolute_metrics": {...}}}}}}`: a task is a
scenario, a run a training seed. Steps are the validations of its learning curve, with the agent
steps until then; absolute metrics are the means of the test slots, ten at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .cells import Cell, Store, column
from .method_cell import MethodCell
from .training_cell import TrainingCell

EPISODE = 10  # slots that make one value of an absolute metric
CURVE, TEST = ("qoe", "regret"), ("qoe", "latency_ms", "energy_mj", "accuracy")


def document(cells: Iterable[Cell], store: Store) -> dict[str, Any]:
    """Return the policies of cells that decide in the scenario they were trained for."""
    tasks = dict[str, Any]()
    for cell in cells:
        if not isinstance(cell, MethodCell) or not cell.training:
            continue
        training = TrainingCell(**cell.training)
        curve, test = store.read(training), store.read(cell)
        if cell.scenario != training.scenario or curve is None or test is None:
            continue
        steps: dict[str, Any] = {
            f"step_{at}": {"step_count": row["agent_steps"], **{key: [row[key]] for key in CURVE}}
            for at, row in enumerate(curve.to_pylist())
        }
        steps["absolute_metrics"] = {key: _means(column(test, key)) for key in TEST}
        runs = tasks.setdefault(cell.scenario["name"], {}).setdefault(cell.method, {})
        runs[f"seed_{training.seed}"] = steps
    return {"semopt": tasks} if tasks else {}


def _means(values: Any) -> list[float]:
    parts = np.split(values, range(EPISODE, len(values), EPISODE))
    return [float(part.mean()) for part in parts]
