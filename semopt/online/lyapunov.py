"""Lyapunov drift plus penalty: a virtual queue of overspending prices energy.

A user's virtual queue grows by what a task takes above an equal share of the battery, and shrinks
by what it takes less: Z <- max(Z + E - battery / T, 0), from 0. Each slot maximises the sum of
V QoE - Z E. The weight V (J^2 a QoE) says how much overspending is borne; whoever uses the method
tunes it, and so does the fit.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..problem import Problem
from .policy import GridPolicy
from .terms import Terms
from .training import Training

# In squares of the smallest equal share, whose price by a virtual queue of one is 1 / weight.
WEIGHTS = np.geomspace(0.01, 1000.0, 31)


class Lyapunov(GridPolicy):
    """Takes the best V QoE - Z E that is affordable.

    What was spent it sees by what is left, so it plays queues from their first task on.

    Parameters
    ----------
    problem : the scenario
    length : tasks of a queue, T
    weight : V, J^2 a QoE
    """

    def __init__(self, problem: Problem, length: int, weight: float) -> None:
        super().__init__(problem)
        self.weight, self._length, battery = weight, length, problem.users.battery
        self._limited = battery < np.inf
        self._share = battery[self._limited] / length
        self._overspent = self._left = np.zeros((0, len(battery)))

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth now.

        Raises
        ------
        ValueError
            The queues are others than those of the call before
        """
        if tasks_left == self._length:
            self._overspent = np.zeros(left.shape)
        elif left.shape != self._left.shape:
            raise ValueError("lyapunov: plays queues from their first task on")
        else:
            spent = self._left[:, self._limited] - left[:, self._limited]
            before = self._overspent[:, self._limited]
            self._overspent[:, self._limited] = np.maximum(before + spent - self._share, 0.0)
        self._left = left
        return Terms(price=self._overspent / self.weight)


def make(problem: Problem, training: Training) -> GridPolicy:
    """Return the policy, its weight the one that gains most on the queues of the fit."""
    share = problem.users.battery.min() / training.length
    weights = (WEIGHTS * share**2).tolist()
    return training.tuned(lambda weight: Lyapunov(problem, training.length, weight), weights)
