"""`semopt explain`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from .ending import end_cut
from .options import ScenarioArgument
from .progress import progress
from .solve import SeedOption, one_slot, solve_one

if TYPE_CHECKING:
    from ..result import Result


def explain(
    scenario: ScenarioArgument = "paper",
    user: Annotated[
        int | None, typer.Option(min=0, help="The user, counted from 0; all unless given.")
    ] = None,
    seed: SeedOption = None,
) -> None:
    """Say what each user's best alternative to the optimum was, and what it would cost.

    The alternative is another mode (local, raw, semantic) for that user, with the decisions of all
    users optimised anew.
    """
    from ..report import print_infeasible
    from ..scenario import Scenario

    problem = one_slot(Scenario.load(scenario), seed)
    users = len(problem.task)
    if user is not None and user >= users:
        raise ValueError(f"--user {user}: there are {users} users, 0 to {users - 1}")
    result = solve_one(problem, "exact", {}, prices=False)
    if result.actions is None:
        print_infeasible(result)
    else:
        print_alternatives(result, range(users) if user is None else [user])


def print_alternatives(result: Result, users: Sequence[int]) -> None:
    """Print the table of alternatives of these users, or of as many as Ctrl-C leaves time for."""
    from ..report import print_explanation
    from ..solvers.explanation import alternatives

    found = []
    try:
        with progress("alternatives", len(users)) as show:
            for user in users:
                found.append(alternatives(result, user))
                show(len(found))
    except KeyboardInterrupt:
        if not found:
            raise
    print_explanation(result, found)
    if len(found) < len(users):
        end_cut(f"{len(found)} of {len(users)} users are explained")
