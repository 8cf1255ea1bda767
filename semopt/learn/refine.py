"""A policy's modes and sub-channels with the best levels for them: the option `--refine`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..actions import MODES, Actions
from ..backends import Batch, cpu
from ..problem import Floats, Integers, Problem

Decider = Callable[[Floats, Integers], Actions]


class Refined:
    """Decides as another policy does, and takes better levels of the grid where there are any.

    Once modes and sub-channels are chosen, the number of offloaders is known and users no longer
    meet: row j of a trial has the j-th levels of every user, and each takes its own best row. The
    first row holds the policy's own levels, which stay where no others are better within all
    limits.

    Parameters
    ----------
    problem : the scenario's
    decide : the policy: slots gain (S, N, K), task (S, N) to actions (S, N)
    """

    def __init__(self, problem: Problem, decide: Decider) -> None:
        self.problem, self.decide = problem, decide
        self._levels = levels_by_mode(problem)
        self._outcome = cpu.empty_outcome((self._levels.shape[-1], problem.gain.shape[0]), float)

    def __call__(self, gain: Floats, task: Integers) -> Actions:
        """Return the refined actions (S, N) in slots gain (S, N, K), task (S, N)."""
        chosen = self.decide(gain, task)
        channel = np.asarray(chosen.channel)
        levels = np.stack([chosen.power, chosen.frequency, chosen.extraction], axis=-1)
        users = np.arange(task.shape[1])
        for s, kinds in enumerate(task):
            trial = self._levels[users, kinds, chosen.mode[s]]  # (N, 3, J)
            trial[..., 0] = levels[s]
            rows = np.ascontiguousarray(trial.transpose(1, 2, 0))
            actions = Actions(np.tile(channel[s], (rows.shape[1], 1)), *rows)
            cpu.evaluate(self.problem, Batch(actions, gain[s], kinds, self._outcome))
            feasible = self._outcome.violations == 0
            best = np.where(feasible, self._outcome.qoe, -np.inf).argmax(axis=0)
            levels[s] = trial[users, :, best]
        return Actions(channel, *np.moveaxis(levels, -1, 0))


def refined(name: str) -> str:
    """Return what the scores call a policy whose levels are optimised."""
    return f"{name} refined"


def levels_by_mode(problem: Problem) -> Floats:
    """Return power, frequency and extraction of all levels: (users, kinds, modes, 3, 1 + J).

    The first place is left for others; those of modes with fewer than J levels repeat.
    """
    users, kinds = len(problem.users.power_min), len(problem.tasks.names)
    tables = [[modes_of(problem, n, t) for t in range(kinds)] for n in range(users)]
    most = max(table.shape[1] for row in tables for modes in row for table in modes)
    levels = np.empty((users, kinds, len(MODES), 3, 1 + most))
    for place in np.ndindex(levels.shape[:3]):
        table = tables[place[0]][place[1]][place[2]]
        levels[place][:, 1:] = table[:, np.arange(most) % table.shape[1]]
    return levels


def modes_of(problem: Problem, user: int, kind: int) -> tuple[Floats, Floats, Floats]:
    """Return power, frequency and extraction (3, levels) of each mode of a user with a task."""
    power, frequency, extraction = problem.grid_levels(user, kind)
    if not len(extraction):  # no semantic mode on the grid: one level that is
        extraction = problem.users.extraction_min[user : user + 1]
    semantic = np.stack(np.meshgrid(power, frequency, extraction)).reshape(3, -1)
    local = np.stack([np.zeros_like(frequency), frequency, np.ones_like(frequency)])
    least = np.full_like(power, problem.users.frequency_min[user])
    return local, np.stack([power, least, np.ones_like(power)]), semantic
