"""Equal split: each task may take its part of what is left, by the number of tasks left."""

from __future__ import annotations

from ..arrays import Floats
from ..problem import Problem
from ..solvers.queue.prices import Columns
from .cells import Cells
from .policy import GridPolicy
from .training import Training


class EqualSplit(GridPolicy):
    """Takes the best QoE for at most left / tasks left."""

    def choose(self, cells: Cells, left: Floats, tasks_left: int) -> Columns:
        """Return the best joint actions."""
        return cells.best(left, most=left / tasks_left)


def make(problem: Problem, training: Training) -> EqualSplit:
    """Return the policy; nothing is fitted."""
    return EqualSplit(problem)
