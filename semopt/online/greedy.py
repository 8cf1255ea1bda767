"""Greedy: in each slot the best QoE that is affordable, as if there were no later task."""

from __future__ import annotations

from ..arrays import Floats
from ..problem import Problem
from ..solvers.queue.prices import Columns
from .cells import Cells
from .policy import GridPolicy
from .training import Training


class Greedy(GridPolicy):
    """Takes the best QoE that is affordable."""

    def choose(self, cells: Cells, left: Floats, tasks_left: int) -> Columns:
        """Return the best joint actions."""
        return cells.best(left)


def make(problem: Problem, training: Training) -> Greedy:
    """Return the policy; nothing is fitted."""
    return Greedy(problem)
