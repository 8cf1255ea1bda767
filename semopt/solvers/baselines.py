"""The decisions that every method is compared with: all local, and without semantic mode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Actions
from ..problem import Problem
from ..result import Infeasibility, Result, Status
from . import matching


def reference(problem: Problem) -> Result:
    """Run every task locally at its user's reference frequency: a QoE of 0.5 each (Table III)."""
    users = len(problem.task)
    zero = np.zeros(users)
    frequency = problem.users.reference_frequency
    actions = Actions(np.full(users, -1), zero, frequency.copy(), zero + 1.0)
    result = Result(problem, "reference", "numpy", Status.FEASIBLE, actions)
    broken: dict[int, dict[str, tuple[str, ...]]] = {}
    for user, limit in result.broken():
        broken.setdefault(user, {"local": ()})["local"] += (limit,)
    if broken:
        return replace(
            result, status=Status.INFEASIBLE, actions=None, infeasibility=Infeasibility(broken)
        )
    return replace(result, objective=result.recompute())


def local(problem: Problem) -> Result:
    """Return the best all-local decision on the grid: the exact optimum without sub-channels."""
    return replace(matching.solve(problem.without_channels()), problem=problem, method="local")


def semantic_unaware(problem: Problem) -> Result:
    """Return the exact optimum over the grid with every offloaded task sent raw."""
    result = matching.solve(problem.without_semantic())
    return replace(result, problem=problem, method="semantic-unaware")
