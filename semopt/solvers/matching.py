"""The exact grid optimum in polynomial time: one assignment problem for each number of offloaders.

Fix the number m of offloaders. Then every term of the QoE belongs to one user and its sub-channel:

    value of m  =  max  sum_n w[n, channel_n]   over assignments with exactly m offloaders,
    w[n, k]     =  best QoE of user n over the grid on sub-channel k beside m - 1 others,
    w[n, local] =  best QoE of user n alone,

and the optimum is the best over m. `cpu` scores cells lazily and prunes m
(csrc/exact/exact.h); `numpy` is the plain version that it is tested against and measured by: dense
tables and SciPy's assignment.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any

import numpy as np

from .. import _core
from ..backends import packing
from ..figures import SHARED_LIMITS
from ..limits import refuse
from ..model import Actions
from ..problem import Floats, Integers, Problem
from ..result import TIME_LIMIT, Result, Status
from ..worth import forbidding_weight, upper_limit
from .cells import best_local, best_offloads
from .infeasibility import infeasible, time_left


def solve(problem: Problem, *, backend: str = "auto", time_limit: float | None = None) -> Result:
    """Return the optimum over the grid, or the reason why there is none.

    Parameters
    ----------
    problem : objective "sum" (maximum-weight assignment) or "min" (bottleneck assignment)
    backend : "cpu" (auto) or "numpy"
    time_limit : s, after which, as by Ctrl-C, the best so far and a valid bound are returned
    """
    refuse_coupled(problem)
    if backend not in ("auto", "cpu", "numpy"):
        raise ValueError(f"backend = {backend!r}: method 'exact' runs on cpu (auto) or numpy")
    backend = "numpy" if backend == "numpy" else "cpu"
    start, seconds = perf_counter(), inf if time_limit is None else time_limit
    actions, value, upper, effort = (dense if backend == "numpy" else lazy)(problem, seconds)
    result = Result(problem, "exact", backend, Status.INFEASIBLE, details=effort)
    if actions is not None:
        result = replace(result, actions=actions, objective=value)
    if upper > value:
        return replace(result, status=Status.LIMIT_REACHED, upper_bound=upper)
    if actions is None:
        return infeasible(result, seconds=time_left(start, time_limit))
    return replace(result, status=Status.OPTIMAL, upper_bound=value)


def refuse_coupled(problem: Problem) -> None:
    """Raise ValueError for a limit on all users together."""
    why = "couples the users, which an assignment cannot express: use method 'exhaustive'"
    refuse(problem, SHARED_LIMITS, why)


class ExactBatch:
    """Warm exact solvers for slots of one scenario.

    Threads may share one: each call has solvers and answers of its own.

    Parameters
    ----------
    problem : the scenario; its own slot is not used
    threads : how many slots of a call are solved at a time; 0 for one a core
    """

    gap = 0.0

    def __init__(self, problem: Problem, threads: int = 1) -> None:
        refuse_coupled(problem)
        self._arguments = problem, threads
        self._core = _core.ExactBatch(
            packing.scenario(problem), problem.objective == "min", threads
        )
        self._users = len(problem.users.power_min)

    def __reduce__(self) -> tuple[type[ExactBatch], tuple[Problem, int]]:
        """Copy and pickle as what it was made from; a copy shares nothing."""
        return type(self), self._arguments

    def solve(self, gain: Floats, task: Integers) -> tuple[Actions, Floats, dict[str, Any]]:
        """Solve slots gain (S, N, K), task (S, N); Ctrl-C is raised.

        Returns
        -------
        actions : arrays (S, N), -1 and NaN where a slot is infeasible
        value : (S,) float64, the optimum, -inf where a slot is infeasible
        effort : how many cells, sizes and assignments all slots took
        """
        actions, value, _, effort = self.solve_within(inf, gain, task)
        if "stopped" in effort:
            raise KeyboardInterrupt
        return actions, value, effort

    def solve_within(
        self, seconds: float, gain: Floats, task: Integers
    ) -> tuple[Actions, Floats, Floats, dict[str, Any]]:
        """Solve slots until time is up, or Ctrl-C.

        Returns
        -------
        actions, value, effort : as `solve` returns them, where it stopped the best so far;
            effort["stopped"] then says why: "time limit" or "interrupted"
        upper : (S,) float64, a bound on the optimum: the value of each slot that was finished
        """
        value, upper, a = *np.empty((2, len(gain))), Actions.empty(len(gain), self._users)
        effort = self._core.solve(
            *(gain, task, a.channel, a.power, a.frequency, a.extraction, value, upper, seconds)
        )
        return a, value, upper, effort


def lazy(
    problem: Problem, seconds: float = inf
) -> tuple[Actions | None, float, float, dict[str, Any]]:
    """Solve by the compiled lazy method: decision (None if there is none), value, bound, effort."""
    gain = np.ascontiguousarray(problem.gain, dtype=float)[None]
    actions, value, upper, effort = ExactBatch(problem).solve_within(
        seconds, gain, problem.task[None]
    )
    decision = actions.take(0) if value[0] > -inf else None
    return decision, float(value[0]), float(upper[0]), effort


def dense(
    problem: Problem, seconds: float = inf
) -> tuple[Actions | None, float, float, dict[str, Any]]:
    """Solve by dense tables and one SciPy assignment for each number of offloaders."""
    if problem.objective != "sum":
        raise ValueError("backend: numpy solves the objective 'sum' only; use cpu for 'min'")
    from scipy.optimize import linear_sum_assignment

    users, channels = problem.gain.shape
    local = [best_local(problem, n) for n in range(users)]
    decision, optimum, end = None, -inf, perf_counter() + seconds
    for m in range(min(users, channels) + 1):
        if perf_counter() >= end:
            return decision, optimum, upper_limit(problem), {"stopped": TIME_LIMIT}
        cells = [best_offloads(problem, n, m) for n in range(users)] if m else []
        # Columns: sub-channels, then N - m seats at home. Rows: users, then what idles on the
        # sub-channels left over.
        weight = np.full((users + channels - m, channels + users - m), -inf)
        weight[users:, :channels] = 0.0
        for n in range(users):
            weight[n, :channels] = cells[n][0] if m else -inf
            weight[n, channels:] = local[n][0]
        finite = np.where(weight > -inf, weight, -forbidding_weight(users))
        rows, columns = linear_sum_assignment(finite, maximize=True)
        value = float(weight[rows, columns].sum())
        if value > optimum:
            optimum = value
            chosen = [
                cells[n][1].take(k) if k < channels else local[n][1]
                for n, k in enumerate(columns[:users])
            ]
            decision = Actions.concatenate(chosen)
    return decision, optimum, optimum, {}
