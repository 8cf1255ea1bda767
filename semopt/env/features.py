"""What a user is shown of its task and of its gains, and in which scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..channel.gains import Gains
from ..channel.traces import Part
from ..problem import Floats, Problem, Tasks
from ..scenario import Scenario
from .decisions import Singles

SAMPLE = 4096  # slots from which the scale of gains is measured

FEATURES: dict[
    str, Callable[[Tasks], Floats]
] = {  # of the task at the head of a queue, one value a kind
    "local_load": lambda tasks: tasks.local_flop,
    "server_load": lambda tasks: tasks.server_flop,
    "extract_load": lambda tasks: tasks.extract_flop,
    "data_size": lambda tasks: tasks.bits,
    "local_accuracy": lambda tasks: tasks.local_accuracy,
    "server_accuracy": lambda tasks: np.array([table.raw[-1] for table in tasks.accuracy]),
}


def standardised(problem: Problem, features: Sequence[str]) -> Singles:
    """Return features of the kinds of task, of mean 0 and deviation 1 over them: (T, F)."""
    kinds = len(problem.tasks.names)
    columns = [FEATURES[name](problem.tasks) for name in features]
    table = np.reshape(np.stack([np.zeros(kinds), *columns], axis=1)[:, 1:], (kinds, -1))
    deviation = table.std(axis=0)
    scaled = (table - table.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return np.asarray(scaled, dtype=np.float32)


def gain_scale(scenario: Scenario, part: Part | None = None) -> tuple[float, float]:
    """Return centre and 1 / deviation of the logarithm of gains, the same for every seed.

    `part` : of measured gains, the one that is looked at
    """
    sample = np.empty((SAMPLE, scenario.users, scenario.channels))
    Gains(scenario.channel_law(part), 0, *sample.shape[1:]).lanes(sample, 0)
    logarithm = np.log(sample)
    deviation = float(logarithm.std())
    return float(logarithm.mean()), 1.0 / deviation if deviation > 0 else 1.0
