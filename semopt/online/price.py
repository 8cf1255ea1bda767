"""Static price: the best QoE - y E, at the prices y that spend the batteries in the mean.

Over the queues of a fit as one, D(y) is lowest where the mean energy is the battery or the price 0
(semopt/solvers/queue/prices.py). What is left over or runs short in single queues makes other
prices better, so the policy takes the best multiple of these on the queues of the fit.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..problem import Problem
from ..solvers.queue.prices import best_prices
from .policy import GridPolicy
from .terms import Terms
from .training import Training

MULTIPLES = np.geomspace(0.5, 8.0, 41).tolist()  # 1 among them
TOLERANCE = 1e-4  # of D, QoE a task


class Price(GridPolicy):
    """Takes the best QoE - y E that is affordable.

    Parameters
    ----------
    problem : the scenario
    price : (N,) float64, y, QoE/J
    """

    def __init__(self, problem: Problem, price: Floats) -> None:
        super().__init__(problem)
        self.price = price

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth now."""
        return Terms(price=self.price)


def spending(training: Training) -> Floats:
    """Return the prices that spend the batteries in the mean: (N,) float64, QoE/J."""
    cells = training.cells
    dual = best_prices(
        *(cells.queue, cells.battery * training.queues, len(cells)),
        TOLERANCE * cells.task.size,
        ended=lambda: False,
        report=lambda dual: None,
    )
    return dual.price


def make(problem: Problem, training: Training) -> GridPolicy:
    """Return the policy at the best multiple of the prices that spend the batteries."""
    price = spending(training)
    return training.tuned(lambda multiple: Price(problem, multiple * price), MULTIPLES)
