"""One slot: `solve` by a method, and the ladder of methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from inspect import Parameter, signature
from logging import getLogger
from math import inf
from numbers import Real
from pathlib import Path
from time import perf_counter
from typing import Any
from warnings import warn

from .. import _core
from ..allowed import check_path, one_of, whole
from ..backends.query import Query
from ..methods import METHODS, OLD_METHODS, renamed
from ..model import TOLERANCE
from ..problem import Problem
from ..result import ROUNDING_ERRORS, Result, Status
from ..worth import ill_conditioned, upper_limit

# From `local` on each value is at most the next, and all are at most the bounds of the last two.
ON_GRID = ("local", "semantic-unaware", "exhaustive", "exact")  # optima of compiled arithmetic
LOG = getLogger(__name__)
FILES = "certificate", "checkpoint", "resume"  # options that name a file or a folder
KINDS: dict[str, Any] = {"backend": str, "programs": Real, "query": Query}
BOUNDING = "relaxation", "global"  # methods that bound the continuous problem
LADDER = ("reference", "local", "semantic-unaware", "exact", "global", "relaxation")

# s, that a method of the ladder gets at least, and at most unless told otherwise
SHORTEST, LONGEST = 1e-3, 20.0


def solve(problem: Problem | Any, method: str = "exact", **options: Any) -> Result:
    """Solve one decision slot.

    Parameters
    ----------
    problem : the slot; or a Scenario, a preset's name or a file's path, whose pinned slot it is
    method : a name of `METHODS`
    options : the method's own options, such as `backend`, `gap` (QoE) or `time_limit` (s)

    Raises
    ------
    ValueError
        For an unknown method, an option that the method does not have, or an option's bad value.

    Examples
    --------
    >>> result = solve("tiny")
    >>> result.status.word, round(result.objective, 6), result.actions.channel.tolist()
    ('optimal', 1.503385, [1, 0])
    """
    problem = as_slot(problem)
    method, options = by_names_of_today(method, options)
    function, known = find(method)
    check_time_limit(options.get("time_limit"))
    if options.get("time_limit") is None or "time_limit" not in known:
        options.pop("time_limit", None)  # who does not take one takes an evaluation
    for option in options:
        if option not in known:
            takes = ", ".join(known) or "no options"
            raise ValueError(f"{option}: method {method!r} does not take it (it takes: {takes})")
        check_kind(option, options[option])
    start = perf_counter()
    result: Result = _core.in_usual_rounding(lambda: function(problem, **options))
    result = recomputed(result) if method in ON_GRID else result
    result = replace(result, seconds=perf_counter() - start)
    LOG.debug("%r, %.3f s", result, result.seconds)
    return result


def by_names_of_today(method: str, options: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return a method and its options by the names of today; warn of each old one."""
    method, options, notes = renamed(method, options)
    for note in notes:
        warn(note, FutureWarning, stacklevel=3)
    return method, options


def recomputed(result: Result) -> Result:
    """Return a result of the grid with the objective of `model.py`, which judges it.

    Where slopes are steep, the arithmetics of solvers and judge may differ in what a decision is
    worth by more than the judge allows: then nothing is claimed of other decisions.
    """
    problem = result.problem
    if result.actions is None or not ill_conditioned(problem):
        return result
    value = result.recompute()
    if abs(value - result.objective) <= TOLERANCE:
        return result
    return replace(
        result,
        status=Status.LIMIT_REACHED,
        objective=value,
        upper_bound=upper_limit(problem),
        details=result.details | {"stopped": ROUNDING_ERRORS},
    )


def check_kind(option: str, value: Any) -> None:
    """Raise ValueError for an option that is of another kind than its name says."""
    if value is None:
        return
    if option in FILES:
        check_path(option, value)
    kind = KINDS.get(option, object)
    if not isinstance(value, kind) or (kind is Real and isinstance(value, bool)):
        words = {Real: "a number", str: "a name of `semopt backends`"}.get(kind, "a Query")
        raise ValueError(f"{option} = {value!r}: must be {words}")


def check_time_limit(seconds: float | None) -> None:
    """Raise ValueError for a limit that is no time."""
    number = isinstance(seconds, Real) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):
        raise ValueError(f"time_limit = {seconds!r}: must be above 0 s")


def check_threads(threads: int) -> None:
    """Raise ValueError for a number of threads that is none."""
    whole("threads", threads, 0, 2**31 - 1, ", 0 for one a core")


def as_slot(problem: Any) -> Problem:
    """Return a problem as it is; of a scenario the slot that it pins."""
    if isinstance(problem, Problem):
        return problem
    from ..scenario import Scenario

    if not isinstance(problem, Scenario | str | Path):
        raise ValueError(
            f"problem: a Problem is expected, not {type(problem).__name__}; a scenario makes one: "
            "Scenario.load(name).problem()"
        )
    return Scenario.of(problem).problem()


def bound(problem: Problem | Any, method: str = "relaxation", **options: Any) -> float:
    """Return a proven upper bound on what any decision of a slot is worth, levels continuous.

    Parameters
    ----------
    problem : as in `solve`
    method : "relaxation", or "global" for a bound that its decision meets within `gap`
    options : the method's own

    Returns
    -------
    QoE, of all users together or the smallest, as the objective is; -inf of an infeasible slot

    Raises
    ------
    ValueError
        As `solve`, and for a method that proves no such bound

    Examples
    --------
    >>> solve("tiny", "global").objective <= bound("tiny") <= 2.0
    True
    """
    one_of("method", method, BOUNDING)
    result = solve(problem, method, **options)
    return -inf if result.status is Status.INFEASIBLE else result.continuous_bound


def ladder(
    problem: Problem | Any,
    time_limit: float | None = None,
    progress: Callable[[float], None] = lambda done: None,
) -> dict[str, Result | str]:
    """Solve a slot by every method of the ladder, from the plainest decision to the bounds.

    Parameters
    ----------
    problem : as in `solve`
    time_limit : s, for all methods together; the last ones get what is left. Without one each gets
        20 s at most
    progress : called with the number of methods that have answered

    Returns
    -------
    method -> its result, or the sentence why it does not apply to this problem. Ctrl-C leaves out
    the methods that have not answered.

    Raises
    ------
    ValueError
        For what is no slot, and a time that is none

    Examples
    --------
    >>> answers = ladder("tiny")
    >>> [round(answers[method].objective, 4) for method in ("local", "semantic-unaware", "exact")]
    [1.0, 1.4071, 1.5034]
    """
    problem = as_slot(problem)
    check_time_limit(time_limit)
    start = perf_counter()
    answers: dict[str, Result | str] = {}
    for method in LADDER:
        left = LONGEST if time_limit is None else start + time_limit - perf_counter()
        try:
            answers[method] = solve(problem, method, time_limit=max(left, SHORTEST))
        except ValueError as error:
            answers[method] = str(error)
        except KeyboardInterrupt:
            break
        progress(len(answers))
        answer = answers[method]
        if isinstance(answer, Result) and answer.interrupted:
            break
    return answers


def find(method: str) -> tuple[Callable[..., Result], list[str]]:
    """Return a method's function and the names of its options.

    Raises
    ------
    ValueError
        For an unknown method.
    """
    method = OLD_METHODS.get(method, method)
    one_of("method", method, tuple(METHODS))
    module, name = METHODS[method].split(":")
    function = getattr(import_module(f".{module}", __package__), name)
    parameters = signature(function).parameters.values()
    return function, [p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
