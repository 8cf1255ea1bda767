"""The continuous optimum with a proof: branch and bound for each cell, an assignment over cells.

Fix the number m of offloaders, a user and its sub-channel: a cell. In the logarithms of power,
frequency and extraction, latency and energy are convex, so that with prices W >= 0 of the costs
u = (latency, energy, -accuracy)

    QoE  <=  sum_j max_u (w_j S(l_j (u0_j - u)) + W_j u)  -  min_x sum_j W_j u_j(x)

has a closed form on every box (csrc/bounds.h), and a few boxes bring a cell to any gap
(csrc/branch.h). The cells are intervals [best known action, bound]; for each m an assignment of the
bounds says which of them to tighten, and rules m out when its value is below the best decision
(csrc/global.h).
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite
from typing import Any

import numpy as np

from .. import _core
from ..backends.core import setting
from ..files import check_writable
from ..model import LIMITS, MODES, Actions
from ..problem import Problem
from ..result import Infeasibility, Result, Status
from .feasibility import not_servable

SMALLEST_GAP = 1e-9  # bounds carry rounding errors of about 1e-13


def solve(
    problem: Problem,
    *,
    gap: float = 1e-6,
    time_limit: float | None = None,
    certificate: str | None = None,
) -> Result:
    """Return the optimum over continuous power, frequency and extraction, within `gap`.

    Parameters
    ----------
    problem : objective "sum", without a limit on the server's energy
    gap : largest difference between the bound and the decision's value, absolute, at least 1e-9
    time_limit : s, after which the best known decision and a valid bound are returned
    certificate : file to write the proof to, compressed where it ends in `.gz`

    Raises
    ------
    ValueError
        For an objective or a limit that couples the users beyond an assignment, or a bad option
    """
    if isfinite(problem.system.server_energy_max):
        raise ValueError(
            "system.server_energy_max_mj couples the users, which an assignment cannot express: "
            "use method 'exhaustive'"
        )
    if problem.objective != "sum":
        raise ValueError(
            f"qoe.objective = {problem.objective!r}: method 'global' maximises the sum; "
            "method 'exact' has the minimum on the grid"
        )
    if not SMALLEST_GAP <= gap < inf:
        raise ValueError(f"gap = {gap}: must be at least {SMALLEST_GAP:g}")
    if time_limit is not None and not time_limit > 0:
        raise ValueError(f"time_limit = {time_limit}: must be above 0")
    if certificate is not None:
        check_writable(certificate)
    found = _core.solve_global(
        setting(problem),
        np.ascontiguousarray(problem.gain),
        problem.task,
        gap,
        inf if time_limit is None else time_limit,
        certificate is not None,
    )
    result = as_result(problem, found)
    result.details["gap"] = gap  # what "optimal" means here
    if certificate is not None:
        from ..certificate import document, write

        # The bound as its prices prove it; that of the result is at most all weights.
        proven = result if found["upper"] < 0.0 else replace(result, upper_bound=found["proven"])
        write(certificate, document(proven, gap, found["local"], found["sizes"]))
    return result


def as_result(problem: Problem, found: dict[str, Any]) -> Result:
    """Return what the compiled search found as a result."""
    details = {"boxes": found["boxes"]}
    upper = found["upper"]
    if upper < 0.0:
        result = Result(problem, "global", "cpu", Status.INFEASIBLE, details=details)
        return replace(result, infeasibility=explain(problem))
    if not found["done"]:
        details["stopped"] = found["stopped"]
    status = Status.OPTIMAL if found["done"] else Status.LIMIT_REACHED
    result = Result(
        problem,
        "global",
        "cpu",
        status,
        upper_bound=upper,
        continuous_bound=upper,
        details=details,
    )
    if not found["channel"]:
        return result
    names = ("power", "frequency", "extraction")
    actions = Actions(np.array(found["channel"]), *(np.array(found[name]) for name in names))
    return replace(result, actions=actions, objective=found["lower"])


def explain(problem: Problem) -> Infeasibility:
    """Name the users whose own actions all fail, else a set that cannot be served together."""
    users, channels = range(problem.gain.shape[0]), range(problem.gain.shape[1])
    broken = {n: limits for n in users if (limits := broken_limits(problem, n))}
    if broken:
        return Infeasibility(users=broken)
    feasible = [
        np.array([[bool(feasible_modes(problem, n, k, m)) for k in channels] for n in users])
        if m
        else np.zeros(problem.gain.shape, dtype=bool)
        for m in range(min(problem.gain.shape) + 1)
    ]
    local = np.array([bool(feasible_modes(problem, n, -1, 0)) for n in users])
    return Infeasibility(joint=not_servable(feasible, local))


def feasible_modes(problem: Problem, user: int, channel: int, offloaders: int) -> list[str]:
    """Return the modes in which a user has an action that meets its limits."""
    gain = float(problem.gain[user, channel]) if offloaders else 1.0
    kind = int(problem.task[user])
    # A gap of 1 is reached with any feasible action: QoE lies within (0, 1).
    found = _core.cell_optimum(setting(problem), user, kind, gain, offloaders, 1.0)
    return list(found["modes"])


def broken_limits(problem: Problem, user: int) -> dict[str, tuple[str, ...]]:
    """Return the limits that a user's actions break, by mode; empty when some action is feasible.

    Of a mode: each limit that all its actions break, or, where it takes several together, those
    without which some action would be feasible.
    """
    if possible_modes(problem, user):
        return {}
    modes = possible_modes(without_limits(problem, LIMITS.values()), user)
    alone = {
        limit: possible_modes(without_limits(problem, set(LIMITS.values()) - {limit}), user)
        for limit in LIMITS.values()
    }
    lifted = {
        limit: possible_modes(without_limits(problem, {limit}), user) for limit in LIMITS.values()
    }
    return {
        mode: tuple(limit for limit in alone if mode not in alone[limit])
        or tuple(limit for limit in lifted if mode in lifted[limit])
        or tuple(LIMITS.values())
        for mode in modes
    }


def possible_modes(problem: Problem, user: int) -> list[str]:
    """Return the modes that are feasible for a user on its strongest channel, for some m."""
    users, channels = problem.gain.shape
    modes = feasible_modes(problem, user, -1, 0)
    strongest = int(problem.gain[user].argmax()) if channels else -1
    for m in range(1, min(users, channels) + 1):
        modes += feasible_modes(problem, user, strongest, m)
    return [mode for mode in MODES if mode in modes]


def without_limits(problem: Problem, limits: Any) -> Problem:
    """Return the problem without some of the limits on latency, energy and accuracy."""
    system, users, tasks = problem.system, problem.users, problem.tasks
    if "latency" in limits:
        system = replace(system, latency_max=inf)
    if "energy" in limits:
        users = replace(users, energy_max=np.full_like(users.energy_max, inf))
    if "accuracy" in limits:
        tasks = replace(tasks, accuracy_min=np.zeros_like(tasks.accuracy_min))
    return replace(problem, system=system, users=users, tasks=tasks)
