"""What each user's best alternative was, and what it would cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any

import numpy as np

from .. import _core
from ..actions import MODES, Actions, mode_of
from ..allowed import whole
from ..backends import packing
from ..problem import Problem
from ..records import Record
from ..result import INTERRUPTED, Result, Status
from .slot import check_time_limit, solve

OPTIMA = "exact", "exhaustive"  # methods whose optimum is that of the whole grid


@dataclass(frozen=True)
class Alternative(Record):
    """The best joint decision in which one user takes another mode, all others optimised anew.

    Attributes
    ----------
    user, mode : who does what instead
    objective : sum of QoE; -inf where that mode has no feasible joint decision
    loss : what the slot would lose against the optimum
    user_qoe : the user's own QoE then
    user_action : the user's own action then, scalars
    offloaders : how many users would offload
    """

    user: int
    mode: str
    objective: float
    loss: float
    user_qoe: float = -inf
    user_action: Actions | None = None
    offloaders: int = 0


def explain(
    problem: Result | Problem | Any, user: int | None = None, time_limit: float | None = None
) -> dict[int, list[Alternative]]:
    """Return what each user's alternatives to the optimum of the grid are, and what they cost.

    Parameters
    ----------
    problem : a result of method exact or exhaustive; or what `solve` takes, which is solved first
    user : index of the one user that is explained; all unless given
    time_limit : s, after which those users are returned that are done

    Returns
    -------
    user -> its other modes, the least loss first

    Raises
    ------
    ValueError
        Where there is no optimum of the grid to compare with, the objective is not the sum, or
        there is no such user

    Examples
    --------
    >>> raw, local = explain("tiny", user=1)[1]
    >>> raw.mode, local.mode, round(local.loss, 4)
    ('raw', 'local', 0.1791)
    """
    result = problem if isinstance(problem, Result) else solve(problem)
    check_time_limit(time_limit)
    count = len(result.problem.task)
    if user is not None:
        whole("user", user, 0, count - 1)
    users = range(count) if user is None else [user]
    lists, stopped = alternatives_of(result, users, time_limit)
    if stopped == INTERRUPTED:
        raise KeyboardInterrupt
    return dict(zip(users, lists, strict=False))


def alternatives_of(
    result: Result,
    users: Sequence[int],
    time_limit: float | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[list[Alternative]], str]:
    """Return the alternatives of several users of an exact result, and whether they are all.

    Parameters
    ----------
    time_limit : s, after which, as by Ctrl-C, those of the users that are done are returned
    progress : called with the number of users that are done

    Returns
    -------
    alternatives : of the first users
    stopped : "" where they are all, else "time limit" or "interrupted"
    """
    problem, actions = result.problem, result.actions
    best = result.status is Status.OPTIMAL and result.method in OPTIMA
    if actions is None or not best:
        raise ValueError(
            "result: alternatives are compared with an optimum of method "
            f"{' or '.join(OPTIMA)}, this is one of {result.method} that is {result.status.word}"
        )
    if problem.objective != "sum":
        raise ValueError("qoe.objective: explanations are made for 'sum'")
    deadline = perf_counter() + (inf if time_limit is None else time_limit)
    scenario = packing.scenario(problem)
    lists: list[list[Alternative]] = []
    for user in users:
        others = []
        for mode in MODES:
            if mode == mode_of(actions, user):
                continue
            seconds = max(deadline - perf_counter(), 0.0)
            alternative, stopped = forced(problem, scenario, user, mode, result.objective, seconds)
            if stopped:
                return lists, stopped
            others.append(alternative)
        lists.append(sorted(others, key=lambda alternative: alternative.loss))
        progress(len(lists))
    return lists, ""


def forced(
    problem: Problem, scenario: _core.Scenario, user: int, mode: str, optimum: float, seconds: float
) -> tuple[Alternative, str]:
    """Return the best joint decision in which one user takes the given mode, and why it stopped."""
    best = _core.forced(
        scenario, np.ascontiguousarray(problem.gain), problem.task, user, MODES.index(mode), seconds
    )
    if best["value"] == -inf:
        return Alternative(user, mode, -inf, inf), best["stopped"]
    value, action = best["value"], Actions(*map(np.array, best["action"]))
    loss = optimum - value
    return (
        Alternative(user, mode, value, loss, best["action_value"], action, best["offloaders"]),
        best["stopped"],
    )
