"""`semopt solve` and `semopt explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..backends import Query
    from ..problem import Problem
    from ..result import Result
    from ..scenario import Scenario

ScenarioArgument = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="A TOML file or the name of a preset.")
]
SeedOption = Annotated[
    int | None, typer.Option(min=0, help="Draw the slot from the channel law with this seed.")
]


def solve(
    scenario: ScenarioArgument = "paper",
    method: Annotated[
        str,
        typer.Option(
            help="reference, local, semantic-unaware, exhaustive, exact, global or relaxation."
        ),
    ] = "exact",
    slots: Annotated[
        int, typer.Option(min=1, help="How many slots to draw from the channel law.")
    ] = 1,
    seed: SeedOption = None,
    backend: Annotated[
        str | None, typer.Option(help="auto, numpy, cpu, cuda or cupy: what scores the actions.")
    ] = None,
    time_limit: Annotated[
        float | None, typer.Option(help="Seconds after which the best so far is given.")
    ] = None,
    gap: Annotated[
        float | None, typer.Option(help="global: largest gap between decision and bound.")
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="global: write the proof, which verify re-checks."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            help="exhaustive: file that a stopped search leaves and is taken up from; mappo, dqn: "
            "folder that train wrote."
        ),
    ] = None,
    best: Annotated[
        int | None, typer.Option(min=1, help="exhaustive: list so many of the best joint actions.")
    ] = None,
    above: Annotated[
        float | None,
        typer.Option(help="exhaustive: count joint actions that score above this, a rank."),
    ] = None,
    histogram: Annotated[
        int | None, typer.Option(min=1, metavar="BINS", help="exhaustive: count scores by bin.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - prints it.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add each user's best alternative and its cost.")
    ] = False,
    prices: Annotated[
        bool,
        typer.Option("--prices", help="Add what one more sub-channel, ms or GFLOP/s is worth."),
    ] = False,
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Compare all methods and bounds on this slot.")
    ] = False,
) -> None:
    """Solve a decision slot, or many: who offloads, on which sub-channel, and how.

    Without --slots and --seed the slot that the scenario pins is solved.
    """
    from ..files import check_writable
    from ..scenario import Scenario
    from ..solvers import find
    from ..solvers import solve as solve_problem
    from .progress import progress

    if json is not None and json != "-":
        check_writable(json)
    given = {
        "backend": backend,
        "time_limit": time_limit,
        "gap": gap,
        "certificate": certificate,
        "checkpoint": checkpoint,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    of_one_slot = {
        "--certificate": certificate,
        "--best": best,
        "--above": above,
        "--histogram": histogram,
        "--explain": explain or None,
        "--prices": prices or None,
        "--ladder": ladder or None,
    }
    asked = [name for name, value in of_one_slot.items() if value is not None]
    if slots > 1 and asked:
        raise ValueError(f"{asked[0]}: of one slot, --slots is above 1")
    if ladder and (options or asked[:-1] or method != "exact"):
        raise ValueError("--ladder: asks every method as it is; of other options it takes --json")
    if explain and method != "exact":
        raise ValueError("--explain: alternatives are those to the exact optimum; use method exact")
    loaded = Scenario.load(scenario)
    if slots > 1:
        return solve_many(loaded, method, slots, seed or 0, json, options)
    problem = one_slot(loaded, seed)
    if ladder:
        return climb(problem, loaded.name, json)
    if best or histogram or above is not None:
        options["query"] = query(problem, best, above, histogram)
    if "progress" in find(method)[1]:
        with progress(method, 1.0) as show:
            result = solve_problem(problem, method, progress=show, **options)
    else:
        result = solve_problem(problem, method, **options)
    if prices:
        bound = result if method == "relaxation" else solve_problem(problem, "relaxation")
        result.details["prices"] = bound.details.get("prices")
    if json:
        from ..files import write_json

        write_json(json, result.to_json())
    if json != "-":
        from ..report import print_prices, print_result

        print_result(result, loaded.name)
        if explain and result.actions is not None:
            print_alternatives(result, range(len(result.actions.channel)))
        if prices:
            print_prices(result)


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
    from ..solvers import solve as solve_problem

    result = solve_problem(one_slot(Scenario.load(scenario), seed), "exact")
    if result.actions is None:
        print_infeasible(result)
    else:
        print_alternatives(result, range(len(result.actions.channel)) if user is None else [user])


def query(problem: Problem, best: int | None, above: float | None, bins: int | None) -> Query:
    """Return what an exhaustive search is asked for besides the best joint action."""
    from ..backends import Query

    high = 1.0 if problem.objective == "min" else float(len(problem.task))
    return Query(keep=best or 1, above=above, bins=bins or 0, high=high)


def one_slot(scenario: Scenario, seed: int | None) -> Problem:
    """Return the pinned slot, or the first drawn with `seed`."""
    if seed is None and scenario.slot is not None:
        return scenario.problem()
    gain, task = scenario.draw(1, seed or 0)
    return scenario.template().with_slot(gain[0], task[0])


def climb(problem: Problem, name: str, json: str | None) -> None:
    """Solve by every method of the ladder, and compare."""
    from ..files import write_json
    from ..report import print_ladder
    from ..solvers import ladder

    answers = ladder(problem)
    if json:
        methods = {m: a.to_json() for m, a in answers.items() if not isinstance(a, str)}
        refused = {m: a for m, a in answers.items() if isinstance(a, str)}
        write_json(json, {"schema": 1, "methods": methods, "refused": refused})
    if json != "-":
        print_ladder(answers, name)


def solve_many(
    scenario: Scenario, method: str, slots: int, seed: int, json: str | None, options: Any
) -> None:
    """Draw slots, solve them, and report their means."""
    from ..solvers.batch import solve_batch
    from .progress import progress

    gain, task = scenario.draw(slots, seed)
    with progress(f"{method}: {slots} slots", slots) as show:
        batch = solve_batch(scenario, gain, task, method, progress=show, **options)
    if json:
        from ..files import write_json

        write_json(json, batch.to_json(seed))
    if json != "-":
        from ..report import print_batch

        print_batch(batch, scenario.name, seed)


def print_alternatives(result: Result, users: Any) -> None:
    """Print the table of alternatives of these users."""
    from ..report import print_explanation
    from ..solvers.explanation import alternatives

    print_explanation(result, [alternatives(result, user) for user in users])
