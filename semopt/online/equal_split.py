"""Equal split: each task may take its part of what is left, by the number of tasks left."""

from __future__ import annotations

from ..arrays import Floats
from ..problem import Problem
from .policy import GridPolicy
from .terms import Terms
from .training import Training


class EqualSplit(GridPolicy):
    """Takes the best QoE for at most left / tasks left."""

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth now."""
        return Terms(most=left / tasks_left)


def make(problem: Problem, training: Training) -> EqualSplit:
    """Return the policy; nothing is fitted."""
    return EqualSplit(problem)
