"""The best fixed action for each kind of task: what any policy that looks at the slot must beat.

Every user with the same task does the same thing, whatever the gains: local, raw or semantic at one
grid level of power, frequency and extraction. Offloaders take the strongest sub-channels greedily.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from ..model import LOCAL, RAW, SEMANTIC, Actions, between
from ..problem import Floats, Integers, Problem
from ..records import Record
from ..worth import figures, tasks_in


@dataclass(frozen=True)
class Constant(Record):
    """A fixed action for each kind of task.

    Attributes
    ----------
    mode : (T,) int64, LOCAL, RAW or SEMANTIC
    power, frequency, extraction : (T,) float64, place in the user's own range, 0 to 1
    """

    mode: Integers
    power: Floats
    frequency: Floats
    extraction: Floats

    def decide(self, problem: Problem, gain: Floats, task: Integers) -> Actions:
        """Return the decisions (S, N) for slots gain (S, N, K), task (S, N)."""
        from ..env import Decisions  # whose loops take their time to load
        from ..env.environment import to_actions

        level = np.stack([self.power[task], self.frequency[task], np.ones(task.shape)], axis=-1)
        mode, actions = self.mode[task].astype(np.uint8), Actions.empty(*task.shape)
        to_actions(problem, Decisions(mode, level, np.ascontiguousarray(gain)), task, actions)
        # A share of the grid's range, which ends in raw mode: semantic mode stays below it.
        extraction = between(self.extraction[task], problem.users.extraction_min, 1.0)
        end = actions.extraction  # 1 where not semantic
        return replace(actions, extraction=np.where(end < 1.0, np.minimum(extraction, end), 1.0))


def mean_worth(problem: Problem, actions: Actions, gain: Floats, task: Integers) -> float:
    """Return the mean objective a task; a task that breaks a limit scores 0."""
    return float(figures(problem, actions, gain, task)["value"].mean()) / tasks_in(problem)


def fit(
    problem: Problem, gain: Floats, task: Integers, tick: Callable[[float], None] = lambda _: None
) -> Constant:
    """Return the best fixed actions on slots gain (S, N, K), task (S, N).

    Coordinate ascent over one kind of task at a time, from each pattern of modes. `tick` is told
    the share of them that is done.
    """
    kinds = len(problem.tasks.names)
    best, best_value = None, -np.inf
    patterns = list(product((LOCAL, RAW, SEMANTIC), repeat=kinds))
    for i, modes in enumerate(patterns):
        tick(i / len(patterns))
        policy = Constant(np.array(modes), *(np.full(kinds, share) for share in (1.0, 1.0, 0.5)))
        policy, value = ascend(problem, policy, gain, task)
        if value > best_value:
            best, best_value = policy, value
    assert best is not None
    return best


def ascend(
    problem: Problem, policy: Constant, gain: Floats, task: Integers
) -> tuple[Constant, float]:
    """Improve one variable of one kind of task at a time until nothing improves."""
    grid = problem.grid
    levels = {"power": grid.power, "frequency": grid.frequency, "extraction": grid.extraction}
    value = mean_worth(problem, policy.decide(problem, gain, task), gain, task)
    improved = True
    while improved:
        improved = False
        for kind in range(len(policy.mode)):
            for name in VARIABLES[policy.mode[kind]]:
                for share in np.linspace(0.0, 1.0, levels[name]) if levels[name] > 1 else [1.0]:
                    shares = getattr(policy, name).copy()
                    shares[kind] = share
                    trial = Constant(**{**vars(policy), name: shares})
                    reached = mean_worth(problem, trial.decide(problem, gain, task), gain, task)
                    if reached > value + 1e-12:
                        policy, value, improved = trial, reached, True
    return policy, value


VARIABLES = {LOCAL: ("frequency",), RAW: ("power",), SEMANTIC: ("power", "frequency", "extraction")}
