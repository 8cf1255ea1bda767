"""A policy of the grid with the best continuous levels: the option `--refine` on queues.

On the sub-channels that a policy takes users no longer meet, so each looks by itself for the power,
frequency and extraction that are worth most by the policy's own terms. Where these have a value
function, its slope at what the grid's action leaves stands for it; what is found is taken where the
function itself says that it is worth more.
"""

from __future__ import annotations

import numpy as np

from ..actions import Actions
from ..arrays import Flags, Floats, Integers
from ..battery import reading_of
from ..solvers.queue.continuous import Slots
from .cells import Cells
from .policy import GridPolicy

GAP = 1e-5  # of a task, QoE


class Refined:
    """Decides as a policy of the grid does, and takes better levels where there are any.

    Parameters
    ----------
    policy : of the grid, which is asked once a slot
    """

    def __init__(self, policy: GridPolicy) -> None:
        self.policy, self.problem = policy, policy.problem

    def __call__(
        self, gain: Floats, task: Integers, left: Floats, tasks_left: int
    ) -> tuple[Actions, Flags]:
        """Decide a slot of many queues, as `policy.Policy` says."""
        gain, task, left = self.policy.checked(gain, task, left, tasks_left)
        cells, terms = Cells(self.problem, gain, task), self.policy.terms(left, tasks_left)
        choice, battery = cells.best(left, terms), self.problem.users.battery
        slots = Slots(self.problem, gain, task, reading_of(self.problem), GAP)
        price = terms.price_at(battery, left, choice.energy)
        most = np.array(np.broadcast_to(np.minimum(left, terms.most), left.shape))
        refined, skips, qoe, energy = slots.levels(choice.channel, price, most)
        better = terms.worth(battery, left, qoe, energy) > terms.worth(
            battery, left, choice.qoe, choice.energy
        )
        better &= ~skips | (choice.channel < 0)  # nobody leaves the sub-channel that it takes
        actions, skipped = cells.decoded(choice)
        actions.put(better, refined.take(better))
        return actions, np.where(better, skips, skipped)
