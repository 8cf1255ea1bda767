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
WHERE_ONE_FAILED = "step_count", "qoe"
CURVE, TEST = ("qoe", "regret"), ("qoe", "latency_ms", "energy_mj", "accuracy")


def document(cells: Iterable[Cell], store: Store) -> dict[str, Any]:
    """Return the policies of cells that decide in the scenario they were trained for.

    A run that failed has QoE 0 at each step that another run of its algorithm has, and in each test
    episode; it has no other figure, and so its task has none. An algorithm of which all runs failed
    is left out.
    """
    tasks, lost = dict[str, Any](), list[tuple[str, str, str]]()
    for cell in cells:
        if not isinstance(cell, MethodCell) or not cell.training:
            continue
        training = TrainingCell(**cell.training)
        if cell.scenario != training.scenario:
            continue
        curve, test = store.read(training), store.read(cell)
        where = cell.scenario["name"], cell.method, f"seed_{training.seed}"
        if curve is None or test is None:
            if store.reason(training) or store.reason(cell):
                lost.append(where)
            continue
        steps: dict[str, Any] = {
            f"step_{at}": {"step_count": row["agent_steps"], **{key: [row[key]] for key in CURVE}}
            for at, row in enumerate(curve.to_pylist())
        }
        steps["absolute_metrics"] = {key: _means(column(test, key)) for key in TEST}
        tasks.setdefault(where[0], {}).setdefault(where[1], {})[where[2]] = steps
    for task, algorithm, run in lost:
        runs = tasks.get(task, {}).get(algorithm)
        if not runs:  # all of them failed, at steps that nobody knows
            continue
        other = next(iter(runs.values()))
        runs[run] = {step: row | {"qoe": [0.0] * len(row["qoe"])} for step, row in other.items()}
        for each in tasks[task].values():
            for steps in each.values():
                for step, row in steps.items():
                    steps[step] = {name: row[name] for name in WHERE_ONE_FAILED if name in row}
    return {"semopt": tasks} if tasks else {}


def _means(values: Any) -> list[float]:
    parts = np.split(values, range(EPISODE, len(values), EPISODE))
    return [float(part.mean()) for part in parts]
