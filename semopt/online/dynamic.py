"""Dynamic programming with separable value functions.

What the last k tasks are worth to all users is taken for a sum of functions v_k,n(b) of the energy
b that user n has left for them. Each slot maximises the sum of QoE + v_{k-1,n}(b_n - E_n), which is
an assignment again. Backwards from v_0 = 0, v_k,n(b) is the mean over slots of that maximum as a
function of b alone, where the others have what users have left then: in the first pass anything
about an equal share, in the next ones what the policy of the pass before leaves.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..problem import Problem
from .policy import GridPolicy
from .terms import Terms
from .training import Training

KNOTS = 65  # energies at which v is known, from 0 to the battery
PASSES = 3
SAMPLED = 20_000  # slots of all means of a pass at most, but
LEAST = 100  # so many of each at least
SPREAD = (0.5, 1.5)  # of an equal share, in the first pass


class DynamicProgramming(GridPolicy):
    """Takes the best QoE + v(left - E), v what energy is worth to the tasks to come.

    Parameters
    ----------
    problem : the scenario
    value : (T + 1, N, G) float64, v by the tasks left, at G energies from 0 to each battery
    """

    def __init__(self, problem: Problem, value: Floats) -> None:
        super().__init__(problem)
        self.value = value

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth now.

        Raises
        ------
        ValueError
            There are more tasks left than a queue has
        """
        if tasks_left >= len(self.value):
            raise ValueError(
                f"tasks_left = {tasks_left}: its value functions are of {len(self.value) - 1} tasks"
            )
        return Terms(value=self.value[tasks_left - 1])


def make(problem: Problem, training: Training) -> DynamicProgramming:
    """Return the policy, its value functions fitted."""
    cells, length = training.cells, training.length
    rng = np.random.default_rng(training.seed)
    before = spread(training, rng)
    for done in range(PASSES):
        value = np.zeros((length + 1, len(cells.battery), KNOTS))
        for k in range(1, length + 1):
            training.tick((done + k / length) / PASSES)
            slots = rng.permutation(len(cells))[: max(SAMPLED // length, LEAST)]
            left = before[length - k][rng.integers(training.queues, size=len(slots))]
            worth = cells.take(slots).worth_by_energy(left, value[k - 1]).mean(axis=0)
            value[k] = np.maximum.accumulate(worth - worth[:, :1], axis=1)
        policy = DynamicProgramming(problem, value)
        _, before = training.play(policy)
    return policy


def spread(training: Training, rng: np.random.Generator) -> Floats:
    """Return energies about equal shares for the tasks left, all at first: (T, E, N), J."""
    battery, length = training.cells.battery, training.length
    part = np.arange(length, 0, -1)[:, None, None] / length
    drawn = rng.uniform(*SPREAD, size=(length, training.queues, len(battery)))
    energy: Floats = np.where(np.isinf(battery), np.inf, np.minimum(part * drawn, 1.0) * battery)
    return energy
