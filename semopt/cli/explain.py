"""`semopt explain`."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated

import typer

from .ending import end_cut
from .options import ScenarioArgument, SeedOption, load
from .slot import LONGEST, one_slot, print_alternatives, solve_one


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
    from ..allowed import whole
    from ..report.slot import print_infeasible
    from ..result import Status

    problem = one_slot(load(scenario), seed)
    users = len(problem.task)
    if user is not None:
        whole("user", user, 0, users - 1)
    start = perf_counter()
    result = solve_one(problem, "exact", {"time_limit": time_limit}, prices=False)
    if result.status is Status.INFEASIBLE:
        print_infeasible(result)
    elif not result.interrupted:
        print_alternatives(result, range(users) if user is None else [user], start, time_limit)
    if result.interrupted:
        end_cut("no alternative is known")
