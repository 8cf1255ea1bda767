"""The decisions that every method is compared with: all local, and without semantic mode."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Actions
from ..problem import Problem
from ..result import Infeasibility, Result, Status
from . import matching

# Methods that are the exact optimum of a restricted problem.
RESTRICTIONS = {"local": Problem.without_channels, "semantic-unaware": Problem.without_semantic}


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
        reason = Infeasibility(users=broken)
        return replace(result, status=Status.INFEASIBLE, actions=None, infeasibility=reason)
    return replace(result, objective=result.recompute())


def local(problem: Problem, *, backend: str = "auto") -> Result:
    """Return the best all-local decision on the grid: the exact optimum without sub-channels."""
    return restricted(problem, "local", backend)


def semantic_unaware(problem: Problem, *, backend: str = "auto") -> Result:
    """Return the exact optimum over the grid with every offloaded task sent raw."""
    return restricted(problem, "semantic-unaware", backend)


def restricted(problem: Problem, method: str, backend: str) -> Result:
    """Solve the restriction of a problem exactly, and report it as an answer to the whole."""
    result = matching.solve(RESTRICTIONS[method](problem), backend=backend)
    return replace(result, problem=problem, method=method)
