"""Receding price: in each slot the price that would spend what is left on the tasks left.

Mean energy falls as prices rise. Along multiples of the prices that spend the whole batteries the
fit finds how; a user takes the multiple whose mean energy is left / tasks left.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..problem import Problem
from .policy import GridPolicy
from .price import spending
from .terms import Terms
from .training import Training

MULTIPLES = np.concatenate([[0.0], np.geomspace(0.02, 50.0, 80)])


class RecedingPrice(GridPolicy):
    """Takes the best QoE - y(left / tasks left) E that is affordable.

    Parameters
    ----------
    problem : the scenario
    price : (J, N) float64, QoE/J, rising
    energy : (J, N) float64, J, what a task takes in the mean at these prices
    """

    def __init__(self, problem: Problem, price: Floats, energy: Floats) -> None:
        super().__init__(problem)
        self.price, self.energy = price, energy

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth now."""
        rate = left / tasks_left
        users = range(rate.shape[1])
        falling = [np.interp(-rate[:, n], -self.energy[:, n], self.price[:, n]) for n in users]
        return Terms(price=np.stack(falling, axis=1))


def make(problem: Problem, training: Training) -> RecedingPrice:
    """Return the policy, its prices fitted."""
    cells, price = training.cells, spending(training)
    limited = cells.battery < np.inf
    scale = price.max() or 1.0 / cells.battery.min()  # of who would not use its battery up
    ray = np.where(limited, np.where(price > 0.0, price, scale), 0.0)
    prices = MULTIPLES[:, None] * ray
    energy = np.array([cells.queue.best(row)[2].mean(axis=0) for row in prices])
    return RecedingPrice(problem, prices, np.minimum.accumulate(energy))
