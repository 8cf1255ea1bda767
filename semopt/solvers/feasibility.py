"""Why a slot has no feasible joint action on the grid."""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..backends.core import best_cells
from ..backends.space import local_actions, offload_actions
from ..model import LIMITS
from ..problem import Floats, Problem
from ..result import Infeasibility
from .cells import best_local, score

Flags = NDArray[np.bool_]


def explain(problem: Problem) -> Infeasibility:
    """Name the users whose own actions all fail, else a small set that cannot be served together.

    The set is inclusion-minimal: without any one of its users the others can be served.
    """
    users = range(len(problem.task))
    broken = {n: limits for n in users if (limits := broken_limits(problem, n))}
    if broken:
        return Infeasibility(users=broken)
    local = np.array([best_local(problem, n)[0] > -inf for n in users])
    feasible = feasible_cells(problem)
    if servable(feasible, local, list(users)):
        return Infeasibility(joint=tuple(users), limit="server_energy_max")
    return Infeasibility(joint=not_servable(feasible, local))


def broken_limits(problem: Problem, user: int) -> dict[str, tuple[str, ...]]:
    """Return the limits that a user's actions break, by mode; empty when some action is feasible.

    Of a mode: the limits that all its actions break, or, where they have none in common, all that
    any of them breaks. The user's strongest sub-channel stands for all: on a weaker one latency and
    energy are higher and accuracy is lower.
    """
    users, channels = problem.gain.shape
    found = {"local": [score(problem, user, local_actions(problem, user), 0).violations]}
    if channels:
        offload = offload_actions(problem, user, int(problem.gain[user].argmax()))
        raw = offload.extraction == 1.0
        for m in range(1, min(users, channels) + 1):
            violations = score(problem, user, offload, m).violations
            found.setdefault("raw", []).append(violations[raw])
            found.setdefault("semantic", []).append(violations[~raw])
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
