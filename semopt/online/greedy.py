"""Greedy: in each slot the best QoE that is affordable, as if there were no later task."""

from __future__ import annotations

from ..arrays import Floats
from ..problem import Problem
from .policy import GridPolicy
from .terms import Terms
from .training import Training


class Greedy(GridPolicy):
    """Takes the best QoE that is affordable."""

    def terms(self, left: Floats, tasks_left: int) -> Terms:
        """Return what energy is worth now."""
        return Terms()


def make(problem: Problem, training: Training) -> Greedy:
    """Return the policy; nothing is fitted."""
    return Greedy(problem)
