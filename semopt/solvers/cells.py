"""Plain tables of a user's grid actions: the readable twin of csrc/exact/cells.h.

A cell is (user, sub-channel, number of offloaders); its actions are in the canonical order.
"""

from __future__ import annotations

from math import inf

import numpy as np

from ..grid import local_actions, offload_actions
from ..model import RAW, SEMANTIC, Actions, Outcome, evaluate
from ..problem import Floats, Problem


def score(problem: Problem, user: int, actions: Actions, offloaders: int) -> Outcome:
    """Evaluate actions (A,) of one user beside `offloaders` in all: arrays (A,)."""
    alone = evaluate(problem.only(user), actions.take(np.s_[:, None]), offloaders=offloaders)
    return alone.take(np.s_[:, 0])


def best_local(problem: Problem, user: int) -> tuple[float, Actions]:
    """Return a user's best local action, scalars; the value is -inf where none is feasible."""
    actions = local_actions(problem, user)
    value = feasible_qoe(score(problem, user, actions, 0))
    index = int(value.argmax())
    return float(value[index]), actions.take(index)


def best_offloads(
    problem: Problem, user: int, offloaders: int, modes: int = RAW + SEMANTIC
) -> tuple[Floats, Actions]:
    """Return a user's best action on every sub-channel, arrays (K,); value -inf where none is."""
    channels = problem.gain.shape[1]
    actions = Actions.concatenate([offload_actions(problem, user, k) for k in range(channels)])
    value = feasible_qoe(score(problem, user, actions, offloaders))
    allowed = np.where(actions.extraction == 1.0, modes & RAW, modes & SEMANTIC) > 0
    value = np.where(allowed, value, -inf).reshape(channels, -1)
    index = value.argmax(axis=1) + np.arange(channels) * value.shape[1]
    return value.max(axis=1), actions.take(index)


def feasible_qoe(outcome: Outcome) -> Floats:
    """Return the QoE, -inf where a limit is broken."""
    return np.where(outcome.violations == 0, outcome.qoe, -inf)
