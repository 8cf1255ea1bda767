"""One slot in view: which it is, how it is solved, and what alternatives its users have."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from ..report.lines import print_text
from ..report.progress import progress
from .ending import end_cut

if TYPE_CHECKING:
    from ..problem import Problem
    from ..result import Result
    from ..scenario import Scenario

LONGEST = 60.0  # s that alternatives may take where no time limit is set


def one_slot(scenario: Scenario, seed: int | None) -> Problem:
    """Return the pinned slot, or the first drawn with `seed`."""
    if pinned(scenario, seed):
        return scenario.problem()
    gain, task = scenario.draw(1, seed or 0)
    return scenario.template().with_slot(gain[0], task[0])


def pinned(scenario: Scenario, seed: int | None) -> bool:
    """Tell whether the slot is the scenario's own, and none that a seed draws."""
    return seed is None and scenario.slot is not None


def title_of(scenario: Scenario, seed: int | None) -> str:
    """Return the name of the scenario and, of a slot that it does not pin, which one is drawn."""
    if pinned(scenario, seed):
        return scenario.name
    drawn, tasks = f"seed {seed or 0}", f"tasks of seed {seed or 0}"
    if scenario.queue and scenario.queue.tasks:
        drawn, tasks = f"gains of {drawn}, tasks as listed", "tasks as listed"
    if scenario.channel and scenario.channel.file:
        return f"{scenario.name}, first slot of {scenario.channel.file}, {tasks}"
    return f"{scenario.name}, first slot drawn, {drawn}"


def solve_one(problem: Problem, method: str, options: dict[str, Any], prices: bool) -> Result:
    """Solve one slot, in view."""
    from ..result import Status
    from ..solvers import find
    from ..solvers import solve as solve_problem

    if prices:
        refuse_unpriced(problem)
    shows_progress, start = "progress" in find(method)[1], perf_counter()
    with progress(method, 1.0 if shows_progress else None) as show:
        result = solve_problem(
            problem, method, **options, **({"progress": show} if shows_progress else {})
        )
    if prices and not result.interrupted:
        remaining = {}
        if (limit := options.get("time_limit")) is not None:
            remaining["time_limit"] = max(limit - (perf_counter() - start), 1e-3)
        with progress("prices", 1.0) as show:
            bound = (
                result
                if method == "relaxation"
                else solve_problem(problem, "relaxation", progress=show, **remaining)
            )
        if bound.status is Status.BOUND_ONLY:  # of a bound that was cut they mean nothing
            result.details["prices"] = bound.details.get("prices")
    return result


def refuse_unpriced(problem: Problem) -> None:
    """Raise ValueError, before any work, where the relaxation, whose prices they are, must."""
    from ..solvers.relaxation.bound import number_of_pieces

    try:
        number_of_pieces(problem)
    except ValueError as error:
        raise ValueError(f"--prices: {error}") from None


def print_alternatives(
    result: Result, users: Sequence[int], start: float, time_limit: float | None
) -> None:
    """Print the alternatives of these users, or of as many as there is time for since `start`."""
    from ..report.slot import print_explanation
    from ..result import INTERRUPTED, Status
    from ..solvers.explanation import alternatives_of

    if time_limit is None:
        start, limit = perf_counter(), LONGEST
    else:
        limit = time_limit
    if result.status is not Status.OPTIMAL:
        print_text(
            f"No alternative is shown: within the time limit of {limit:g} s the optimum that they "
            "are compared with was not found."
        )
        return
    with progress("alternatives", len(users)) as show:
        remaining = max(start + limit - perf_counter(), 0.0)
        explained, stopped = alternatives_of(result, users, remaining, show)
    if explained:
        print_explanation(result, explained)
    sentence = f"{len(explained)} of {len(users)} users are explained"
    if stopped == INTERRUPTED:
        end_cut(sentence)
    if stopped:
        print_text(f"{sentence}: the time limit of {limit:g} s was reached; --user N explains one")
