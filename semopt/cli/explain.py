"""`semopt explain`."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from ..report.lines import print_text
from ..report.progress import progress
from .ending import end_cut
from .options import ScenarioArgument
from .solve import SeedOption, one_slot, solve_one

LONGEST = 60.0  # s, unless told otherwise

if TYPE_CHECKING:
    from ..result import Result


def explain(
    scenario: ScenarioArgument = "paper",
    user: Annotated[
        int | None, typer.Option(min=0, help="The user, counted from 0; all unless given.")
    ] = None,
    seed: SeedOption = None,
    time_limit: Annotated[
        float,
        typer.Option(
            min=0.001,
            help="Seconds, of the whole command, after which the users explained are shown.",
        ),
    ] = LONGEST,
) -> None:
    """Say what each user's best alternative to the optimum was, and what it would cost.

    The alternative is another mode (local, raw, semantic) for that user, with the decisions of all
    users optimised anew.
    """
    from ..report.slot import print_infeasible
    from ..result import Status
    from ..scenario import Scenario

    problem = one_slot(Scenario.load(scenario), seed)
    users = len(problem.task)
    if user is not None and user >= users:
        raise ValueError(f"--user {user}: there are {users} users, 0 to {users - 1}")
    start = perf_counter()
    result = solve_one(problem, "exact", {"time_limit": time_limit}, prices=False)
    if result.status is Status.INFEASIBLE:
        print_infeasible(result)
    elif not result.interrupted:
        print_alternatives(result, range(users) if user is None else [user], start, time_limit)
    if result.interrupted:
        end_cut("no alternative is known")


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
