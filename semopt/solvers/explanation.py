"""What each user's best alternative was, and what it would cost."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from .. import _core
from ..backends.core import best_cells
from ..model import MODES, Actions
from ..problem import Problem
from ..result import Result
from .cells import best_local


@dataclass(frozen=True)
class Alternative:
    """The best joint decision in which one user takes another mode, all others optimised anew.

    Attributes
    ----------
    user, mode : who does what instead
    objective : sum of QoE; -inf where that mode has no feasible joint decision
    loss : what the slot would lose against the optimum
    own_qoe : the user's own QoE then
    own_action : the user's own action then, scalars
    offloaders : how many users would offload
    """

    user: int
    mode: str
    objective: float
    loss: float
    own_qoe: float = -inf
    own_action: Actions | None = None
    offloaders: int = 0


def mode_of(actions: Actions, user: int) -> str:
    """Return "local", "raw" or "semantic"."""
    if actions.channel[user] < 0:
        return "local"
    return "raw" if actions.extraction[user] == 1.0 else "semantic"


def alternatives(result: Result, user: int) -> list[Alternative]:
    """Return the other modes of one user of an exact result, the least loss first.

    Raises
    ------
    ValueError
        Where the result holds no decision, the objective is not the sum, or there is no such user.
    """
    problem = result.problem
    if result.actions is None:
        raise ValueError("an infeasible slot has no decision to explain")
    if problem.objective != "sum":
        raise ValueError("qoe.objective: explanations are made for 'sum'")
    if not 0 <= user < len(problem.task):
        raise ValueError(f"user: 0 to {len(problem.task) - 1} are expected, not {user}")
    chosen = mode_of(result.actions, user)
    found = [forced(problem, user, mode, result.objective) for mode in MODES if mode != chosen]
    return sorted(found, key=lambda alternative: alternative.loss)


def forced(problem: Problem, user: int, mode: str, optimum: float) -> Alternative:
    """Return the best joint decision in which one user takes the given mode."""
    users = range(len(problem.task))
    local = np.array([best_local(problem, n)[0] for n in users])
    own_local, local[user] = local[user], (local[user] if mode == "local" else -inf)
    answer = Alternative(user, mode, -inf, inf)
    for m in range(min(problem.gain.shape) + 1):
        table, actions = best_cells(problem, m)
        if mode == "local":
            table[user] = -inf
        else:
            own, own_actions = best_cells(problem, m, [MODES.index(mode)])
            table[user] = own[user]
            actions.put(user, own_actions.take(user))
        value, channels = _core.assign(table, local, m)
        if value <= answer.objective:
            continue
        k = channels[user]
        if k < 0:
            qoe, action = own_local, best_local(problem, user)[1]
        else:
            qoe, action = table[user, k], actions.take((user, k))
        answer = Alternative(user, mode, value, optimum - value, float(qoe), action, m)
    return answer
