"""The hindsight problem P_T of a queue: the best that any policy within the batteries could do.

Maximise the sum of QoE over slots and users where each slot keeps P0's limits, a task may be
skipped (worth 0, no energy, not counted in m), and each user's energy stays within its battery. For
any prices y >= 0 of energy,

    D(y)  =  sum_t max_a [ sum_n QoE_n - y_n E_n ]  +  sum_n y_n battery_n   >=   P_T,

where each slot's maximum is that of P0 with cells worth QoE - y E (csrc/queue/fronts.h).
`prices` finds the lowest D, which lies above P_T by less, the more slots there are (Shapley and
Folkman): by 0.4-2.6% of it at T = 10. The rest is closed by cases, best bound first
(csrc/queue/cases.h): a user's energy in one slot is at most e, or more; each case has prices of its
own, and what cannot be worth more than the decision in hand by D at these prices is dropped from
it. Decisions are what is best in the slots at some prices, where needed changed until they are
within the batteries.

With continuous variables D has the same form and is found alike (`continuous`), and cases are
ranges of energy likewise (`ranges`); on the sub-channels that they show each user spreads its
battery over the slots at a price of its own.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ... import _core
from ...battery import reading_of
from ...files import check_writable
from ...limits import PRICED, refuse_other_limits
from ...model import TOLERANCE
from ...problem import Floats, Problem
from ...queue import QueueResult
from ...result import ROUNDING_ERRORS, Status
from ...worth import upper_limit
from ..batch import as_problem, check_slots
from ..continuous import SMALLEST_GAP, refuse_unfit
from ..matching import refuse_coupled
from ..slot import check_threads, check_time_limit
from .search import Search

QUEUE_METHODS = ("exact", "global")
GAP_OF_A_TASK = 1e-4  # within which a decision is called optimal, unless another gap is asked for


def solve_queue(
    scenario: Any,
    gain: ArrayLike,
    task: ArrayLike,
    method: str = "exact",
    *,
    gap: float | None = None,
    time_limit: float | None = None,
    battery_pays: str | None = None,
    threads: int = 0,
    certificate: str | None = None,
) -> QueueResult:
    """Return the best decision for a queue of which all is known, and a bound on every policy.

    Parameters
    ----------
    scenario : Scenario or Problem, objective "sum"; its users' batteries couple the slots
    gain : (T, N, K), linear power gains
    task : (T, N), index of each user's task among the scenario's
    method : "exact" on the grid, "global" with continuous power, frequency and extraction
    gap : largest difference between bound and value that is "optimal", absolute; 1e-4 a task
    time_limit : s, after which, as by Ctrl-C, the best decision known and a valid bound are given
    battery_pays : "task" or "device"; the scenario's reading unless given
    threads : 0 for one a core
    certificate : file to write the proof to, compressed where it ends in `.gz`; of method "global"
        what it rests on is solved once more, which may take half as long again; where Ctrl-C comes
        then, there is none, and `details` says so

    Raises
    ------
    ValueError
        For a bad method, option or array, or a scenario that couples users beyond an assignment

    Examples
    --------
    >>> import semopt
    >>> scenario = semopt.Scenario.load("contended").replace({"user.battery_mj": 40.0})
    >>> gain, task = scenario.draw(slots=5, seed=0)
    >>> result = solve_queue(scenario, gain, task)
    >>> result.status.word, result.upper_bound - result.objective <= 1e-4 * task.size
    ('optimal', True)
    """
    start, problem = perf_counter(), as_problem(scenario)
    gain, task = check_slots(problem, gain, task)
    check_time_limit(time_limit)
    check_threads(threads)
    pays = battery_pays or reading_of(problem)
    check_options(problem, method, pays)
    if certificate is not None:
        check_certificate(problem, method, certificate)
    wanted = GAP_OF_A_TASK * task.size if gap is None else gap
    refuse_unfit(problem, wanted) if method == "global" else check_gap(wanted)
    seconds = inf if time_limit is None else time_limit
    search = Search(problem, gain, task, pays, wanted, start + seconds, threads)
    result = as_judged(_core.in_usual_rounding(lambda: search.run(method, certificate is not None)))
    if certificate is not None and search.proof:
        from ...certificate.format import write
        from ...certificate.queue_format import queue_document

        claim = with_exact_worth(result, wanted)
        write(certificate, queue_document(claim, wanted, search.proof))
    return replace(result, seconds=perf_counter() - start)


def bound_queue(
    scenario: Any,
    gain: ArrayLike,
    task: ArrayLike,
    *,
    gap: float | None = None,
    battery_pays: str | None = None,
    threads: int = 0,
) -> tuple[float, Floats]:
    """Return D at its best prices, a bound on every policy with levels of the grid, and the prices.

    It takes milliseconds: no decision is looked for. Prices are (N,), QoE/J.

    Parameters
    ----------
    scenario, gain, task, battery_pays, threads : as of `solve_queue`
    gap : how far above the lowest D it may lie, absolute; 1e-4 a task

    Raises
    ------
    ValueError
        As `solve_queue` does

    Examples
    --------
    >>> import semopt
    >>> scenario = semopt.Scenario.load("battery")
    >>> gain, task = scenario.draw(slots=10, seed=0)
    >>> upper, price = bound_queue(scenario, gain, task)
    >>> upper >= solve_queue(scenario, gain, task).objective
    True
    """
    problem = as_problem(scenario)
    gain, task = check_slots(problem, gain, task)
    check_threads(threads)
    pays = battery_pays or reading_of(problem)
    check_options(problem, "exact", pays)
    wanted = GAP_OF_A_TASK * task.size if gap is None else gap
    check_gap(wanted)
    search = Search(problem, gain, task, pays, wanted, inf, threads)
    return _core.in_usual_rounding(search.bound)  # type: ignore[no-any-return]


def check_options(problem: Problem, method: str, pays: str) -> None:
    """Raise ValueError for what the hindsight problem does not have."""
    refuse_coupled(problem)
    if problem.objective != "sum":
        raise ValueError(f"qoe.objective = {problem.objective!r}: a queue has the sum alone")
    if method not in QUEUE_METHODS:
        raise ValueError(f"method: {method!r} is not one of {', '.join(QUEUE_METHODS)} for a queue")
    if pays not in ("task", "device"):
        raise ValueError(f'battery_pays = {pays!r}: must be "task" or "device"')


def check_certificate(problem: Problem, method: str, target: str) -> None:
    """Raise ValueError where there is no certificate, or no file can be written."""
    from ...certificate.queue_format import check_size

    refuse_other_limits(problem, PRICED, "a certificate", "leave it out, or solve without one")
    if method == "exact":
        check_size(problem)
    check_writable(target)


def check_gap(gap: float) -> None:
    """Raise ValueError for a gap that is none."""
    if not (isinstance(gap, int | float) and SMALLEST_GAP <= gap < inf):
        raise ValueError(f"gap = {gap!r}: must be at least {SMALLEST_GAP:g}")


def as_judged(result: QueueResult) -> QueueResult:
    """Return a result with the value that `model.py` finds.

    Where slopes are so steep that it differs by more than who judges allows, nothing is claimed of
    other decisions.
    """
    value, upper = result.recompute(), result.upper_bound
    if abs(value - result.objective) > TOLERANCE:
        upper = len(result.task) * upper_limit(result.problem)
        details = result.details | {"stopped": ROUNDING_ERRORS}
        result = replace(result, status=Status.LIMIT_REACHED, details=details)
    return replace(result, objective=value, upper_bound=max(upper, value))


def with_exact_worth(result: QueueResult, gap: float) -> QueueResult:
    """Return a result with an objective that who checks it in balls finds as well.

    Where slopes are so steep that doubles do not tell what the decision is worth, balls do.
    """
    from ...certificate.exact import DOUBT, sure_qoe

    slots = map(result.problem.with_slot, result.gain, result.task)
    sure = np.array([sure_qoe(slot, result.executed.take(t)) for t, slot in enumerate(slots)])
    value = float(np.where(result.skipped, 0.0, sure).sum())
    if abs(value - result.objective) <= DOUBT * result.skipped.size:
        return result
    result = replace(result, objective=value, upper_bound=max(result.upper_bound, value))
    if result.status is Status.OPTIMAL and result.upper_bound - value > gap:
        return replace(result, status=Status.LIMIT_REACHED)
    return result
