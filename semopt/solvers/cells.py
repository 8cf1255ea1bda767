"""Plain tables of a user's grid actions: the readable twin of csrc/cells.h.

A cell is (user, sub-channel, number of offloaders); its actions are in the canonical order.
"""

from __future__ import annotations

from math import inf

import numpy as np

from ..model import Actions, Outcome, evaluate
from ..problem import Problem


def local_actions(problem: Problem, user: int) -> Actions:
    """Return a user's local grid actions, arrays (A,): frequency ascending."""
    frequency = problem.grid_levels(user)[1]
    zero = np.zeros(len(frequency))
    return Actions(np.full(len(frequency), -1), zero, frequency, zero + 1.0)


def offload_actions(problem: Problem, user: int, channel: int) -> Actions:
    """Return a user's grid actions on one sub-channel, arrays (A,).

    First raw by power, then semantic by (power, frequency, extraction), the last fastest.
    """
    power, frequency, extraction = problem.grid_levels(user)
    lowest = problem.users.frequency_min[user]
    raw = np.stack([power, np.full(len(power), lowest), np.ones(len(power))])
    grid = np.meshgrid(power, frequency, extraction, indexing="ij")
    rows = np.concatenate([raw, np.reshape(grid, (3, -1))], axis=1)
    return Actions(np.full(rows.shape[1], channel), *rows)


def score(problem: Problem, user: int, actions: Actions, offloaders: int) -> Outcome:
    """Evaluate actions (A,) of one user beside `offloaders` in all: arrays (A,)."""
    alone = evaluate(problem.only(user), actions.take(np.s_[:, None]), offloaders=offloaders)
    return alone.take(np.s_[:, 0])


def best(problem: Problem, user: int, channel: int, offloaders: int) -> tuple[float, Actions]:
    """Return the best action of a cell (channel -1: local), scalars; value -inf where none is."""
    actions = (
        local_actions(problem, user) if channel < 0 else offload_actions(problem, user, channel)
    )
    outcome = score(problem, user, actions, offloaders)
    value = np.where(outcome.violations == 0, outcome.qoe, -inf)
    index = int(value.argmax())
    return float(value[index]), actions.take(index)
