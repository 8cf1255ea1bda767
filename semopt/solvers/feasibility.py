"""Why a slot has no feasible joint action on the grid."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from .. import _core, backends
from ..backends.core import best_cells
from ..backends.space import local_actions, offload_actions
from ..model import LIMITS, Actions, unmet
from ..problem import Floats, Problem
from ..result import Infeasibility
from .cells import score

Flags = NDArray[np.bool_]

EDGE = 1e-12  # of a limit: more than arithmetics differ by


def explain(problem: Problem) -> Infeasibility:
    """Name the users whose own actions all fail, else a small set that cannot be served together.

    The set is inclusion-minimal: without any one of its users the others can be served. Users whose
    actions fail by less than the last digits of an arithmetic are named after the others, and only
    if the compiled one says so.
    """
    users = range(len(problem.task))
    broken = {n: limits for n in users if (limits := broken_limits(problem, n, 1.0 + EDGE))}
    if broken:
        return Infeasibility(users=broken)
    local = np.array([runs_locally(problem, n) for n in users])
    feasible = feasible_cells(problem)
    stuck = [n for n in users if not local[n] and not any(cells[n].any() for cells in feasible)]
    if not stuck and servable(feasible, local, list(users)):
        if isfinite(problem.system.server_energy_max):
            return Infeasibility(joint=tuple(users), limit="server_energy_max")
        stuck = list(users)  # by the digits of another backend
    broken = {n: limits for n in stuck if (limits := broken_limits(problem, n, 1.0 - EDGE))}
    if broken:
        return Infeasibility(users=broken)
    return Infeasibility(joint=tuple(stuck) or not_servable(feasible, local))


def broken_limits(problem: Problem, user: int, slack: float = 1.0) -> dict[str, tuple[str, ...]]:
    """Return the limits that a user's actions break, by mode; empty when some action is feasible.

    Of a mode: the limits that all its actions break, or, where they have none in common, all that
    any of them breaks. The user's strongest sub-channel stands for all: on a weaker one latency and
    energy are higher and accuracy is lower. Limits count `slack` times.
    """
    users, channels = problem.gain.shape
    alone = problem.only(user)

    def flags_of(actions: Actions, offloaders: int) -> NDArray[np.uint8]:
        outcome = score(problem, user, actions, offloaders)
        return unmet(alone, outcome, slack=slack)

    found = {"local": [flags_of(local_actions(problem, user), 0)]}
    if channels:
        offload = offload_actions(problem, user, int(problem.gain[user].argmax()))
        raw = offload.extraction == 1.0
        for m in range(1, min(users, channels) + 1):
            flags = flags_of(offload, m)
            found.setdefault("raw", []).append(flags[raw])
            found.setdefault("semantic", []).append(flags[~raw])
    limits = {}
    for mode, parts in found.items():
        flags = np.concatenate(parts)
        if not flags.size:  # no semantic level on the grid
            continue
        if not flags.all():
            return {}
        shared = np.bitwise_and.reduce(flags) or np.bitwise_or.reduce(flags)
        limits[mode] = tuple(name for bit, name in LIMITS.items() if shared & bit)
    return limits


def runs_locally(problem: Problem, user: int) -> bool:
    """Tell whether a user has a feasible local action, in the arithmetic of the compiled cells."""
    actions = local_actions(problem, user).take(np.s_[:, None])
    outcome = backends.evaluate(problem.only(user), actions, backend="cpu")
    return bool((outcome.violations == 0).any())


def feasible_cells(problem: Problem) -> list[Flags]:
    """Return, for each number of offloaders from 0, the cells (N, K) with a feasible action."""
    return [best_cells(problem, m)[0] > -inf for m in range(min(problem.gain.shape) + 1)]


def not_servable(feasible: list[Flags], local: Flags) -> tuple[int, ...]:
    """Return an inclusion-minimal set of users that cannot be served together, if all cannot."""
    joint = list(range(len(local)))
    for user in range(len(local)):
        others = [n for n in joint if n != user]
        if not servable(feasible, local, others):
            joint = others
    return tuple(joint)


def servable(feasible: list[Flags], local: Flags, users: list[int]) -> bool:
    """Tell whether these users can be served together when the others have no limits at all."""
    free = np.ones(len(local), dtype=bool)
    free[users] = False
    alone: Floats = np.where(local | free, 0.0, -inf)
    for m, cells in enumerate(feasible):
        weight = np.where(cells | free[:, None], 0.0, -inf)
        if _core.assign(weight, alone, m)[0] > -inf:
            return True
    return False
