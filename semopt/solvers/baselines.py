"""The decisions that every method is compared with: all local, and without semantic mode."""

from __future__ import annotations

from dataclasses import replace

from ..actions import Actions, mode_of
from ..problem import Problem
from ..result import Infeasibility, Result, Status
from . import matching

# Methods that are the exact optimum of a restricted problem.
RESTRICTIONS = {"local": Problem.without_channels, "semantic-unaware": Problem.without_semantic}


def reference(problem: Problem) -> Result:
    """Run every task locally at its user's reference frequency: a QoE of 0.5 each (Table III)."""
    actions = Actions.local(problem.users.reference_frequency)
    return evaluated(problem, "reference", "numpy", actions)


def evaluated(problem: Problem, method: str, backend: str, actions: Actions) -> Result:
    """Return a decision as a result: what it is worth, or the limits that it breaks."""
    result = Result(problem, method, backend, Status.FEASIBLE, actions)
    broken: dict[int, dict[str, tuple[str, ...]]] = {}
    for user, limit in result.broken():
        mode = mode_of(actions, user)
        broken.setdefault(user, {mode: ()})[mode] += (limit,)
    if broken:
        reason = Infeasibility(users=broken)
        return replace(result, status=Status.INFEASIBLE, actions=None, infeasibility=reason)
    return replace(result, objective=result.recompute())


def local(problem: Problem, *, backend: str = "auto", time_limit: float | None = None) -> Result:
    """Return the best all-local decision on the grid: the exact optimum without sub-channels."""
    return restricted(problem, "local", backend, time_limit)


def semantic_unaware(
    problem: Problem, *, backend: str = "auto", time_limit: float | None = None
) -> Result:
    """Return the exact optimum over the grid with every offloaded task sent raw."""
    return restricted(problem, "semantic-unaware", backend, time_limit)


def restriction(problem: Problem, method: str) -> Problem:
    """Return the problem as a method restricts it: most not at all."""
    return RESTRICTIONS[method](problem) if method in RESTRICTIONS else problem


def restricted(problem: Problem, method: str, backend: str, time_limit: float | None) -> Result:
    """Solve the restriction of a problem exactly, and report it as an answer to the whole."""
    part = restriction(problem, method)
    result = matching.solve(part, backend=backend, time_limit=time_limit)
    return replace(result, problem=problem, method=method)
