"""The limits of a problem, whichever there are: read, left out, tightened, refused.

The rows of `figures.LIMITS` say what there is; nothing here names one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from .figures import LIMITS, SHARED_LIMITS, Limit
from .problem import Integers, Problem

HOLDERS = {"system": "system", "user": "users", "task": "tasks"}  # owner -> field of `Problem`

# Limits on what bounds have a price for: those of `global`, `relaxation` and certificates.
PRICED = ("latency", "energy", "accuracy")


def bound(problem: Problem, limit: Limit, task: Integers | None = None) -> Any:
    """Return a limit's bound in SI: a number, or an array that goes with (..., N).

    Parameters
    ----------
    task : (..., N) int64, the problem's own unless given
    """
    value = getattr(getattr(problem, HOLDERS[limit.owner]), limit.bound)
    if limit.owner != "task":
        return value
    return value[problem.task if task is None else task]


def of_user(problem: Problem, limit: Limit, user: int) -> float:
    """Return a limit's bound for one user in its slot, in SI."""
    return float(np.broadcast_to(bound(problem, limit), len(problem.task))[user])


def is_set(problem: Problem, limit: Limit) -> bool:
    """Tell whether a problem has a limit, for any user or kind of task."""
    value = getattr(getattr(problem, HOLDERS[limit.owner]), limit.bound)
    return bool(np.any(value != limit.none))


def unpriced(problem: Problem) -> list[Limit]:
    """Return the limits of a problem that no bound has a price for: `PRICED`."""
    return [limit for limit in LIMITS if limit.name not in PRICED and is_set(problem, limit)]


def coupled(problem: Problem) -> bool:
    """Tell whether there is a limit on all users together, which no assignment can express."""
    return any(is_set(problem, limit) for limit in SHARED_LIMITS)


def changed(
    problem: Problem, limits: Iterable[Limit], change: Callable[[Limit, Any], Any]
) -> Problem:
    """Return the problem with other bounds: what `change` makes of each limit's."""
    for limit in limits:
        name = HOLDERS[limit.owner]
        record = getattr(problem, name)
        value = change(limit, getattr(record, limit.bound))
        problem = replace(problem, **{name: replace(record, **{limit.bound: value})})
    return problem


def without(problem: Problem, limits: Iterable[Limit]) -> Problem:
    """Return the problem without some limits."""

    def none(limit: Limit, value: Any) -> Any:
        return np.full_like(value, limit.none) if np.ndim(value) else limit.none

    return changed(problem, limits, none)


def tightened(problem: Problem, share: float, limits: Iterable[Limit] = LIMITS) -> Problem:
    """Return the problem with limits tighter by a share of each."""
    return changed(problem, limits, lambda limit, value: value * (1.0 - limit.worse * share))


def refuse(problem: Problem, limits: Iterable[Limit], why: str) -> None:
    """Raise ValueError, naming its key, where a problem sets one of these limits."""
    for limit in limits:
        if is_set(problem, limit):
            raise ValueError(f"{limit.owner}.{limit.row.key} {why}")


def has_battery(problem: Problem) -> bool:
    """Tell whether a battery couples the slots of a problem's queue, for any user."""
    return bool(np.isfinite(problem.users.battery).any())


def refuse_other_limits(
    problem: Problem, known: Collection[str], method: str, instead: str
) -> None:
    """Raise ValueError where a problem sets a limit that is none of the known ones.

    Parameters
    ----------
    known : names
    method : does not know it
    instead : what to do
    """
    unknown = [limit for limit in LIMITS if limit.name not in known]
    refuse(problem, unknown, f"is a limit that {method} does not know: {instead}")
