"""The methods of `solve`: functions from a problem and their own options to a `Result`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from time import perf_counter
from typing import Any

from ..problem import Problem
from ..result import Result

# Modules are imported when asked for: some need packages that take long to load.
METHODS = {
    "reference": "baselines:reference",
    "local": "baselines:local",
    "semantic-unaware": "baselines:semantic_unaware",
    "exhaustive": "exhaustive:solve",
    "exact": "matching:solve",
    "global": "branch:solve",
    "relaxation": "relaxation:solve",
    "mappo": ".learn.answer:mappo",
    "dqn": ".learn.answer:dqn",
}
# From `local` on each value is at most the next, and all are at most the bounds of the last two.
LADDER = ("reference", "local", "semantic-unaware", "exact", "global", "relaxation")


def solve(problem: Problem, method: str = "exact", **options: Any) -> Result:
    """Solve one decision slot.

    Parameters
    ----------
    problem : the slot
    method : a name of `METHODS`
    options : the method's own options, such as `backend`, `gap` (QoE) or `time_limit` (s)

    Raises
    ------
    ValueError
        For an unknown method, an option that the method does not have, or an option's bad value.
    """
    if not isinstance(problem, Problem):
        raise ValueError(
            f"problem: a Problem is expected, not {type(problem).__name__}; a scenario makes one: "
            "Scenario.load(name).problem()"
        )
    function, known = find(method)
    for option in options:
        if option not in known:
            takes = ", ".join(known) or "no options"
            raise ValueError(f"{option}: method {method!r} does not take it (it takes: {takes})")
    start = perf_counter()
    return replace(function(problem, **options), seconds=perf_counter() - start)


def ladder(problem: Problem) -> dict[str, Result | str]:
    """Solve a slot by every method of the ladder, from the plainest decision to the bounds.

    Returns
    -------
    method -> its result, or the sentence why it does not apply to this problem
    """
    answers: dict[str, Result | str] = {}
    for method in LADDER:
        try:
            answers[method] = solve(problem, method)
        except ValueError as error:
            answers[method] = str(error)
    return answers


def find(method: str) -> tuple[Callable[..., Result], list[str]]:
    """Return a method's function and the names of its options.

    Raises
    ------
    ValueError
        For an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"method: {method!r} is not one of {', '.join(METHODS)}")
    module, name = METHODS[method].split(":")
    function = getattr(import_module(f".{module}", __package__), name)
    parameters = signature(function).parameters.values()
    return function, [p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
