"""Plain tables of a user's grid actions: the readable twin of csrc/cells.h.

A cell is (user, sub-channel, number of offloaders); its actions are in the canonical order.
"""

from __future__ import annotations

from math import inf

import numpy as np

from ..backends.space import local_actions, offload_actions
from ..model import Actions, Outcome, evaluate
from ..problem import Problem


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


__all__ = ["best", "local_actions", "offload_actions", "score"]
