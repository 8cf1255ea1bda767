"""The continuous optimum with a proof: branch and bound for each cell, an assignment over cells.

Fix the number m of offloaders, a user and its sub-channel: a cell. In the logarithms of power,
frequency and extraction, latency and energy are convex, so that with prices W >= 0 of the costs
u = (latency, energy, -accuracy)

    QoE  <=  sum_j max_u (w_j S(l_j (u0_j - u)) + W_j u)  -  min_x sum_j W_j u_j(x)

has a closed form on every box (csrc/global/bounds.h), and a few boxes bring a cell to any gap
(csrc/global/branch.h). The cells are intervals [best known action, bound]; for each m an assignment
of the bounds says which of them to tighten, and rules m out when its value is below the best
decision (csrc/global/global.h).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import inf
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np

from .. import _core
from ..backends import packing
from ..files import check_writable
from ..limits import PRICED, refuse_other_limits
from ..model import Actions
from ..problem import Floats, Integers, Problem
from ..records import Record
from ..result import GAP, ROUNDING_ERRORS, Result, Search, Status, as_written
from ..worth import ill_conditioned
from .baselines import reference
from .infeasibility import infeasible, time_left
from .matching import lazy, refuse_coupled

SMALLEST_GAP = 1e-9  # bounds carry rounding errors of about 1e-13


def solve(
    problem: Problem,
    *,
    gap: float = GAP,
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
    refuse_unfit(problem, gap)
    if certificate is not None:
        check_writable(certificate)
    start = perf_counter()
    seconds = inf if time_limit is None else time_limit
    search = _core.solve_global(
        *(packing.scenario(problem), np.ascontiguousarray(problem.gain), problem.task),
        *(gap, seconds, certificate is not None),
        *NO_TOLLS,
    )
    result = as_result(problem, search, time_left(start, time_limit))
    result.details["gap"] = gap  # what "optimal" means here
    if ill_conditioned(problem):
        result = surest(result, gap, time_left(start, time_limit))
    if certificate is not None:
        from ..certificate.format import document, write

        claim = with_exact_worth(result, search["proven"], gap)
        write(certificate, document(claim, gap, search["local"], search["sizes"]))
    return result


def as_result(problem: Problem, search: dict[str, Any], seconds: float) -> Result:
    """Return a compiled search as a result; an infeasible one is explained in so many seconds."""
    upper, details = search["upper"], {"boxes": int(search["boxes"].sum())}
    time, value, bound = np.array(search["progress"]).reshape(-1, 3).T
    history = Search(time, value, bound, search["boxes"])
    if upper < 0.0:
        result = Result(problem, "global", "cpu", Status.INFEASIBLE, details=details)
        return infeasible(result, continuous=True, seconds=seconds)
    if not search["done"]:
        details["stopped"] = search["stopped"]
    status = Status.OPTIMAL if search["done"] else Status.LIMIT_REACHED
    bounds = {"upper_bound": upper, "continuous_bound": upper}
    result = Result(*(problem, "global", "cpu", status), **bounds, details=details, search=history)
    if not search["channel"]:
        return result
    actions = Actions(*(np.array(search[field.name]) for field in fields(Actions)))
    return replace(result, actions=actions, objective=search["lower"])


def surest(result: Result, gap: float, seconds: float) -> Result:
    """Return the best, as judged, of a decision and of those that its search began with.

    Where slopes are steep, kernels and judge may differ in which of them that is.
    """
    if result.status is Status.INFEASIBLE:
        return result
    decisions = []
    first = lazy(result.problem, seconds)[0], reference(result.problem).actions
    for actions in (result.actions, *first):
        if actions is None:
            continue
        candidate = replace(result, actions=as_written(actions), details=dict(result.details))
        if actions is result.actions or not candidate.broken():
            candidate = replace(candidate, objective=candidate.recompute())
            decisions.append(with_exact_worth(candidate, result.upper_bound, gap))
    return max(decisions, key=lambda one: one.objective, default=result)


def with_exact_worth(result: Result, upper: float, gap: float) -> Result:
    """Return the result with a bound, and with an objective that who checks it finds as well.

    A certificate's bound is what the prices prove, where that of the result is at most all weights.
    Where slopes are so steep that doubles do not tell what the decision is worth, balls do, and
    without python-flint the doubles of `model.py`.
    """
    if result.status is Status.INFEASIBLE:
        return result
    result = replace(result, upper_bound=upper)
    if result.actions is None:
        return result
    from ..certificate.exact import sure_qoe

    qoe = sure_qoe(result.problem, result.actions)
    if np.array_equal(qoe, result.outcome().qoe):
        return result
    value = float(qoe.sum())
    if result.status is Status.OPTIMAL and upper - value > gap:
        result.details["stopped"] = ROUNDING_ERRORS
        return replace(result, objective=value, status=Status.LIMIT_REACHED)
    return replace(result, objective=value)


@dataclass(frozen=True)
class Tolls(Record):
    """What slots of a queue that share batteries ask of their tasks' energy.

    Attributes
    ----------
    price : (N,) float64, QoE/J
    least : (S, N) float64, J, less is charged and scored as this
    most : (S, N) float64, J, more is refused
    device : whether a user's own energy (7) counts, not that of its task (9)
    """

    price: Floats
    least: Floats
    most: Floats
    device: bool = False


NONE = np.empty(0)
NO_TOLLS: Any = NONE, NONE, NONE, False


class GlobalBatch:
    """The method for slots of one scenario, each as `solve` solves it.

    Parameters
    ----------
    problem : the scenario; its own slot is not used
    threads : how many slots of a call are solved at a time; 0 for one a core
    gap : as of `solve`
    """

    def __init__(self, problem: Problem, threads: int = 1, gap: float = GAP) -> None:
        refuse_unfit(problem, gap)
        self._scenario, self._users = packing.scenario(problem), len(problem.users.power_min)
        self._threads, self.gap = threads, gap

    def solve_within(
        self, seconds: float, gain: Floats, task: Integers, tolls: Tolls | None = None
    ) -> tuple[Actions, Floats, Floats, dict[str, Any]]:
        """Solve slots gain (S, N, K), task (S, N) until time is up, or Ctrl-C.

        With tolls values are those of slots of a queue, less tolls: a task may be skipped, without
        QoE, and has a frequency of 0 then.

        Returns
        -------
        actions : arrays (S, N), -1 and NaN where no decision is known
        value : (S,) float64, of the decision, -inf where none is known
        upper : (S,) float64, a bound on the optimum, -inf where a slot is infeasible, inf where it
            was not begun
        effort : boxes, (S,) int64, and, where it stopped early, "stopped": why
        """
        slots = len(gain)
        a = Actions.empty(slots, self._users)
        value, upper = np.full(slots, -inf), np.full(slots, inf)
        boxes = np.zeros(slots, np.int64)
        stopped = _core.solve_globals(
            *(self._scenario, gain, task, self.gap, seconds, self._threads),
            *(a.channel, a.power, a.frequency, a.extraction),
            *(value, upper),
            boxes,
            *(NO_TOLLS if tolls is None else vars(tolls).values()),
        )
        return a, value, upper, {"boxes": boxes} | ({"stopped": stopped} if stopped else {})

    def proof(self, gain: Floats, task: Integers, tolls: Tolls) -> dict[str, Any]:
        """Return `local` and `sizes` that prove a bound of a slot (N, K), (N,) with tolls (1, N).

        And that bound, `proven`.
        """
        options = self.gap, inf, True, *vars(tolls).values()
        return _core.solve_global(self._scenario, gain, task, *options)


def refuse_unfit(problem: Problem, gap: float) -> None:
    """Raise ValueError for an objective, limit or gap that the method does not have."""
    refuse_coupled(problem)
    refuse_other_limits(problem, PRICED, "method 'global'", packing.on_the_grid(problem))
    if problem.objective != "sum":
        raise ValueError(
            f"qoe.objective = {problem.objective!r}: method 'global' maximises the sum; "
            "method 'exact' has the minimum on the grid"
        )
    if not (isinstance(gap, Real) and SMALLEST_GAP <= gap < inf):
        raise ValueError(f"gap = {gap!r}: must be at least {SMALLEST_GAP:g}")
